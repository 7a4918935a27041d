import Logging
import NIOConcurrencyHelpers
import Node
import SWIM
import Vocabulary

/// What everybody is to know at once: keys, revocations, who has come in, and whom to forget.
extension MembersService {
    /// Calls under way at once while everyone is told. More are done no sooner: those told call back at once.
    private static let tellingAtOnceMax = 8

    /// A key that only some know cuts the others off from the datagrams it seals, and a revocation must not wait for
    /// its turn: of either everyone is told at once; who asked for something does not wait for that.
    func tellEveryoneSoon() { announcer.tell { await tellEveryone() } }

    /// This node is in: those on their way in that called it meanwhile may know no other way.
    func tellJoinersSoon() {
        let joiners = arrivals.everyJoiner
        guard !joiners.isEmpty else { return }
        Task { await tellTwice(others.filter { joiners.contains($0.name) }) }
    }

    private func tellEveryone() async { await tellTwice(others) }

    /// The members present besides this node.
    var others: [Member] {
        core.driver.read { machine in
            machine.membership.members.filter { !$0.status.isDeparted && $0.name != core.name }
        }
    }

    /// Those who do not answer are tried once more; after that the regular exchanges reach them.
    private func tellTwice(_ members: [Member]) async {
        var left = members
        for _ in 0..<2 where !left.isEmpty { left = await tell(left) }
    }

    /// Tells each of the others what this node says of itself now.
    ///
    /// - Parameter patience: whoever has not had a turn by then hears it from others.
    /// - Returns: how many did not answer.
    func tellOnce(within patience: Duration) async -> Int {
        await call(others, within: patience) { await exchange(with: $0.name, at: $0.endpoint, asksFirst: false) }.count
    }

    /// - Returns: those who did not answer.
    @discardableResult
    func tell(_ others: [Member]) async -> [Member] {
        await call(others) { await exchange(with: $0.name, at: $0.endpoint, asksFirst: false) }
    }

    /// Finds out whether they know what this node knows, and exchanges where they do not.
    ///
    /// - Parameter patience: as long as somebody waits for it.
    func compare(with others: [Member], within patience: Duration) async {
        _ = await call(others, within: patience) { await exchange(with: $0.name, at: $0.endpoint) }
    }

    /// Calls some at a time: all at once, most would find no place in the peers table.
    ///
    /// - Parameter patience: whoever has not had a turn by then has none.
    /// - Returns: those with whom it did not succeed.
    private func call(
        _ members: [Member], within patience: Duration? = nil, _ body: @escaping @Sendable (Member) async -> Bool
    ) async -> [Member] {
        let end = patience.map { ContinuousClock.now + $0 }
        return await withTaskGroup(of: Member?.self) { tasks in
            var waiting = members[...]
            var silent: [Member] = []
            func start() {
                if let end, ContinuousClock.now >= end { return }
                guard let member = waiting.popFirst() else { return }
                tasks.addTask { await body(member) ? nil : member }
            }
            for _ in 0..<Self.tellingAtOnceMax { start() }
            while let result = await tasks.next() {
                if let result { silent.append(result) }
                start()
            }
            return silent + waiting
        }
    }

    // MARK: Forgetting

    /// Longer than it takes in any cluster whose members answer; whoever asked waits for it.
    private static let forgettingMax = Duration.seconds(60)

    /// Forgets a departed member here.
    func forget(_ node: NodeName) async {
        saved.forget(node)
        arrivals.forget(node)
        core.driver.feed(.membership(.forget(node)))
        // It must not come back from the disk either, should this node end in the next moment.
        await save()
    }

    /// Has every other member forget it, as far as they answer: what one still told of it would bring it back.
    ///
    /// - Returns: those who could not be told, and whether anybody knew it.
    func tellToForget(_ node: NodeName) async -> (untold: [NodeName], knew: Bool) {
        let knew = NIOLockedValueBox(false)
        let untold = await call(others, within: Self.forgettingMax) { member in
            do {
                try await core.calls.forget(node, on: member.name)
                knew.withLockedValue { $0 = true }
                return true
            } catch PeerCallError.refused(_, _, 404, _) {
                // It has nothing to forget.
                return true
            } catch {
                core.log.debug("not told to forget", metadata: ["member": "\(member.name)", "error": "\(error)"])
                return false
            }
        }.map(\.name).sorted()
        if !untold.isEmpty {
            core.log.warning(
                "members could not be told to forget",
                metadata: [
                    "node": "\(node)", "count": "\(untold.count)",
                    "members": "\(untold.prefix(16).map(\.text).joined(separator: ","))",
                ])
        }
        return (untold, knew.withLockedValue { $0 })
    }
}
