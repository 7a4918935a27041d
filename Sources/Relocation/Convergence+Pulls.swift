import Placement
import Resources
import Vocabulary

/// Pulling what this node lacks, and dropping what is not its own to keep.
extension Convergence {
    /// Another node told what it holds of some groups: whatever this node should have of it is pulled.
    ///
    /// Nothing on the way in: who has met one of many members takes itself for an owner of everything. What it does own it
    /// finds out when it has met the others, by its own comparisons.
    mutating func consider(_ offered: [ExchangeGroup], by peer: NodeName, mine: [VersionSet]) {
        guard knowsRing else { return }
        let held = Dictionary(mine.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for group in offered {
            for set in group.sets {
                _ = wish(
                    for: set, having: held[set.name], of: group.key, from: peer, copies: group.copies,
                    standingIn: group.toStandIn && view.ring.contains(me))
            }
        }
    }

    /// Queues what this node should have of a set that another node holds.
    ///
    /// - Returns: whether this node lacks something that it should have.
    mutating func wish(
        for set: VersionSet, having mine: VersionSet?, of key: GroupKey, from peer: NodeName, copies: Int,
        standingIn: Bool = false
    ) -> Bool {
        let lacking = VersionSet.lacking(mine, offered: set)
        guard !lacking.isEmpty, mine != nil || !forgotten.contains(set) else { return false }
        let merged = mine?.merged(with: set.versions) ?? set
        // An owner of the group wants it. So does whoever holds an older head as its owner, or finds that the name left
        // the group by another home: it has to leave the old group everywhere, for the owners of that one may not know
        // it any more, and never confirm it.
        let group = merged.group(in: cluster)
        let former = mine?.group(in: cluster) ?? group
        let isOwn = isOwner(group) || former != group || (mine != nil && isOwner(former))
        guard isOwn || standingIn && group == key else { return false }
        // Who only stands in for an owner answers for nothing.
        if isOwn {
            for version in merged.latest where mine?.version(version.dot) == nil { noteNewer(version, saidBy: peer) }
            if mine == nil, group.home == nil, cameBack.contains(peer) { hearsay.insert(group.slot) }
        }
        _ = pulls.add(
            lacking, of: set.name, from: peer, copies: max(copies, 1), isToStandIn: !isOwn,
            limit: settings.pullsQueuedMax)
        return true
    }

    /// A version that this node has not seen is known: until it has it, the name is not this node's to answer for, or to
    /// order writes of.
    private mutating func noteNewer(_ version: Version, saidBy teller: NodeName) {
        // What somebody has who is gone for good can not be waited for: it would never be taken back. One that restarts may
        // have given it to others before it went (seed 40198).
        guard view.canCall(teller) || view.ring.contains(teller) else { return }
        let slot = Slot(ofName: version.name.text, in: cluster)
        peers[teller]?.newsSince.insert(slot)
        guard !newerElsewhere.note(version, in: slot, saidBy: teller), view.canCall(teller),
            // Whom it has to hear of the slot anyhow it does not ask at once for that.
            peers[teller]?.mustHear.contains(slot) != true
        else { return }
        doubt(SlotSet([slot]), until: [teller])
    }

    /// What this node got may be what the name was before it got another home, from somebody who came back. A home that is no
    /// owner of the slot then hears those, for they know. An owner of the slot who had nothing of the name hears everybody: of
    /// two owners the other one alone may own what is at that home, and it may be the one who came back.
    private mutating func hearOthers(of key: GroupKey, at now: Instant) {
        let slotOwners = owners(of: key.slot)
        if key.home == nil, isOwner(key), hearsay.contains(key.slot) { doubt(SlotSet([key.slot]), at: now) }
        guard key.home != nil, isOwner(key), !slotOwners.contains(me) else { return }
        doubt(
            SlotSet([key.slot]),
            until: Set(owners(of: key) + slotOwners).sorted().filter { $0 != me && view.canCall($0) })
    }

    /// An offered version could not be taken; it is looked for again after a while.
    mutating func decline(_ version: Version, from peer: NodeName, byDisk: Bool, at now: Instant) {
        let key = version.group(in: cluster)
        if byDisk { noteRefusal(of: version, at: now) }
        // Also where the name leaves the slot's owners, or its home before, for another home by this: what this one knew of it is
        // not the newest.
        guard isOwner(key) || ownsAny(of: key.slot) else { return }
        noteNewer(version, saidBy: peer)
        lookAgain(with: [peer], in: key.slot, at: now)
    }

    mutating func startPulls(into effects: inout [Effect]) {
        while let (version, holders, isToStandIn) = pulls.start(within: settings.pullsActiveMax) {
            let callable = holders.filter { view.canCall($0) }
            if callable.isEmpty || !(isToStandIn || isWanted(version)) {
                pulls.finish(version.dot, of: version.name, durable: false)
            } else {
                effects.append(.pull(version, from: callable))
            }
        }
    }

    /// Whether a version that was queued is to be had still: an owner that came back meanwhile may own it in this node's place.
    /// What this node holds anything of beside it is judged when it has it.
    private func isWanted(_ version: Version) -> Bool {
        let key = version.group(in: cluster)
        return isOwner(key) || owners(of: key.slot).contains(me) || !groups(in: SlotSet([key.slot])).isEmpty
    }

    mutating func finishPull(_ version: Version, _ end: PullEnd, at now: Instant) {
        let holders = pulls.finish(version.dot, of: version.name, durable: end == .durable)
        let slot = Slot(ofName: version.name.text, in: cluster)
        switch end {
        case .durable:
            refused.took(version.name, in: slot)
            newerElsewhere.has(version)
            hearOthers(of: version.group(in: cluster), at: now)
        case .refused, .unavailable:
            if end == .refused { noteRefusal(of: version, at: now) }
            // Found again by comparing with those who told of it, after a while.
            lookAgain(with: holders, in: slot, at: now)
        }
    }

    private mutating func lookAgain(with names: [NodeName], in slot: Slot, at now: Instant) {
        for name in names where view.canCall(name) {
            var peer = peers.removeValue(forKey: name) ?? PeerState()
            peer.recheck.insert(slot)
            peer.lacking.insert(slot)
            // What it lacks is known for all that.
            for key in peer.differences[slot, default: [:]].keys { peer.differences[slot]?[key]?.toldAt = nil }
            scheduleRecheck(&peer, at: now)
            peers[name] = peer
        }
    }

    /// What `/v1/status` shows, in resources and versions.
    public struct Totals: Hashable, Sendable {
        public var held = 0
        public var owned = 0
        /// Owned here, and not confirmed by every other owner.
        public var unconfirmed = 0
        /// Of those, on fewer nodes than there are owners: nobody stands in.
        public var underReplicated = 0
        /// Held here and owned by others.
        public var misplaced = 0
        public var bytes: UInt64 = 0
        public var pullsActive = 0
        public var pullsQueued = 0
        public var slotsUnsynced = 0

        /// As far as this node knows, everything is where it should be.
        public var isConverged: Bool {
            unconfirmed == 0 && misplaced == 0 && pullsActive == 0 && pullsQueued == 0 && slotsUnsynced == 0
        }
    }

    /// Costs the same whatever is held.
    public var totals: Totals {
        var totals = Totals()
        let sums = groups.sums
        totals.held = sums.held
        totals.bytes = sums.bytes
        totals.owned = sums.owned
        totals.unconfirmed = sums.unconfirmed
        totals.underReplicated = sums.underReplicated
        totals.misplaced = sums.misplaced
        totals.pullsActive = pulls.active
        totals.pullsQueued = pulls.count - pulls.active
        totals.slotsUnsynced = slotsUnsynced
        return totals
    }

    /// The nodes known to hold all of a group: this one, the owners that have confirmed, and who stands in for others.
    func holders(of key: GroupKey) -> [NodeName] {
        guard let state = groups[key] else { return [] }
        return ([me] + state.confirmed + state.standIns).sorted()
    }

    /// Those that may give what is in a group: who is known to hold all of it, then the other owners.
    public func likelyHolders(of key: GroupKey) -> [NodeName] {
        let holders = holders(of: key)
        return holders + owners(of: key).filter { !holders.contains($0) }
    }
}
