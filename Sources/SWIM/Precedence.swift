/// Which of two claims about one member wins: greater epoch, then greater incarnation, then the graver state.
///
/// A strict order (SWIM §4.2, with a boot epoch above the incarnation), so that all who have heard the same claims
/// believe the same, in whatever order they heard them. A refutation wins because only the accused raises its
/// incarnation; a late alive of an old incarnation wins over nothing.
public struct Precedence: Comparable, Sendable {
    public let epoch: UInt64
    public let incarnation: Incarnation
    /// 0 alive, 1 restarting or draining, 2 suspect, 3 crashed, 4 left.
    public let gravity: UInt8

    public init(epoch: UInt64, incarnation: Incarnation, status: Status) {
        self.epoch = epoch
        self.incarnation = incarnation
        gravity =
            switch status {
            case .alive: 0
            case .restarting, .draining: 1
            case .suspect: 2
            case .crashed: 3
            case .left: 4
            }
    }

    public static func < (a: Precedence, b: Precedence) -> Bool {
        if a.epoch != b.epoch { return a.epoch < b.epoch }
        if a.incarnation != b.incarnation { return a.incarnation < b.incarnation }
        return a.gravity < b.gravity
    }
}

extension Claim {
    public var precedence: Precedence { Precedence(epoch: epoch, incarnation: incarnation, status: status) }

    /// This claim replaces what is known. Equals do not: the first heard stays, and nothing is news twice.
    public func supersedes(_ known: Claim) -> Bool { known.precedence < precedence }
}
