import Gossip
import NIOConcurrencyHelpers
import Vocabulary

/// What the other members are known to know of keys and revocations, from what they said when they were last met over
/// TLS: who must be told, and whether a new key is everywhere.
final class KeyHolders: Sendable {
    struct Known: Sendable, Hashable {
        var keys: KeyRotation.Holder
        /// How many names of certificates it knows to be revoked.
        var revoked: Int
    }

    private let box = NIOLockedValueBox<[NodeName: Known]>([:])

    func heard(_ node: NodeName, _ ring: Keyring, revoked: Int) {
        box.withLockedValue { $0[node] = Known(keys: KeyRotation.Holder(ring), revoked: revoked) }
    }

    func known(_ node: NodeName) -> Known? { box.withLockedValue { $0[node] } }

    /// Of the others nothing more is needed: it has as many entries as there are members.
    func keep(_ members: Set<NodeName>) {
        box.withLockedValue { known in
            guard known.count > members.count else { return }
            known = known.filter { members.contains($0.key) }
        }
    }
}
