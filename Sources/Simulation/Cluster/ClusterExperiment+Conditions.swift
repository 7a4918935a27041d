import Node
import Resources
import SWIM
import Vocabulary

// Writes with conditions: in between, while faults are made, and at rest as duels.

extension ClusterExperiment {
    /// Writes of one name at several nodes at once, each on the condition that the name is still what it was.
    struct Duel: Sendable {
        let name: ResourceName
        /// `nil`: that there is none.
        let head: Dot?
        let numbers: [Int]
        /// By the number of the write.
        var answers: [Int: WriteResult] = [:]
    }

    /// Of three writes one has a condition: that the name is what the client was told last.
    mutating func conditioned(_ what: What) -> What {
        guard case .write(var request) = what, Int.random(in: 0..<3, using: &random) == 0 else { return what }
        if let dot = known[request.name] {
            request.precondition = .version(dot)
        } else if request.content != .tombstone {
            request.precondition = .absent
        }
        return .write(request)
    }

    mutating func learn(_ name: ResourceName, of result: WriteResult) {
        switch result {
        case .written(let version, _, _): known[name] = version.isTombstone ? nil : version.dot
        case .refused(.preconditionFailed(let head)): known[name] = head
        case .refused(.notFound): known[name] = nil
        case .refused(.outranked(let rival)): known[name] = rival
        case .refused(.overdue), .refused(.overtaken), .refused(.builtUpon), .unavailable, .undecided, .unknown: break
        }
    }

    /// Law 4 as clients see it, when nothing disturbs the cluster: of several writes on one version one succeeds. While
    /// members are thought dead by some, two may order writes, and both versions are kept.
    mutating func holdDuels() {
        for name in names.prefix(4) where laws.violations.isEmpty { holdDuel(over: name) }
        guard laws.violations.isEmpty, comeToRest(within: plan.restWithin) != nil else { return }
        laws.checkHeads(simulator)
    }

    private mutating func holdDuel(over name: ResourceName) {
        let running = hosts.filter { simulator.isRunning($0.id) }.map(\.id)
        // The greatest: an offer that a cut held back may just have left an old one where it does not belong.
        let heads = running.compactMap { simulator.disk(of: $0).durable.sets[name]?.head }
        let head = heads.max { Version.precedes($0, $1) }.flatMap { $0.isTombstone ? nil : $0.dot }
        let first = nextNumber + 1
        let askers = running.prefix(5)
        duel = Duel(name: name, head: head, numbers: Array(first..<first + askers.count))
        let standing = clients.count
        var isCalm = isUndoubted
        for host in askers {
            let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
            guard let digest = ContentDigest(bytes: bytes) else { continue }
            let content = Version.Content.blob(digest: digest, size: 1_000, mediaType: "text/plain")
            clients.append(Client(next: simulator.now))
            start(
                .write(
                    WriteRequest(
                        name: name, content: content, home: nil,
                        precondition: head.map { .version($0) } ?? .absent)), at: host, client: clients.count - 1)
        }
        let end = simulator.now + .seconds(70)
        while simulator.now < end, clients.contains(where: { $0.request != nil }) {
            runClients(areAsking: false)
            run(for: .milliseconds(20))
            isCalm = isCalm && isUndoubted
        }
        clients.removeLast(clients.count - standing)
        if isCalm { judge() }
        duel = nil
    }

    private mutating func judge() {
        guard let duel else { return }
        var winners: [Dot] = []
        var refused = 0
        for number in duel.numbers {
            switch duel.answers[number] {
            case .written(let version, _, _): winners.append(version.dot)
            case .refused: refused += 1
            case .unavailable, .undecided, .unknown, nil: break
            }
        }
        let what = duel.head.map { "of \(duel.name) on \($0)" } ?? "of \(duel.name), which there was not,"
        if winners.count > 1 { laws.broken(4, simulator.now, "two writes \(what) succeeded: \(winners)") }
        if refused == duel.numbers.count { laws.broken(4, simulator.now, "every write \(what) was refused") }
    }

    /// Whether no member takes another for anything but alive.
    private var isUndoubted: Bool {
        hosts.allSatisfy { host in
            guard let machine = simulator.machine(on: host.id)?.machine else { return true }
            return machine.membership.members.allSatisfy { $0.status == .alive || $0.status.isDeparted }
        }
    }
}
