import Vocabulary

/// A member that may own slots, as placement sees it: who it is, how much it can take, and what it would fail with.
public struct Candidate: Hashable, Sendable {
    public let name: NodeName
    /// The share that it takes, relative to the weights of the others. A weight of 0 takes nothing.
    public let weight: UInt32
    /// Members of one zone are expected to fail together; a member without one is a zone of its own.
    public let zone: String?

    public init(name: NodeName, weight: UInt32 = 1, zone: String? = nil) {
        self.name = name
        self.weight = weight
        self.zone = zone
    }
}
