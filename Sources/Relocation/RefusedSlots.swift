import Resources
import Vocabulary

/// The slots in which this node's disk refused something that it is to have, and for how long that is believed.
struct RefusedSlots: Sendable {
    private struct Refusal: Sendable {
        var until: Instant
        var isOwned: Bool
        /// Some of the names.
        var names: Set<ResourceName>
    }

    /// At most 16,384.
    private var refusals: [Slot: Refusal] = [:]
    private var next: Instant?

    /// What an owner refused it tries again in pauses of `recheckMax`, and a few times that where much is refused. At half,
    /// it passes for one with room between two attempts; at double, others stand in for it that much longer than they need
    /// to, where nothing is to be had any more.
    private static let believedOfOwner = Duration.seconds(300)
    /// Who was to stand in for an owner is asked again when this is over. At half, a disk that stays full is tried twice as
    /// often; at double, a leave that nobody else has room for waits that much longer.
    private static let believedOfOthers = Duration.seconds(60)
    /// Of more in one slot, one that was not counted is refused again soon.
    private static let namesMax = 16

    mutating func refused(_ name: ResourceName, in slot: Slot, asOwner: Bool, at now: Instant) {
        let until = now + (asOwner ? Self.believedOfOwner : Self.believedOfOthers)
        var refusal = refusals[slot] ?? Refusal(until: until, isOwned: asOwner, names: [])
        refusal.until = until
        refusal.isOwned = asOwner
        if refusal.names.count < Self.namesMax { refusal.names.insert(name) }
        refusals[slot] = refusal
        next = min(next ?? until, until)
    }

    mutating func took(_ name: ResourceName, in slot: Slot) {
        refusals[slot]?.names.remove(name)
        if refusals[slot]?.names.isEmpty == true { refusals[slot] = nil }
    }

    mutating func forget(at now: Instant) {
        guard let due = next, due <= now else { return }
        refusals = refusals.filter { $0.value.until > now }
        next = refusals.values.map(\.until).min()
    }

    /// Names, as far as they are counted, that this node is to have as an owner.
    var ownedCount: Int { refusals.values.reduce(0) { $0 + ($1.isOwned ? $1.names.count : 0) } }

    func slots(of asked: SlotSet) -> SlotSet {
        refusals.isEmpty ? SlotSet() : SlotSet(refusals.keys.filter { asked.contains($0) })
    }
}
