import Resources
import Vocabulary

/// Deleted names that this node has just forgotten, while others that are to do so hold the tombstone still: it is not taken
/// back from them, or all would give it to one another in turn.
struct ForgottenNames: Sendable {
    private var sets: [ResourceName: VersionSet] = [:]
    private var until = Instant.zero

    /// Those of some cycles, some 15 MB. What goes to make room may come back, and is collected anew.
    private static let countMax = 65_536
    /// One that is slow to forget has its time; who does not within it gives the tombstone back.
    private static let kept = Duration.seconds(600)

    var isEmpty: Bool { sets.isEmpty }

    mutating func forgot(_ fresh: [VersionSet], at now: Instant) {
        // Where all owners forget in turn there is no pause to end in.
        if sets.count + fresh.count > Self.countMax { sets = [:] }
        for set in fresh.prefix(Self.countMax) { sets[set.name] = set }
        until = now + Self.kept
    }

    mutating func expire(at now: Instant) { if !sets.isEmpty, until <= now { sets = [:] } }

    func contains(_ set: VersionSet) -> Bool { sets[set.name] == set }
}
