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

    /// A version that this node, an owner, can not take itself, and can say of that there is none newer.
    public struct Vouched: Hashable, Sendable {
        public let dot: Dot
        /// Those that are there.
        public let holders: [NodeName]
    }

    /// The newest version of the name, where this node owns it and knows that others hold it: whatever was acknowledged was
    /// offered to every owner. Two owners with full disks may be all that there are, and who stands in for them does not know
    /// whether its copy is the newest.
    public func vouched(newerThan held: VersionSet?, of name: ResourceName) -> Vouched? {
        guard let (version, tellers) = newerElsewhere.newest(than: held, of: name) else { return nil }
        let key = version.group(in: cluster)
        let holders = tellers.filter { view.canCall($0) }
        let isHearsay = key.home == nil && hearsay.contains(key.slot)
        guard !holders.isEmpty, isOwner(key), !isHearsay, knowsWhatItLacks(of: key.slot) else { return nil }
        return Vouched(dot: version.dot, holders: holders)
    }

    /// Whether everybody who is to be heard of the slot has been, though what they told of may not be here yet.
    public func knowsWhatItLacks(of slot: Slot) -> Bool {
        guard !isJoining, !isPassedOver, gathering == nil else { return false }
        return peers.values.allSatisfy { peer in
            guard peer.mustHear.contains(slot) else { return true }
            switch peer.call?.work {
            case .compare(let slots), .review(let slots), .sums(let slots, _): if slots.contains(slot) { return false }
            case .exchange, nil: break
            }
            guard !peer.dirty.contains(slot), !peer.hearAnew.contains(slot), !peer.uncounted.contains(slot),
                let unheard = peer.unheard[slot]
            else { return false }
            return unheard.allSatisfy { peer.differences[slot]?[$0]?.isLackKnown ?? false }
        }
    }

    /// Whether somebody is known to hold a version of the name, newer or concurrent, that this node, which holds `held`, has
    /// not seen: a write that it ordered by itself would not have seen it either.
    public func knowsUnseen(by held: VersionSet?, of name: ResourceName) -> Bool {
        !unseen(by: held, of: name).isEmpty
    }

    /// Those versions. What a write is judged by is out of date when one has been added since.
    ///
    /// - Parameter heard: what nobody but these has told of is left out.
    public func unseen(by held: VersionSet?, of name: ResourceName, besides heard: [NodeName] = []) -> Set<Dot> {
        newerElsewhere.unseen(by: held, of: name, besides: heard)
    }

    /// Writes of the name that somebody is known to hold, and that are not durable here.
    public func knownElsewhere(of name: ResourceName) -> [Version] { newerElsewhere.known(of: name) }

    /// Whether the slot's owners changed so lately that one of them can not know all of it yet.
    public func isUnsettled(_ slot: Slot) -> Bool { unsettled.contains(slot) }

    /// Whether somebody who knew the slot went before this node had heard it: a name of it may be on fewer of those who
    /// are there than there are to be copies.
    public func isHalfHeard(_ slot: Slot) -> Bool { halfHeard.contains(slot) }

    /// Whether this node has heard all that there is of what it owns.
    var isInStep: Bool { knowsRing && !isPassedOver && slotsUnsynced == 0 }

    /// Whether a version of the name that has not been seen with `held` may be about to come here: to whoever asks what is held of
    /// it this node can not say that it is all. What it knows of that is for others to have does not come; what its disk refused
    /// is known as an owner's, or is asked for anew by who holds it, and says so. What was told of while a later write came here,
    /// which had seen it, is not held by anybody any more, and stays known (seed 9130).
    public func isExpecting(moreThan held: VersionSet) -> Bool {
        pulls.contains(held.name)
            || newerElsewhere.known(of: held.name).contains { isOwner($0.group(in: cluster)) && held.misses($0) }
    }

    /// Whether this node owns the slot, or is the home of names of it.
    func ownsAny(of slot: Slot) -> Bool {
        owners(of: slot).contains(me) || groups(in: SlotSet([slot])).contains(where: isOwner)
    }

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
