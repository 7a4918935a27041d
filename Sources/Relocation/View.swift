import Placement
import Vocabulary

/// What convergence needs to know of the membership: who is eligible to own, and who can be called.
public struct View: Sendable {
    /// The eligible members, this node included unless it drains.
    public let ring: Ring
    /// Members other than this node that are worth a call, sorted: alive, suspect or draining.
    public let contactable: [NodeName]
    /// Those of them that are suspect: asked last, never waited for.
    public let doubtful: [NodeName]

    /// Members that said that they go and are back in a moment, with all that they have.
    public let restarting: [NodeName]

    public init(ring: Ring, contactable: [NodeName], doubtful: [NodeName], restarting: [NodeName] = []) {
        self.restarting = restarting
        self.ring = ring
        self.contactable = contactable.sorted()
        self.doubtful = doubtful.sorted()
    }

    public func canCall(_ name: NodeName) -> Bool {
        // Asked of every member, for each of them.
        let place = contactable.partitioningIndex(behind: { $0 < name })
        return place < contactable.count && contactable[place] == name
    }

    /// Whether an answer is to be expected of it, now or in a moment.
    public func mayBeBack(_ name: NodeName) -> Bool { canCall(name) || restarting.contains(name) }
    public func doubts(_ name: NodeName) -> Bool { doubtful.contains(name) }
}
