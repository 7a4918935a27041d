import Vocabulary

/// Of a put that a node said it begins, and that it may have made: nobody heard how that ended.
public struct WriteAttempt: Hashable, Sendable, Codable {
    /// The last dot that the node had given before: what it made has a later one.
    public let after: Dot
    /// The latest time that it would be made with.
    public let until: HybridTime

    public init(after: Dot, until: HybridTime) {
        self.after = after
        self.until = until
    }

    /// Of the same node, which began it once more.
    public func joined(with other: WriteAttempt) -> WriteAttempt {
        WriteAttempt(after: min(after, other.after), until: max(until, other.until))
    }
}

extension CausalContext {
    /// Whether a writer with this context may have seen what came of the attempt.
    func mayCover(_ attempt: WriteAttempt) -> Bool {
        dots.contains { $0.node == attempt.after.node && $0 > attempt.after }
    }
}
