import Resources
import Vocabulary

/// Deleted names that this node has just forgotten, while others that are to do so hold the tombstone still: it is not taken
/// back from them, or all would give it to one another in turn.
struct ForgottenNames: Sendable {
    private var recent: [ResourceName: VersionSet] = [:]
    /// Those of the half minute before.
    private var earlier: [ResourceName: VersionSet] = [:]
    private var turnsAt = Instant.zero

    /// In either, those of some cycles, some 15 MB. What goes to make room may come back, and is collected anew.
    private static let countMax = 65_536
    /// One that is slow to forget has its time; who did not hear, or could not, gives the tombstone back after it, and has it
    /// confirmed, which it counts as lacking until then. At half, a slow one gives back what it is about to forget; at double,
    /// that much longer something counts as on too few nodes.
    private static let turn = Duration.seconds(30)

    var isEmpty: Bool { recent.isEmpty && earlier.isEmpty }

    mutating func forgot(_ fresh: [VersionSet], at now: Instant) {
        // A turn that is long over would take these with it.
        expire(at: now)
        if isEmpty { turnsAt = now + Self.turn }
        if recent.count + fresh.count > Self.countMax { recent = [:] }
        for set in fresh.prefix(Self.countMax) { recent[set.name] = set }
    }

    mutating func expire(at now: Instant) {
        guard !isEmpty, turnsAt <= now else { return }
        (earlier, recent) = (now - turnsAt < Self.turn ? recent : [:], [:])
        turnsAt = now + Self.turn
    }

    func contains(_ set: VersionSet) -> Bool { recent[set.name] == set || earlier[set.name] == set }
}
