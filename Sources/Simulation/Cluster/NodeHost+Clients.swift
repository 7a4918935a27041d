import Node
import Relocation
import Resources
import Vocabulary

// What clients ask: the counterparts of the agent's ResourceRoutes, WriteService and Forwarding.

extension NodeHost {
    typealias Acknowledge = @Sendable (inout NodeHost, [NodeName], Int, inout HostContext<NodeHost>) -> Void
    typealias Wrote = @Sendable (inout NodeHost, WriteResult, inout HostContext<NodeHost>) -> Void
    typealias HasRead = @Sendable (inout NodeHost, ReadResult, inout HostContext<NodeHost>) -> Void

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
            read(name, visited: [], &context) { _, result, context in context.observe(.read(number, result)) }
        case .leave(let timeout): leave(within: timeout, &context)
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

    private mutating func writeHere(_ request: WriteRequest, _ context: inout Context, then: @escaping Wrote) {
        let held = context.disk.durable.sets[request.name]
        ask(machine.witnesses(writing: request.name, held: held)[...], request, seen: nil, &context, then: then)
    }

    /// The shell asks them all at once; here one after the other comes to the same.
    private mutating func ask(
        _ nodes: ArraySlice<NodeName>, _ request: WriteRequest, seen: VersionSet?, _ context: inout Context,
        then: @escaping Wrote
    ) {
        guard let node = nodes.first else { return commit(request, seen: seen, &context, then: then) }
        call(node, .versions(request.name), within: .seconds(5), &context) { host, response, context in
            var all = seen
            if case .versions(let theirs?) = response { all = seen?.merged(with: theirs.versions) ?? theirs }
            host.ask(nodes.dropFirst(), request, seen: all, &context, then: then)
        }
    }

    private mutating func commit(
        _ request: WriteRequest, seen: VersionSet?, _ context: inout Context, then: @escaping Wrote
    ) {
        transact(.write(request, seen: seen), &context) { host, done, context in
            switch done {
            case .wrote(let version, let groups):
                host.feed(.convergence(.wrote(groups)), &context)
                let own = GroupKey(slot: Slot(ofName: version.name.text, in: host.cluster), home: version.home)
                host.acknowledge(
                    version, leaving: groups.map(\.key).first { $0 != own }, &context, then: then)
            case .refused(let refusal): then(&host, .refused(refusal), &context)
            case .merged, .dropped, .failed: then(&host, .unavailable, &context)
            }
        }
    }

    private mutating func acknowledge(
        _ version: Version, leaving former: GroupKey?, _ context: inout Context, then: @escaping Wrote
    ) {
        writeNumber += 1
        let id = NodeMachine.WriteID(number: writeNumber)
        let key = GroupKey(slot: Slot(ofName: version.name.text, in: cluster), home: version.home)
        if has(.acknowledgesAlone) {
            let owners = machine.convergence.owners(of: key)
            then(&self, .written(version, copies: owners, wanted: owners.count), &context)
            acknowledgements[id] = { _, _, _, _ in }
        } else {
            acknowledgements[id] = { host, copies, wanted, context in
                then(&host, .written(version, copies: copies, wanted: wanted), &context)
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
        guard let node = nodes.first else { return then(&self, .unavailable, &context) }
        guard node != name else { return writeHere(order.request, &context, then: then) }
        call(node, .write(order), bytes: 800, within: Self.transferLimit(order.request.size) * 2, &context) {
            host, response, context in
            switch response {
            case .wrote(.written(let version, let copies, let wanted)):
                then(&host, .written(version, copies: copies, wanted: wanted), &context)
            case .wrote(.refused(let refusal)): then(&host, .refused(refusal), &context)
            default: host.forward(order, to: nodes.dropFirst(), &context, then: then)
            }
        }
    }

    // MARK: Reading

    /// A node that keeps silent for this long is passed over.
    private static var silenceMax: Duration { .seconds(15) }

    mutating func read(
        _ name: ResourceName, visited: [NodeName], _ context: inout Context, then: @escaping HasRead
    ) {
        let held = context.disk.durable.sets[name]
        if has(.servesWhateverIsHeld), let held {
            return then(&self, held.live.map { .found($0) } ?? .missing, &context)
        }
        switch machine.route(reading: name, held: held, visited: visited, at: context.now) {
        case .here: readHere(held, visited: visited, &context, then: then)
        case .forward(let nodes):
            forward(name, held, visited: visited + [self.name], to: nodes[...], isDoubtful: false, &context, then: then)
        case .nobody:
            let isBehind = machine.isBehind(on: name, held: held, at: context.now)
            then(&self, isBehind ? .behind : .unavailable, &context)
        }
    }

    private mutating func readHere(
        _ held: VersionSet?, visited: [NodeName], _ context: inout Context, then: @escaping HasRead
    ) {
        guard let version = held?.live else { return then(&self, .missing, &context) }
        guard let digest = version.digest, context.disk.durable.blobs[digest] == nil else {
            return then(&self, .found(version), &context)
        }
        let key = GroupKey(slot: Slot(ofName: version.name.text, in: cluster), home: version.home)
        let route = visited + [name]
        let others = machine.convergence.holders(of: key).filter { !route.contains($0) }
        forward(version.name, nil, visited: route, to: others[...], isDoubtful: false, &context, then: then)
    }

    private mutating func forward(
        _ name: ResourceName, _ held: VersionSet?, visited: [NodeName], to nodes: ArraySlice<NodeName>,
        isDoubtful: Bool, _ context: inout Context, then: @escaping HasRead
    ) {
        guard let node = nodes.first else { return then(&self, isDoubtful ? .behind : .unavailable, &context) }
        guard node != self.name else {
            // Somebody who is not in step may hold what is not held here.
            if isDoubtful, held?.live == nil { return then(&self, .behind, &context) }
            return readHere(held, visited: Array(visited.dropLast()), &context, then: then)
        }
        call(node, .read(name, visited: visited), within: Self.silenceMax, &context) { host, response, context in
            switch response {
            case .read(.found(let version)): then(&host, .found(version), &context)
            case .read(.missing): then(&host, .missing, &context)
            case .read(.behind):
                host.forward(
                    name, held, visited: visited, to: nodes.dropFirst(), isDoubtful: true, &context, then: then)
            default:
                host.forward(
                    name, held, visited: visited, to: nodes.dropFirst(), isDoubtful: isDoubtful, &context, then: then)
            }
        }
    }
}
