import Node
import Relocation
import Resources
import Vocabulary

// What clients ask: the counterparts of the agent's ResourceRoutes, WriteService and Forwarding.

extension NodeHost {
    typealias Acknowledge = @Sendable (inout NodeHost, WriteEnd, inout HostContext<NodeHost>) -> Void
    typealias Wrote = @Sendable (inout NodeHost, WriteResult, inout HostContext<NodeHost>) -> Void
    /// With the name of who answered, if anybody did.
    typealias HasRead = @Sendable (inout NodeHost, ReadResult, NodeName?, inout HostContext<NodeHost>) -> Void

    mutating func obey(_ command: Command, _ context: inout Context) {
        switch command {
        case .write(let number, let request):
            let finish: Wrote = { host, result, context in
                host.release(request.digest, &context)
                context.observe(.wrote(number, result))
            }
            guard let digest = request.digest else { return write(request, visited: [], &context, then: finish) }
            keep(digest, size: request.size, &context) { host, isKept, context in
                guard isKept else { return context.observe(.wrote(number, .unavailable)) }
                host.write(request, visited: [], &context, then: finish)
            }
        case .read(let number, let name):
            read(name, visited: [], unsure: [], vouched: nil, hops: 0, &context) { _, result, _, context in
                context.observe(.read(number, result))
            }
        case .leave(let timeout): leave(within: timeout, &context)
        case .restart: restart(&context)
        }
    }

    // MARK: Writing

    mutating func write(
        _ request: WriteRequest, visited: [NodeName], _ context: inout Context, then: @escaping Wrote
    ) {
        switch machine.route(writing: request.name, visited: visited, at: context.now) {
        case .here: writeHere(request, &context, then: then)
        case .forward(let nodes):
            forward(
                SimulatedWriteOrder(request: request, visited: visited + [name]), to: nodes[...], &context, then: then)
        case .nobody: then(&self, .unavailable, &context)
        }
    }

    /// Carries out what another node passed on, if that still waits for it.
    mutating func take(
        _ order: SimulatedWriteOrder, from giver: NodeName, _ context: inout Context, then: @escaping Wrote
    ) {
        guard !has(.beginsUnasked) else {
            return write(order.request, visited: order.visited, &context, then: then)
        }
        let route = machine.route(writing: order.request.name, visited: order.visited, at: context.now)
        begin(order, route == .here ? attempt(context) : nil, of: giver, &context, then: then) {
            host, attempt, context in
            switch route {
            case .here: host.writeInTime(order, as: attempt, from: giver, tries: 1, &context, then: then)
            case .forward(let nodes):
                let next = SimulatedWriteOrder(request: order.request, visited: order.visited + [host.name])
                host.forward(next, to: nodes[...], &context, then: then)
            case .nobody: then(&host, .unavailable, &context)
            }
        }
    }

    private mutating func begin(
        _ order: SimulatedWriteOrder, _ attempt: WriteAttempt?, of giver: NodeName, _ context: inout Context,
        then: @escaping Wrote,
        make: @escaping @Sendable (inout NodeHost, WriteAttempt?, inout HostContext<NodeHost>) -> Void
    ) {
        call(giver, .begin(order.id, attempt), within: .seconds(5), &context) { host, response, context in
            guard case .begins(true) = response else { return then(&host, .unavailable, &context) }
            make(&host, attempt, &context)
        }
    }

    private mutating func writeInTime(
        _ order: SimulatedWriteOrder, as attempt: WriteAttempt?, from giver: NodeName, tries: Int,
        _ context: inout Context, then: @escaping Wrote
    ) {
        guard machine.mayTake(writeOf: order.request.name, at: context.now) else {
            return then(&self, .unavailable, &context)
        }
        var request = order.request
        request.until = attempt?.until
        writeHere(request, &context) { host, result, context in
            guard result == .refused(.overdue) else { return then(&host, result, &context) }
            guard tries < WriteOrders.beginsMax else { return then(&host, .unavailable, &context) }
            host.begin(order, host.attempt(context), of: giver, &context, then: then) { host, attempt, context in
                host.writeInTime(order, as: attempt, from: giver, tries: tries + 1, &context, then: then)
            }
        }
    }

    /// What a write that begins now becomes.
    private func attempt(_ context: Context) -> WriteAttempt {
        let now = hybridClock.reading(wallMilliseconds: context.wallMilliseconds)
        return WriteAttempt(after: lastDot, until: WriteOrders.limit(now))
    }

    private mutating func writeHere(_ request: WriteRequest, _ context: inout Context, then: @escaping Wrote) {
        make(request, tries: 1, &context, then: then)
    }

    private static var judgementsMax: Int { 3 }

    private mutating func make(_ request: WriteRequest, tries: Int, _ context: inout Context, then: @escaping Wrote) {
        let held = context.disk.durable.sets[request.name]
        let told = machine.convergence.unseen(by: nil, of: request.name)
        let unlessOvertaken: Wrote = { host, result, context in
            guard result == .refused(.overtaken) else { return then(&host, result, &context) }
            // Out of step, another one may take it.
            guard tries < Self.judgementsMax, host.machine.mayTake(writeOf: request.name, at: context.now) else {
                return then(&host, .unavailable, &context)
            }
            host.make(request, tries: tries + 1, &context, then: then)
        }
        guard let witnesses = machine.witnesses(writing: request.name, held: held, at: context.now), !has(.judgesAlone)
        else {
            return commit(request, by: nil, told: told, &context, then: unlessOvertaken)
        }
        let testimonies = Testimonies(of: request.name, held: held)
        let inquiry = Inquiry(request: request, told: told, asked: witnesses, testimonies: testimonies)
        ask(inquiry, &context, then: unlessOvertaken)
    }

    mutating func commit(
        _ request: WriteRequest, by testimonies: Testimonies?, told: Set<Dot>, _ context: inout Context,
        then: @escaping Wrote
    ) {
        var request = request
        let seen = testimonies?.seen
        if has(.judgesTooEarly), request.precondition != .none {
            let held = context.disk.durable.sets[request.name]
            if request.precondition.holds(for: seen.map { held?.merged(with: $0.versions) ?? $0 } ?? held) {
                request.precondition = .none
                return after(.milliseconds(20), &context) { [request] host, context in
                    host.commit(request, by: testimonies, told: told, &context, then: then)
                }
            }
        }
        let precondition = request.precondition
        transact(.write(request, seen: seen, told: told), &context) { host, done, context in
            switch done {
            case .wrote(let version, let groups):
                context.observe(.made(version))
                if let testimonies { host.feed(.judged(version.name, by: testimonies), &context) }
                host.feed(.convergence(.wrote(groups, version)), &context)
                let own = version.group(in: host.cluster)
                let former = groups.map(\.key).first { $0 != own } ?? seen?.group(in: host.cluster)
                host.acknowledge(
                    version, on: precondition, leaving: former == own ? nil : former, &context, then: then)
            case .refused(.builtUpon): then(&host, .unknown, &context)
            case .refused(let refusal): then(&host, .refused(refusal), &context)
            case .merged, .dropped, .failed: then(&host, .unavailable, &context)
            }
        }
    }

    private mutating func acknowledge(
        _ version: Version, on precondition: Precondition, leaving former: GroupKey?, _ context: inout Context,
        then: @escaping Wrote
    ) {
        writeNumber += 1
        let id = NodeMachine.WriteID(number: writeNumber)
        let key = version.group(in: cluster)
        if has(.acknowledgesAlone) {
            let owners = machine.convergence.owners(of: key)
            then(&self, .written(version, copies: owners, wanted: owners.count), &context)
            acknowledgements[id] = { _, _, _ in }
        } else {
            acknowledgements[id] = { host, end, context in
                guard precondition != .none else {
                    return then(&host, .written(version, copies: end.copies, wanted: end.wanted), &context)
                }
                host.judge(end, of: version, asking: end.declined, &context, then: then)
            }
        }
        after(Self.transferLimit(version.size), &context) { host, context in
            if host.acknowledgements[id] != nil { host.feed(.writeTimedOut(id), &context) }
        }
        feed(.wrote(id, version, leaving: former), &context)
    }

    private mutating func forward(
        _ order: SimulatedWriteOrder, to nodes: ArraySlice<NodeName>, _ context: inout Context, then: @escaping Wrote
    ) {
        // Once somebody may have made it, nobody can say that it was not.
        let failed: WriteResult = order.isDoubtful ? .unknown : order.isUndecided ? .undecided : .unavailable
        guard let node = nodes.first else { return then(&self, failed, &context) }
        // Whoever only stands in would ask the same ones.
        if order.isUndecided, !machine.ownersOfSlot(order.request.name).contains(node) {
            return forward(order, to: nodes.dropFirst(), &context, then: then)
        }
        guard node != name else {
            guard machine.mayTake(writeOf: order.request.name, at: context.now) else {
                return forward(order, to: nodes.dropFirst(), &context, then: then)
            }
            return writeHere(order.request, &context) { host, result, context in
                let isUntaken = result == .unavailable || result == .undecided
                then(&host, isUntaken && order.isDoubtful ? .unknown : result, &context)
            }
        }
        var order = order
        order.id = orders.give(to: node)
        call(node, .write(order), bytes: 800, within: Self.transferLimit(order.request.size) * 2, &context) {
            [order] host, response, context in
            let progress = host.orders.end(order.id)
            switch response {
            case .wrote(.written(let version, let copies, let wanted)):
                then(&host, .written(version, copies: copies, wanted: wanted), &context)
            case .wrote(.refused(let refusal)): then(&host, .refused(refusal), &context)
            case .wrote(.undecided):
                // Whoever passed it on here goes on, or not.
                guard order.visited.count == 1 else {
                    return then(&host, failed == .unknown ? .unknown : .undecided, &context)
                }
                var next = order
                next.isUndecided = true
                host.forward(next, to: nodes.dropFirst(), &context, then: then)
            // Another has built on what may have been made: that is the last word on a plain put.
            case .wrote(.unknown) where !order.request.attempts.isEmpty: then(&host, .unknown, &context)
            case .wrote(.unknown),
                nil where progress != .given:
                guard let again = order.request.again(after: progress).map(host.blinded) else {
                    return then(&host, .unknown, &context)
                }
                var next = order
                next.isDoubtful = true
                next.request = again
                host.forward(next, to: nodes.dropFirst(), &context, then: then)
            default: host.forward(order, to: nodes.dropFirst(), &context, then: then)
            }
        }
    }

    // MARK: Reading

    /// A node that keeps silent for this long is passed over.
    private static var silenceMax: Duration { .seconds(15) }

    mutating func read(
        _ name: ResourceName, visited: [NodeName], unsure: [NodeName], vouched: Dot?, hops: Int,
        _ context: inout Context, then: @escaping HasRead
    ) {
        let held = context.disk.durable.sets[name]
        if has(.servesWhateverIsHeld), let held {
            return then(&self, held.live.map { .found($0) } ?? .missing, self.name, &context)
        }
        if has(.deniesWhatItLacks), held == nil { return then(&self, .missing, self.name, &context) }
        let isBehind = machine.isBehind(on: name, held: held, at: context.now)
        let route = machine.route(
            reading: name, held: held, visited: visited, unsure: unsure, vouched: vouched, at: context.now)
        var search = Search(
            name: name, held: held, visited: has(.forwardsInCircles) ? [self.name] : visited + [self.name],
            unsure: isBehind ? unsure + [self.name] : unsure, hops: hops + 1, began: context.now)
        if case .forward(let nodes) = route { search.asked = nodes }
        if route != .here, let vouched = machine.vouched(reading: name, held: held, at: context.now),
            visited.count + 1 < NodeMachine.hopsMax
        {
            var first = search
            first.vouched = vouched.dot
            return forward(first, to: vouched.holders[...], &context) { [search] host, result, answerer, context in
                if let answerer { return then(&host, result, answerer, &context) }
                if case .busy = result { return then(&host, .busy, nil, &context) }
                guard case .forward(let nodes) = route else { return then(&host, .behind, nil, &context) }
                host.forward(search, to: nodes[...], &context, then: then)
            }
        }
        switch route {
        case .here: readHere(held, name, visited: visited, hops: hops, &context, then: then)
        case .forward(let nodes): forward(search, to: nodes[...], &context, then: then)
        case .nobody:
            then(&self, isBehind ? .behind : .unavailable, nil, &context)
        }
    }

    /// A read on its way through the nodes that may answer it.
    private struct Search: Sendable {
        let name: ResourceName
        let held: VersionSet?
        let visited: [NodeName]
        let unsure: [NodeName]
        let hops: Int
        var vouched: Dot?
        /// Whom this node asks, whether it has done so already or not.
        var asked: [NodeName] = []
        var silent: [NodeName] = []
        var isSomebodyBehind = false
        /// Those that could not be asked without waiting for a place.
        var postponed: [NodeName] = []
        /// Those of them that had none to the end: they are there, and what they hold is not known.
        var unasked: [NodeName] = []
        var patience = PeerPlaces.Patience.hasOthers
        var rounds = 0
        let began: Instant
    }

    private mutating func readHere(
        _ held: VersionSet?, _ name: ResourceName, visited: [NodeName], hops: Int, _ context: inout Context,
        then: @escaping HasRead
    ) {
        guard let held, let version = held.live else { return then(&self, .missing, self.name, &context) }
        guard let digest = version.digest, !mayRead(digest, &context) else {
            if let digest = version.digest, context.disk.durable.rotten.contains(digest) {
                context.observe(.servedRot(name))
            }
            return then(&self, .found(version), self.name, &context)
        }
        let route = visited + [self.name]
        let others = machine.convergence.likelyHolders(of: held.group(in: cluster)).filter { !route.contains($0) }
        let search = Search(
            name: name, held: nil, visited: route, unsure: [self.name], hops: hops + 1, isSomebodyBehind: true,
            began: context.now)
        forward(search, to: others[...], &context, then: then)
    }

    private mutating func forward(
        _ search: Search, to nodes: ArraySlice<NodeName>, _ context: inout Context, then: @escaping HasRead
    ) {
        if nodes.first.map({ $0 == self.name }) ?? true, !search.postponed.isEmpty {
            var again = search
            again.postponed = []
            again.patience = .waits
            again.rounds += 1
            let all = search.postponed + nodes
            guard search.rounds > 0 else { return forward(again, to: all[...], &context, then: then) }
            return after(PeerPlaces.busyPause, &context) { [again] host, context in
                host.forward(again, to: all[...], &context, then: then)
            }
        }
        guard let node = nodes.first else {
            // A node that was passed over in silence leaves more open than one that said that it knows nothing. This one may
            // be behind itself.
            if search.isSomebodyBehind || search.unsure.contains(self.name) {
                return then(&self, .behind, nil, &context)
            }
            return then(&self, search.silent.isEmpty ? .unavailable : .silence, nil, &context)
        }
        guard node != self.name else {
            let slot = Slot(ofName: search.name.text, in: cluster)
            guard
                !search.isSomebodyBehind,
                search.held?.live != nil
                    ? search.unsure.allSatisfy({ $0 == self.name }) && search.unasked.isEmpty
                    : machine.hasHeardEnough(
                        of: slot, besides: search.silent + search.unsure, asked: search.visited + search.asked)
            else {
                // What it holds and may not answer with, others must not take for nothing.
                var end = search
                end.isSomebodyBehind = search.isSomebodyBehind || search.held != nil
                return forward(end, to: [], &context, then: then)
            }
            return readHere(
                search.held, search.name, visited: Array(search.visited.dropLast()), hops: search.hops, &context,
                then: then)
        }
        let request = Request.read(
            search.name, visited: search.visited, unsure: search.unsure, vouched: search.vouched, hops: search.hops)
        call(node, request, within: Self.silenceMax, patience: search.patience, &context) { host, response, context in
            var search = search
            switch response {
            // Only the node that was asked first waits, and asks others meanwhile: those on the way would be taken for
            // silent, and each of them would ask everybody in vain.
            case .busy where search.visited.count > 1: return then(&host, .busy, nil, &context)
            case .busy where search.rounds < 2 || context.now < search.began + PeerPlaces.busyFor:
                search.postponed.append(node)
            case .read(let result, .some(let answerer)):
                if answerer != node { host.feed(.passedOn(by: node), &context) }
                return then(&host, result, answerer, &context)
            case .read(.behind, nil): search.isSomebodyBehind = true
            case .read(.unavailable, nil): break
            case .busy:
                search.silent.append(node)
                search.unasked.append(node)
            default: search.silent.append(node)
            }
            host.forward(search, to: nodes.dropFirst(), &context, then: then)
        }
    }
}
