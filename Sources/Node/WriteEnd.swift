import Relocation
import Resources
import Vocabulary

/// What became of a write that is durable on its writer's disk: all the copies that it will get for now, or nobody is left to
/// ask.
public struct WriteEnd: Hashable, Sendable {
    /// The nodes that hold it durably, the writer first; none when the writer stopped before.
    public var copies: [NodeName] = []
    /// With fewer copies than so many it is a 202.
    public var wanted = 1
    /// A write that goes before this one and has not seen it: no condition of this one holds.
    public var rival: Dot?
    /// Members that are there, have a word in the name, and have not heard of the write.
    public var unheard: [NodeName] = []
    /// Those that could not take it. Whether they made another one themselves, a delete say, which needs no room, is to be asked
    /// before a condition of this one is said to hold (`heard`).
    public var declined: [NodeName] = []
    /// The writer stood in for an owner: the owners offer it nothing.
    public var isOfStandIn = false

    public init(copies: [NodeName] = [], wanted: Int = 1) {
        self.copies = copies
        self.wanted = wanted
    }

    init(_ write: WriteTracker) {
        copies = write.copies
        wanted = write.wanted
        rival = write.rival
        unheard = write.unheard
        declined = write.declined
        isOfStandIn = write.isStandIn
    }

    /// A decliner that is there is asked this often before it counts as one that has not heard.
    public static let asksMax = 3

    /// Takes note of what is held of the name by those that declined, or by one of them.
    public mutating func heard(_ held: VersionSet?, besides version: Version) {
        guard let both = held?.merged(with: [version]) else { return }
        if let found = both.rival(of: version) {
            rival = found.dot
        } else if isOfStandIn, let other = both.concurrent(with: version), !unheard.contains(other.dot.node) {
            // It may have been acknowledged, as in `WriteTracker.note`.
            unheard.append(other.dot.node)
        }
    }
}
