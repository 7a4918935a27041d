import Vocabulary

/// Everybody whom a node has met in all its lives, or heard of from who had: who may hold, on a disk that is not here now, what
/// was deleted meanwhile. Longer than any list of members keeps the departed.
public struct Acquaintances: Sendable, Hashable, Codable {
    public private(set) var known: Set<NodeName>
    /// Of whom an operator said that they never come back, until they do: others who were not told so may speak of them still.
    public private(set) var struck: Set<NodeName>

    public init(known: some Sequence<NodeName> = [], struck: some Sequence<NodeName> = []) {
        self.known = Set(known)
        self.struck = Set(struck).subtracting(known)
    }

    /// A name of 63 bytes each: many times as many as a cluster has members, in however many years. Whoever has met more knows
    /// some of them only, for good, and agrees to nothing any more.
    public static let countMax = 4_096

    var isWhole: Bool { known.count < Self.countMax }

    /// - Parameter isPresent: it is a member now.
    mutating func meet(_ name: NodeName, isPresent: Bool) {
        if isPresent { struck.remove(name) }
        if isWhole, !struck.contains(name) { known.insert(name) }
    }

    mutating func strike(_ name: NodeName) {
        guard isWhole else { return }
        known.remove(name)
        if struck.count < Self.countMax { struck.insert(name) }
    }

    mutating func merge(_ earlier: Acquaintances) {
        for name in earlier.struck.sorted() where !known.contains(name) { strike(name) }
        for name in earlier.known.sorted() { meet(name, isPresent: false) }
    }
}
