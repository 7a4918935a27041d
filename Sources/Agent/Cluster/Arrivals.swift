import NIOConcurrencyHelpers
import Vocabulary

/// What a node on its way in hears from those who call it meanwhile: who is on the way in as well, and who has got in. It
/// wakes `JoinLoop`, which would else find out at its next round.
final class Arrivals: Sendable {
    /// Who said for so long nothing more of its being on the way in is asked again.
    private static let joinerFor = Duration.seconds(2)
    private static let keptMax = 4_096
    /// Of those that one node remembers; as many as it keeps itself.
    private static let rememberedMax = SavedMembers.unmetMax

    private struct State {
        var joiners: [NodeName: (remembered: [NodeName], at: Instant)] = [:]
        /// Whom they remember, all together.
        var remembered: Set<NodeName> = []
        /// Those who are in the cluster, by their own word.
        var inside: Set<NodeName> = []
        var waiter: CheckedContinuation<Void, Never>?
        /// Something was heard that no `wait` has been woken for.
        var isNews = false
    }

    private let state = NIOLockedValueBox(State())

    /// Takes note of what a node that exchanged members with this one said of itself.
    func heard(_ node: NodeName, isJoining: Bool, remembering: [NodeName]) {
        let now = NodeDriver.now
        let isNews = state.withLockedValue { state in
            guard isJoining else {
                state.joiners[node] = nil
                return state.inside.count < Self.keptMax && state.inside.insert(node).inserted
            }
            state.inside.remove(node)
            guard state.joiners[node] != nil || state.joiners.count < Self.keptMax else { return false }
            let remembering = Array(remembering.prefix(Self.rememberedMax))
            for name in remembering where state.remembered.count < Self.keptMax { state.remembered.insert(name) }
            return state.joiners.updateValue((remembering, now), forKey: node) == nil
        }
        if isNews { wake() }
    }

    /// Those on their way in, by their own word of a moment ago, each with those whom it remembers.
    var joiners: [NodeName: [NodeName]] {
        let now = NodeDriver.now
        return state.withLockedValue { state in
            state.joiners.filter { now - $0.value.at < Self.joinerFor }.mapValues(\.remembered)
        }
    }

    /// Those who were on their way in when they were last heard of, however long ago.
    var everyJoiner: Set<NodeName> { state.withLockedValue { Set($0.joiners.keys) } }

    /// Whom those on their way in remember, as far as they ever told.
    var remembered: Set<NodeName> { state.withLockedValue { $0.remembered } }

    /// An operator says that nobody need wait for it.
    func forget(_ node: NodeName) {
        state.withLockedValue { state in
            state.remembered.remove(node)
            for joiner in state.joiners.keys { state.joiners[joiner]?.remembered.removeAll { $0 == node } }
        }
    }

    var inside: Set<NodeName> { state.withLockedValue { $0.inside } }

    /// Waits until somebody new was heard, for so long at most. One at a time waits.
    func wait(atMost limit: Duration) async {
        let timer = Task {
            do { try await Task.sleep(for: limit) } catch { return }
            wake()
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resumesNow = state.withLockedValue { state in
                    if state.isNews || Task.isCancelled {
                        state.isNews = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if resumesNow { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
        timer.cancel()
    }

    private func wake() {
        let waiter = state.withLockedValue { state in
            defer { state.waiter = nil }
            state.isNews = state.waiter == nil
            return state.waiter
        }
        waiter?.resume()
    }
}
