import Placement
import Resources
import Vocabulary

/// What this node may answer for (law 6): its own copies, of slots in which it has heard whoever may know more.
extension Convergence {
    /// Whether this node's own copies in the slot may answer a query (law 6).
    public func isSynced(_ slot: Slot) -> Bool {
        !isJoining && !isPassedOver && gathering == nil && !peers.values.contains { $0.mustHear.contains(slot) }
    }

    /// Whether what this node holds of the group may answer a query (law 6).
    public func vouches(for key: GroupKey) -> Bool {
        guard !isJoining, !isPassedOver, let state = groups[key], state.owners.contains(me) else { return false }
        return state.vouched || isSynced(key.slot)
    }

    /// Whether somebody is known to hold a newer version of the name than this node, which holds `held`.
    public func knowsNewer(than held: VersionSet?, of name: ResourceName) -> Bool {
        newerElsewhere.isNewer(than: held, of: name)
    }

    /// Whether somebody is known to hold a version of the name, newer or concurrent, that this node, which holds `held`, has
    /// not seen: a write that it ordered by itself would not have seen it either.
    public func knowsUnseen(by held: VersionSet?, of name: ResourceName) -> Bool {
        newerElsewhere.isUnseen(in: held, of: name)
    }

    /// Whether the slot's owners changed so lately that one of them can not know all of it yet.
    public func isUnsettled(_ slot: Slot) -> Bool { unsettled.contains(slot) }

    /// Whether somebody who knew the slot went before this node had heard it: a name of it may be on fewer of those who
    /// are there than there are to be copies.
    public func isHalfHeard(_ slot: Slot) -> Bool { halfHeard.contains(slot) }

    /// Slots that still wait to be heard of.
    public var slotsUnsynced: Int {
        isJoining || isPassedOver || gathering != nil ? Slot.count : unsyncedSlots.count
    }

    /// Those of which somebody has to be heard.
    var unsyncedSlots: SlotSet {
        var all = SlotSet()
        for peer in peers.values where !peer.mustHear.isEmpty { all.formUnion(peer.mustHear) }
        return all
    }
}
