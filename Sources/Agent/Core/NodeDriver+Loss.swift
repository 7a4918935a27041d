import NIOConcurrencyHelpers
import Node
import Vocabulary

// Waiting for another node's answer no longer than the failure detector trusts it (`NodeMachine.isLost`).

extension NodeDriver {
    /// Somebody who has asked a node and waits for its answer.
    struct Lookout {
        let node: NodeName
        let trust: Trust
        let isCommitted: @Sendable () -> Bool
        let continuation: CheckedContinuation<Void, Never>
    }

    /// Runs `body`, which waits for an answer of the node, until the node is lost.
    ///
    /// - Parameter isCommitted: whether the node is waited for until it is gone, be it doubted: it has said that it begins a
    ///   write, say. Called under the driver's lock.
    /// - Throws: `PeerCallError.lost`, and `.stopping` when this node stops meanwhile; what `body` throws.
    func whileThere<Answer: Sendable>(
        _ node: NodeName, isCommitted: @escaping @Sendable () -> Bool = { false },
        _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        let trust = read { $0.trust(in: node) }
        return try await withThrowingTaskGroup(of: Answer?.self) { tasks in
            tasks.addTask { try await body() }
            tasks.addTask {
                await self.loss(of: node, since: trust, isCommitted)
                return nil
            }
            defer { tasks.cancelAll() }
            if case .some(.some(let answer)) = try await tasks.next() { return answer }
            try Task.checkCancellation()
            throw isStopped ? PeerCallError.stopping : PeerCallError.lost(node)
        }
    }

    /// Nothing is sent and nobody is waited for any more.
    var isStopped: Bool { state.withLockedValue { $0.isStopped } }

    /// Returns when the node is lost, the driver has stopped, or the task is cancelled.
    private func loss(of node: NodeName, since trust: Trust, _ isCommitted: @escaping @Sendable () -> Bool) async {
        let number = state.withLockedValue { state in
            state.lookoutCount &+= 1
            return state.lookoutCount
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let lookout = Lookout(node: node, trust: trust, isCommitted: isCommitted, continuation: continuation)
                let isOver = state.withLockedValue { state in
                    // Cancelled from here on, it is found in the table.
                    if Task.isCancelled || state.isStopped || state.isLost(lookout) { return true }
                    state.lookouts[number] = lookout
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLockedValue { $0.lookouts.removeValue(forKey: number) }?.continuation.resume()
        }
    }
}

extension NodeDriver.State {
    func isLost(_ lookout: NodeDriver.Lookout) -> Bool {
        machine.isLost(lookout.node, since: lookout.trust, isCommitted: lookout.isCommitted())
    }

    /// Those whose node is lost, who wait no more.
    mutating func takeLost() -> [NodeDriver.Lookout] {
        let lost = lookouts.filter { isLost($0.value) }
        for number in lost.keys { lookouts[number] = nil }
        return Array(lost.values)
    }
}

extension NodeMachine.Effect {
    var isMemberEvent: Bool {
        if case .event = self { true } else { false }
    }
}
