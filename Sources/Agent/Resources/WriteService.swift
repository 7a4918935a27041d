import Client
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Node
import Relocation
import Resources
import Storage
import Vocabulary

/// Puts and deletes. The bytes are durable here first; then the write goes to the first owner of the name's slot that
/// answers, which orders it among the name's other writes, pulls the bytes, and waits for the copies of law 1.
struct WriteService: Sendable {
    let core: AgentCore

    /// Takes a write whose bytes, if it has any, are held here under `lease`.
    ///
    /// - Throws: `WriteRequest.Refusal`, `StorageError`, or `WriteFailure`.
    func write(_ request: WriteRequest, lease: BlobLease?, visited: [NodeName]) async throws -> WriteReceipt {
        switch core.driver.read({ $0.route(writing: request.name, visited: visited, at: NodeDriver.now) }) {
        case .here: return try await writeHere(request, lease: lease, visited: visited)
        case .forward(let nodes):
            return try await forward(request, lease: lease, to: nodes, visited: visited + [core.name])
        case .nobody: throw WriteFailure.nobody(request.name)
        }
    }

    /// Takes a write that another node passes on, if that still waits for it; its bytes are there.
    func take(_ order: WriteOrder, from giver: NodeName) async throws -> WriteReceipt {
        var lease: BlobLease?
        var small: (digest: ContentDigest, size: UInt64)?
        if case .blob(let digest, let size, _) = order.content {
            if size <= BlobFrames.bytesMax {
                small = (digest, size)
            } else {
                // Not before it has the bytes: who has begun and breaks off leaves the giver without an answer.
                lease = try await pull(digest, size, of: order.name, from: giver)
            }
        }
        let route = core.driver.read { $0.route(writing: order.name, visited: order.visited, at: NodeDriver.now) }
        let attempt = route == .here && order.id != nil ? attempt : nil
        async let answer = begin(order, of: giver, as: attempt)
        // Their pull is one round trip, as the question is.
        if let small { lease = try await pull(small.digest, small.size, of: order.name, from: giver) }
        guard await answer else { throw WriteFailure.givenUp(order.name, by: giver) }
        var request = WriteRequest(
            name: order.name, content: order.content, home: order.home, precondition: order.condition.precondition)
        request.attempts = order.attempts ?? []
        switch route {
        case .here:
            request.until = attempt?.until
            return try await writeInTime(request, lease: lease, of: order, from: giver)
        case .forward(let nodes):
            return try await forward(request, lease: lease, to: nodes, visited: order.visited + [core.name])
        case .nobody: throw WriteFailure.nobody(order.name)
        }
    }

    /// Makes a write that was begun, as long as its giver lets it begin again whenever it took longer than was said.
    private func writeInTime(
        _ request: WriteRequest, lease: BlobLease?, of order: WriteOrder, from giver: NodeName
    ) async throws -> WriteReceipt {
        var request = request
        for round in 0..<WriteOrders.beginsMax {
            if round > 0 {
                let attempt = attempt
                request.until = attempt.until
                guard await begin(order, of: giver, as: attempt) else {
                    throw WriteFailure.givenUp(order.name, by: giver)
                }
            }
            // To ask took a while.
            guard core.driver.read({ $0.mayTake(writeOf: request.name, at: NodeDriver.now) }) else {
                throw WriteFailure.nobody(request.name)
            }
            do {
                return try await writeHere(request, lease: lease, visited: order.visited)
            } catch StorageError.refused(.overdue) {}
        }
        throw StorageError.refused(.overdue)
    }

    /// The bytes of an order. Whatever goes wrong with that, nothing was made: the giver can go on to another node.
    private func pull(
        _ digest: ContentDigest, _ size: UInt64, of name: ResourceName, from giver: NodeName
    ) async throws -> BlobLease {
        try await beforeMaking(name) {
            try await core.puller.obtain(digest, size: size, from: [giver], for: .write)
        }
    }

    /// What fails here fails for the sake of this node's disk, before anything was made.
    private func beforeMaking<Found>(_ name: ResourceName, _ body: () async throws -> Found) async throws -> Found {
        do { return try await body() } catch let error as StorageError {
            switch error {
            case .io, .database, .damaged, .missingBlob, .rotten: throw WriteFailure.notMade(name, by: core.name, error)
            default: throw error
            }
        }
    }

    /// What a write that begins now becomes.
    private var attempt: WriteAttempt {
        let now = core.store.time(wallMilliseconds: WallClock.milliseconds)
        return WriteAttempt(after: core.store.lastDot, until: WriteOrders.limit(now))
    }

    /// Whether the order is to be carried out.
    private func begin(_ order: WriteOrder, of giver: NodeName, as attempt: WriteAttempt?) async -> Bool {
        guard let id = order.id else { return true }
        var metadata: Logger.Metadata = ["name": "\(order.name)", "from": "\(giver)"]
        do {
            if try await core.calls.begin(OrderBegin(id: id, attempt: attempt), of: giver) { return true }
        } catch is CancellationError { return false } catch { metadata["error"] = "\(error)" }
        core.log.info("a write that was passed on came too late, and is not made", metadata: metadata)
        return false
    }

    private func writeHere(
        _ request: WriteRequest, lease: BlobLease?, visited: [NodeName]
    ) async throws -> WriteReceipt {
        // A drain waits for what is under way; what comes later goes elsewhere.
        core.intake.began(request.name)
        defer { core.intake.ended(request.name) }
        guard !core.driver.read({ $0.isDraining }) else { throw WriteFailure.nobody(request.name) }
        let (known, outcome) = try await make(request, lease: lease)
        let own = outcome.set.group(in: core.cluster)
        // The name may leave a group by this write: the one that it was in here, or, as others tell, elsewhere.
        let former = outcome.groups.map(\.key).first { $0 != own } ?? known?.group(in: core.cluster)
        var acknowledgement = await core.driver.acknowledgement(
            of: outcome.version, leaving: former == own ? nil : former,
            within: TransferTime.limit(bytes: outcome.version.size))
        guard !acknowledgement.copies.isEmpty else { throw WriteFailure.stopping }
        if request.precondition != .none {
            await hearDecliners(of: outcome.version, &acknowledgement)
            // The rival may have come here itself, by its writer's offer.
            let here: Dot?
            do { here = try await core.store.versions(of: request.name)?.rival(of: outcome.version)?.dot } catch {
                throw WriteFailure.unjudged(request.name, "\(error)")
            }
            if let rival = here ?? acknowledgement.rival { throw StorageError.refused(.outranked(by: rival)) }
            guard acknowledgement.unheard.isEmpty else {
                throw WriteFailure.unheard(request.name, acknowledgement.unheard)
            }
        }
        return WriteReceipt(
            version: outcome.version, copies: acknowledgement.copies, wanted: acknowledgement.wanted,
            replaced: outcome.set.versions.dropFirst().first.map { !$0.isTombstone } ?? (known?.live != nil),
            route: visited + [core.name])
    }

    /// Who has no room for a write may have made another: a delete takes none.
    private func hearDecliners(of version: Version, _ end: inout WriteEnd) async {
        var open = withoutGone(end.declined)
        for round in 0..<WriteEnd.asksMax where !open.isEmpty {
            if round > 0 { try? await Task.sleep(for: WriteTracker.retryPause) }
            let here = core.driver.read { [open] machine in open.filter { machine.convergence.view.canCall($0) } }
            var silent = open.filter { !here.contains($0) }
            for (node, testimony) in await ask(here, of: version.name) {
                if let testimony {
                    end.heard(testimony, from: node, besides: version)
                } else {
                    silent.append(node)
                }
            }
            open = withoutGone(silent)
        }
        end.silent += open
    }

    /// What one that is gone made nobody acknowledges any more.
    private func withoutGone(_ nodes: [NodeName]) -> [NodeName] {
        core.driver.read { machine in nodes.filter { machine.convergence.view.mayBeBack($0) } }
    }

    /// Judges the write and makes it, anew when somebody told meanwhile of a write of the name that it would not have seen.
    ///
    /// - Returns: what others hold of the name, where they were asked, and what became of it.
    private func make(
        _ request: WriteRequest, lease: BlobLease?
    ) async throws -> (known: VersionSet?, outcome: WriteOutcome) {
        let name = request.name
        for _ in 1..<Self.judgementsMax {
            do { return try await makeOnce(request, lease: lease) } catch StorageError.refused(.overtaken) {
                // Out of step: another one may take it.
                guard core.driver.read({ $0.mayTake(writeOf: name, at: NodeDriver.now) }) else {
                    throw WriteFailure.nobody(name)
                }
                core.log.debug("a write is judged again: others told of another one", metadata: ["name": "\(name)"])
            }
        }
        return try await makeOnce(request, lease: lease)
    }

    private func makeOnce(
        _ request: WriteRequest, lease: BlobLease?
    ) async throws -> (known: VersionSet?, outcome: WriteOutcome) {
        let name = request.name
        let driver = core.driver
        let told = driver.read { $0.convergence.unseen(by: nil, of: name) }
        let testimonies = try await beforeMaking(name) { try await testimony(for: request) }
        let known = testimonies?.seen
        let outcome = try await core.store.write(
            request, knowing: known, wallMilliseconds: WallClock.milliseconds, holding: lease,
            unless: { seen in
                request.dependsOnState && driver.read { $0.isOvertaken(writeOf: name, seen: seen, told: told) }
            },
            committed: { outcome in
                if let testimonies { driver.feed(.judged(name, by: testimonies)) }
                driver.feed(.convergence(.wrote(outcome.groups, outcome.version)))
            })
        return (known, outcome)
    }

    /// At half, a name that many write at once refuses more of them; at double, each of those asks everybody so often.
    private static let judgementsMax = 3

    /// What others hold of the name, where this node alone can not judge the write.
    ///
    /// A plain put is taken whoever keeps silent: it would wait for a dead node. What depends on the name's present
    /// state, a precondition or a delete, is judged only when those heard are enough to know it.
    private func testimony(for request: WriteRequest) async throws -> Testimonies? {
        let name = request.name
        let held = try await core.store.versions(of: name)
        guard
            let witnesses = core.driver.read({ $0.witnesses(writing: name, held: held, at: NodeDriver.now) })
        else { return nil }
        var testimonies = Testimonies(of: name, held: held)
        for (node, testimony) in await ask(witnesses, of: name) { testimonies.heard(testimony, from: node) }
        guard request.dependsOnState, !mayJudge(name, by: testimonies, everybody: false) else {
            return testimonies
        }
        // Those who have answered, too: what one has given away since then, another may have that had it not.
        let silent = testimonies.silent
        let everybody = core.driver.read { machine in
            machine.convergence.view.contactable.filter { !silent.contains($0) }
        }
        testimonies.holds(try await core.store.versions(of: name))
        testimonies.askAgain()
        for (node, testimony) in await ask(everybody, of: name) { testimonies.heard(testimony, from: node) }
        guard mayJudge(name, by: testimonies, everybody: true) else {
            let doubts =
                testimonies.silent.map { "\($0) does not say what it holds" }
                + testimonies.behind.map { "\($0) does not know yet what it is to hold" }
                + testimonies.expecting.map { "\($0) knows of a write that nobody has who answers" }
            // Who has not heard all there is may be the only one who is in doubt.
            let isOwnDoubt = core.driver.read { $0.isHalfHeard(name) }
            throw isOwnDoubt ? WriteFailure.unreachable(name, doubts) : WriteFailure.undecided(name, doubts)
        }
        return testimonies
    }

    private func mayJudge(_ name: ResourceName, by testimonies: Testimonies, everybody: Bool) -> Bool {
        core.driver.read { $0.mayJudge(name, by: testimonies, everybody: everybody) }
    }

    /// Calls at once, for what is held of a name. At half, a large cluster is asked in twice the time; at double, as many
    /// handshakes come at once.
    private static let asksAtOnce = 64

    /// - Returns: in the order in which they answered, nil for those that did not.
    private func ask(_ nodes: [NodeName], of name: ResourceName) async -> [(NodeName, Testimony?)] {
        await withTaskGroup(of: (NodeName, Testimony?).self) { tasks in
            var rest = nodes[...]
            func askNext() {
                guard let node = rest.popFirst() else { return }
                tasks.addTask {
                    do { return (node, try await core.calls.testimony(of: name, from: node)) } catch {
                        core.log.debug("no word on a name", metadata: ["from": "\(node)", "error": "\(error)"])
                        return (node, nil)
                    }
                }
            }
            for _ in 0..<Self.asksAtOnce { askNext() }
            var all: [(NodeName, Testimony?)] = []
            for await answer in tasks {
                all.append(answer)
                askNext()
            }
            return all
        }
    }

    /// Tries the nodes in turn. A refusal of the write itself is final; a node that can not be reached, or that may
    /// not vouch for the slot yet, is passed over. One that began and does not answer may have carried it out: the next
    /// makes it once more where that does no harm, and else that ends it (`WriteOrders`).
    private func forward(
        _ request: WriteRequest, lease: BlobLease?, to nodes: [NodeName], visited: [NodeName]
    ) async throws -> WriteReceipt {
        // The owner pulls the bytes from here: they stay until it has answered.
        defer { withExtendedLifetime(lease) {} }
        var request = request
        var size: UInt64 = 0
        if case .blob(_, let bytes, _) = request.content { size = bytes }
        var failures: [String] = []
        var full: [API.ErrorBody] = []
        // An owner could not judge it, since others kept silent: whoever only stands in would ask the same ones.
        var undecided: (body: API.ErrorBody, owners: [NodeName])?
        // Somebody may have made it: whatever the others say of it, that it did not happen nobody knows.
        var doubt: WriteFailure?
        for node in nodes where undecided?.owners.contains(node) ?? true {
            guard !core.driver.isStopped else { throw doubt ?? .notTaken }
            if node == core.name {
                // It took a while to get here: who fell behind in between takes no write any more.
                guard core.driver.read({ $0.mayTake(writeOf: request.name, at: NodeDriver.now) }) else {
                    failures.append("\(node) is not in step")
                    continue
                }
                do { return try await writeHere(request, lease: lease, visited: visited.dropLast()) } catch {
                    throw doubt ?? error
                }
            }
            let id = core.orders.withLockedValue { $0.give(to: node) }
            let order = WriteOrder(
                name: request.name, content: request.content, home: request.home,
                condition: WriteOrder.Condition(request.precondition), visited: visited, id: id,
                attempts: request.attempts.isEmpty ? nil : request.attempts)
            // Many bytes are on their way for long before it is begun, and would all have to go once more.
            let isLong = size > BlobFrames.bytesMax
            let receipt: WriteReceipt
            do {
                receipt = try await core.driver.whileThere(
                    node, isCommitted: { [core] in isLong || core.orders.withLockedValue { $0.hasBegun(id) } }
                ) { [core, size] in try await core.calls.write(order, to: node, size: size) }
            } catch {
                // From now on it can not be begun.
                let progress = core.orders.withLockedValue { $0.end(id) }
                var answer: (status: Int, body: API.ErrorBody)?
                if case PeerCallError.refused(_, _, let status, let body) = error { answer = (status, body) }
                if answer == nil { try Task.checkCancellation() }
                // What is waited for no more since this node stops may be under way there, and is no work for a third.
                guard answer != nil || !core.driver.isStopped else {
                    throw doubt ?? (progress == .given ? .notTaken : .outcomeUnknown(request.name, node, "\(error)"))
                }
                failures.append(error is PeerCallError ? "\(error)" : "\(node): \(error)")
                switch answer {
                case nil where progress == .given: break
                case .some((507, let body)): full.append(body)
                case .some((503, let body)) where body.error.code == API.ErrorBody.undecidedCode:
                    // Whoever passed it on here goes on, or not.
                    guard visited.count == 1 else { throw doubt ?? WriteFailure.refused(status: 503, body) }
                    undecided = (body, core.driver.read { [request] in $0.ownersOfSlot(request.name) })
                case .some((503, let body)) where !WriteFailure.mayHaveHappened(body): break
                // It failed before it began: on the way to the bytes, say.
                case .some((500..., let body)) where progress == .given && !WriteFailure.mayHaveHappened(body): break
                // Another has built on what may have been made: that is the last word on a plain put.
                case .some((503, let body))
                where !request.attempts.isEmpty && body.error.code == API.ErrorBody.unknownOutcomeCode:
                    throw doubt ?? WriteFailure.refused(status: 503, body)
                case nil, .some((500..., _)):
                    let unknown = WriteFailure.outcomeUnknown(
                        request.name, node, answer?.body.error.message ?? "\(error)")
                    guard let again = request.again(after: progress) else { throw unknown }
                    request = again
                    doubt = doubt ?? unknown
                    core.log.info(
                        "a write may have been made by a node that does not answer, and is given to the next",
                        metadata: ["name": "\(request.name)", "to": "\(node)", "error": "\(error)"])
                case .some((let status, let body)): throw doubt ?? WriteFailure.refused(status: status, body)
                }
                continue
            }
            core.orders.withLockedValue { _ = $0.end(id) }
            // An earlier release knows of no attempts.
            if let doubt, let after = request.after, receipt.version.time <= after { throw doubt }
            return receipt
        }
        if let doubt { throw doubt }
        if let undecided { throw WriteFailure.refused(status: 503, undecided.body) }
        if let first = full.first, full.count == failures.count {
            throw WriteFailure.refused(status: 507, first)
        }
        throw WriteFailure.unreachable(request.name, failures)
    }
}
