import Resources
import Vocabulary

/// What others hold beside a write that neither it has seen nor they it.
///
/// Two owners may each order a write on the same version while neither has heard of the other's. Each offers its own
/// to the other before it acknowledges, and whoever made one durable judges by it what comes after. So at least the
/// lesser of the two learns of the greater in time, and its condition does not hold.
public struct Contest: Hashable, Sendable {
    /// A write that goes before this one and has not seen it, as somebody told who was asked.
    public private(set) var rival: Dot?
    /// Who told a stand-in of a lesser one. Nobody offers to a node that only stands in for an owner, so that the other may
    /// have been acknowledged already.
    public private(set) var tellers: [NodeName] = []

    public init() {}

    /// - Parameters:
    ///   - rival: what `VersionSet.rival` finds at the teller, or nothing.
    ///   - concurrent: the same of `VersionSet.concurrent`.
    ///   - isOfStandIn: whoever makes the write owns nothing of its name.
    public mutating func note(rival found: Dot?, concurrent: Dot?, by teller: NodeName, isOfStandIn: Bool) {
        if let found {
            rival = found
        } else if isOfStandIn, concurrent != nil, !tellers.contains(teller) {
            tellers.append(teller)
        }
    }
}
