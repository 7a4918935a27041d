import Resources
import Vocabulary

/// Comparing and exchanging: how two nodes find out what one of them lacks.
extension Convergence {
    /// Lets every peer that is free do its next piece of work, and drops what may be dropped.
    mutating func advance(at now: Instant, into effects: inout [Effect]) {
        if now >= antiEntropyAt {
            antiEntropyAt = now + settings.antiEntropy
            lookOver()
        }
        if let due = gathering?.until, due <= now { endGathering() }
        for name in peers.keys.sorted() {
            guard var peer = peers[name] else { continue }
            if let at = peer.recheckAt, at <= now {
                for slot in peer.recheck where isOpen(slot, with: name, peer) { peer.dirty.insert(slot) }
                peer.recheck = SlotSet()
                peer.lacking = SlotSet()
                peer.recheckAt = nil
            }
            if knowsRing, peer.call == nil, peer.retryAt <= now, view.canCall(name) {
                startWork(with: name, &peer, into: &effects)
            }
            peers[name] = peer
        }
        startPulls(into: &effects)
        startDrops(at: now, into: &effects)
    }

    /// Every slot with everyone concerned: by one sum where all is confirmed, and group by group where it is not, or where
    /// the group is not this node's to own.
    private mutating func lookOver() {
        let held = groups.otherHolders
        var open = held.open
        // It may have room by now, whoever it is.
        for (name, peer) in peers where !peer.noRoom.isEmpty { open[name, default: SlotSet()].formUnion(peer.noRoom) }
        for (owner, slots) in open { peers[owner, default: PeerState()].dirty.formUnion(slots) }
        for (owner, slots) in held.quiet { peers[owner, default: PeerState()].review.formUnion(slots) }
        // With more than these the owners are still being told, most likely, and lists of so many slots would hold that up.
        if groups.unconfirmed.count <= Self.newHomesMax { for key in groups.unconfirmed { lookForNewHome(of: key) } }
    }

    private static let newHomesMax = 1_024

    /// What the other owner does not confirm, or holds no more, may have left it: that one took it, heard from those who own it now
    /// that there is newer, and let go of both. Who still holds it hears of that from the slot's owners, of whom one owns the
    /// name whatever its home is.
    private mutating func lookForNewHome(of key: GroupKey) {
        guard key.home != nil, isOwner(key) else { return }
        let group = owners(of: key)
        for owner in owners(of: key.slot) where !group.contains(owner) {
            peers[owner, default: PeerState()].dirty.insert(key.slot)
            // They share nothing of it, so that by sums it would pass for the same.
            peers[owner]?.byList.insert(key.slot)
        }
    }

    /// Whether there is still something to settle with the peer in this slot.
    private func isOpen(_ slot: Slot, with name: NodeName, _ peer: PeerState) -> Bool {
        peer.unheard[slot] != nil || peer.lacking.contains(slot)
            || (groups.bySlot[slot] ?? []).contains { key in
                isUnconfirmed(key, by: name) || isWantedAsStandIn(name, for: key)
            }
    }

    private func isUnconfirmed(_ key: GroupKey, by name: NodeName) -> Bool {
        groups[key].map { $0.owners.contains(name) && !$0.confirmed.contains(name) } ?? false
    }

    /// Whether what is found lacking by one more exchange can be queued: what can not is told of in vain. With room for one
    /// name only, each that was pulled would have 256 told of again.
    private var hasRoomForExchange: Bool {
        pulls.count + min(settings.namesPerExchange, settings.pullsQueuedMax / 2) <= settings.pullsQueuedMax
    }

    private mutating func startWork(with name: NodeName, _ peer: inout PeerState, into effects: inout [Effect]) {
        if !peer.exchanges.isEmpty, hasRoomForExchange {
            let batch = peer.takeExchanges(names: settings.namesPerExchange) { 1 + (groups[$0]?.summary.names ?? 0) }
            let id = newCall()
            peer.call = (id, .exchange(batch))
            effects.append(
                .exchange(
                    id, with: name,
                    batch.map { key in
                        ExchangeIntent(
                            key: key, copies: copies(of: key), toStandIn: isWantedAsStandIn(name, for: key))
                    }))
        } else if !peer.dirty.isEmpty {
            startComparison(with: name, &peer, into: &effects)
        } else if !peer.review.isEmpty {
            // The answer may be all groups of them, where something does differ.
            let slots = peer.review.takeFirst(settings.slotsPerCompare)
            let id = newCall()
            peer.call = (id, .review(slots))
            effects.append(
                .compare(
                    id, with: name,
                    CompareRequest(slots: slots, groups: [], shared: sharedDigest(of: slots, with: name))))
        }
    }

    private mutating func startComparison(with name: NodeName, _ peer: inout PeerState, into effects: inout [Effect]) {
        let id = newCall()
        let toList = peer.dirty.intersection(peer.byList)
        var rest = toList.isEmpty ? peer.dirty : toList
        var slots = rest.takeFirst(settings.slotsPerCompare)
        let ask = toList.isEmpty ? sums(of: slots, with: name) : nil
        if let ask {
            peer.byList.formUnion(slots)
            peer.byList.subtract(ask.slots)
            slots = ask.slots
            peer.call = (id, .sums(slots, ring: ask.ring))
            effects.append(.compareSums(id, with: name, ask))
        } else {
            peer.byList.subtract(slots)
            peer.call = (id, .compare(slots))
            effects.append(
                .compare(
                    id, with: name, CompareRequest(slots: slots, groups: groups(in: slots).map { status(of: $0) })))
        }
        peer.dirty.subtract(slots)
        peer.review.subtract(slots)
        peer.newsSince.subtract(slots)
    }

    func peer(calling id: CallID) -> NodeName? {
        peers.first { $0.value.call?.id == id }?.key
    }

    mutating func finishCompare(_ id: CallID, _ reply: CompareReply, at now: Instant) {
        guard let name = peer(calling: id), let work = peers[name]?.call?.work else { return }
        let isCounted = reply.counted
        hear(whatIsNew: reply.newer, from: name, isCounted: isCounted, at: now)
        let slots: SlotSet
        switch work {
        case .exchange, .sums: return
        case .compare(let compared): slots = compared
        case .review(let reviewed):
            slots = reviewed
            guard !reply.same else { return finishReview(with: name, of: slots, isCounted, at: now) }
        }
        settle(slots, with: name, by: reply.groups, noRoom: reply.noRoom, isCounted: isCounted, at: now)
    }

    /// Takes what the peer said that it holds of the slots, which is all that it holds of them that matters here.
    mutating func settle(
        _ slots: SlotSet, with name: NodeName, by groupsThere: [GroupStatus], noRoom: SlotSet, isCounted: Bool,
        at now: Instant
    ) {
        var theirs: [GroupKey: GroupStatus] = [:]
        var told: [Slot: [GroupKey]] = [:]
        let disowned = peers[name]?.disowned ?? PeerState.Disowned()
        for var status in groupsThere where slots.contains(status.key.slot) {
            if disowned.contains(status.key) {
                status = GroupStatus(key: status.key, digest: status.digest, owner: false)
            }
            if theirs.updateValue(status, forKey: status.key) == nil {
                told[status.key.slot, default: []].append(status.key)
            }
            noteConfirmation(by: name, status)
        }
        note(noRoom: noRoom, by: name, of: slots)
        for key in groups(in: slots) {
            guard let there = theirs[key] else {
                // What is held of a group only grows, until all of it is let go of, or lost.
                takeBackWord(of: name, for: key)
                if groups[key]?.confirmed.contains(name) == true { lookForNewHome(of: key) }
                withdrawConfirmation(by: name, of: key)
                continue
            }
            // It may have got more since it confirmed this. It may also be back with an earlier disk, and nobody has heard so yet:
            // before this node lets go of it, an exchange has to show which.
            if let state = groups[key], !state.owners.contains(me), state.summary.digest != there.digest {
                withdrawConfirmation(by: name, of: key)
            }
        }
        let wanted = toStandIn(name, in: slots)
        var nothingNew = SlotSet()
        defer { noteNothingNew(in: nothingNew, from: name, at: now) }
        // Taken out, for there may be thousands of differences in it, which would be copied with the first that changes.
        guard var peer = peers.removeValue(forKey: name) else { return }
        defer { peers[name] = peer }
        peer.call = nil
        peer.failures = 0
        peer.retryAt = now
        var differing: [GroupKey] = []
        for slot in slots {
            // Where it holds just what this node does it has nothing to tell.
            let hasNews = told[slot]?.contains { theirs[$0]?.digest != groups[$0]?.summary.digest ?? .empty } ?? false
            if !hasNews { nothingNew.insert(slot) }
            var unheard: [GroupKey] = []
            var differences: [GroupKey: Difference] = [:]
            for key in keys(in: slot, besides: told[slot] ?? []) {
                let here = groups[key]?.summary.digest ?? .empty
                let there = theirs[key]?.digest ?? .empty
                let owned = isOwner(key)
                let ownedThere = owners(of: key).contains(name)
                let standsIn = wanted.contains(key)
                if here == there {
                    // Equal, but the peer does not see itself as an owner yet: its view is late.
                    if ownedThere, theirs[key]?.owner != true { peer.recheck.insert(slot) }
                    // It holds the same, and is to say that it keeps it.
                    if standsIn { differing.append(key) }
                } else if standsIn || isWorthExchanging(key, owned, ownedThere, here, there, hasNews: hasNews) {
                    let difference = Difference(mine: here, theirs: there, isOwnedThere: theirs[key]?.owner ?? false)
                    let before = peer.differences[slot]?[key]
                    if let before, isTold(before, difference, awaited: peer.mustHear.contains(slot), at: now) {
                        differences[key] = before
                        peer.recheck.insert(slot)
                    } else {
                        differences[key] = difference
                        differing.append(key)
                    }
                    if owned { unheard.append(key) }
                }
            }
            // What is to be heard anew is compared anew, and no exchange of what this one found clears it up.
            peer.unheard[slot] = unheard.isEmpty || peer.hearAnew.contains(slot) ? nil : unheard
            peer.differences[slot] = differences.isEmpty ? nil : differences
            if unheard.isEmpty, isCounted, !peer.hearAnew.contains(slot) { peer.isHeard(of: slot) }
        }
        peer.exchange(differing)
        peer.hearAnew = SlotSet()
        note(isCounted: isCounted, in: slots, &peer, at: now)
        scheduleRecheck(&peer, at: now)
    }

    /// The groups that the peer is asked to hold in the place of an owner, and has not given its word for.
    private func toStandIn(_ name: NodeName, in slots: SlotSet) -> Set<GroupKey> {
        guard isSomebodyFull else { return [] }
        return Set(groups(in: slots).filter { isWantedAsStandIn(name, for: $0) })
    }

    /// The groups of the slot that are held here, and these, sorted.
    private func keys(in slot: Slot, besides told: [GroupKey]) -> [GroupKey] {
        let held = groups.bySlot[slot] ?? []
        let others = told.filter { groups[$0] == nil }
        return others.isEmpty ? held : (held + others).sorted()
    }

    /// Whether the group was exchanged as it is, and whatever came of that is on its way.
    ///
    /// - Parameter awaited: this node has to hear the peer of the slot, which an exchange without a lack clears up.
    private func isTold(_ before: Difference, _ now: Difference, awaited: Bool, at time: Instant) -> Bool {
        guard before.isAs(now), let toldAt = before.toldAt, time - toldAt < settings.recheckMax else { return false }
        return before.lacked || !awaited
    }

    /// While the peer takes this node for gone, what it says clears nothing up: it is asked again soon, and less often the
    /// longer that lasts.
    private func note(isCounted: Bool, in slots: SlotSet, _ peer: inout PeerState, at now: Instant) {
        guard !isCounted else {
            peer.uncounted.subtract(slots)
            if peer.uncounted.isEmpty { peer.refusals = 0 }
            return
        }
        peer.uncounted.formUnion(slots)
        peer.dirty.formUnion(slots)
        peer.retryAt = now + min(settings.uncountedPauseMax, settings.uncountedPause * (1 << min(peer.refusals, 8)))
        peer.refusals = min(peer.refusals + 1, 16)
    }

    /// Whether either side can learn something that it is to have. What differs most often does not: with a node that
    /// comes back, each other one is compared in all slots in which it may have stood in, and holds a third of them that
    /// the newcomer never owned, or nothing of a third that it does.
    ///
    /// - Parameter hasNews: the peer holds something of the slot that this node does not hold just so; a name may be there
    ///   in a group of another home.
    private func isWorthExchanging(
        _ key: GroupKey, _ owned: Bool, _ ownedThere: Bool, _ here: SetDigest, _ there: SetDigest, hasNews: Bool
    ) -> Bool {
        // It has nothing to be told of, and wants nothing.
        if here == .empty { return owned }
        if there == .empty, !ownedThere { return owned && hasNews }
        return owned || ownedThere
    }

    /// All as it was thought to be.
    private mutating func finishReview(with name: NodeName, of slots: SlotSet, _ isCounted: Bool, at now: Instant) {
        guard var peer = peers[name] else { return }
        peer.call = nil
        peer.failures = 0
        peer.retryAt = now
        peer.hearAnew = SlotSet()
        peer.noRoom.subtract(slots)
        note(isCounted: isCounted, in: slots, &peer, at: now)
        peers[name] = peer
    }

    mutating func finishExchange(_ id: CallID, told: [ExchangeGroup], _ reply: ExchangeReply, at now: Instant) {
        guard let name = peer(calling: id), case .exchange(let batch) = peers[name]?.call?.work else { return }
        let toldByKey = Dictionary(told.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        let disowned = peers[name]?.disowned ?? PeerState.Disowned()
        var heard: [GroupKey] = []
        for finding in reply.findings {
            guard let told = toldByKey[finding.key] else { continue }
            let mine = Dictionary(told.sets.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
            var lacks = false
            var dominated = finding.missing.isEmpty
            for set in finding.sets {
                lacks =
                    wish(for: set, having: mine[set.name], of: finding.key, from: name, copies: finding.copies) || lacks
                if let here = mine[set.name], !set.dominates(here) { dominated = false }
            }
            let isDisowned = disowned.contains(finding.key)
            if !finding.owner || isDisowned { takeBackConfirmation(by: name, of: finding.key) }
            if !dominated { withdrawConfirmation(by: name, of: finding.key) }
            if dominated, finding.owner, !isDisowned { noteDomination(by: name, told) }
            if dominated, told.toStandIn, !told.sets.isEmpty, !isDisowned { noteStandIn(name, finding, told: told) }
            if !lacks { heard.append(finding.key) }
            // A confirmation that is lost again is to be had by another exchange.
            let isConfirmed = dominated && !told.sets.isEmpty
            note(finding, from: name, isTaken: !reply.full && !isConfirmed, lacks: lacks, at: now)
        }
        guard var peer = peers.removeValue(forKey: name) else { return }
        defer { peers[name] = peer }
        peer.call = nil
        peer.failures = 0
        peer.retryAt = now
        for key in heard {
            peer.unheard[key.slot]?.removeAll { $0 == key }
            if peer.unheard[key.slot]?.isEmpty == true {
                peer.unheard[key.slot] = nil
                if !peer.hearAnew.contains(key.slot), !peer.uncounted.contains(key.slot) {
                    peer.isHeard(of: key.slot)
                }
            }
        }
        peer.hearAnew = SlotSet()
        // Whatever was not settled by this is looked at again.
        let asked = Set(told.lazy.filter(\.toStandIn).map(\.key))
        for key in batch {
            let isAwaited = asked.contains(key) && groups[key]?.standIns.contains(name) == false
            if isAwaited || isUnconfirmed(key, by: name) { peer.recheck.insert(key.slot) }
        }
        for key in batch where peer.unheard[key.slot] != nil { peer.recheck.insert(key.slot) }
        if reply.full {
            // It forgets what it has no room to queue: it is told when it has pulled some. What it has to tell is heard.
            peer.putOffExchanges()
            // It asks by itself as soon as it has room; one that is on its way in is full, too, and soon has some.
            if peer.recheck.count > settings.namesPerExchange {
                peer.recheckAt = max(peer.recheckAt ?? now, now + settings.fullPause)
            }
        }
        scheduleRecheck(&peer, at: now)
    }

    /// What either lacks is on its way by this exchange, unless there was no room to queue it, or an owner does not see yet
    /// that it is one.
    private mutating func note(
        _ finding: ExchangeFinding, from name: NodeName, isTaken: Bool, lacks: Bool, at now: Instant
    ) {
        let isSeen = finding.owner || !owners(of: finding.key).contains(name)
        let isQueued = pulls.count < settings.pullsQueuedMax
        peers[name]?.differences[finding.key.slot]?[finding.key]?.toldAt = isTaken && isSeen && isQueued ? now : nil
        peers[name]?.differences[finding.key.slot]?[finding.key]?.lacked = lacks
        peers[name]?.differences[finding.key.slot]?[finding.key]?.isLackKnown = lacks && newerElsewhere.hasRoom
    }

    /// With the pauses in between, half a minute: at half, a full peers table may pass for it; at double, a node whose API
    /// hangs keeps its fellows from answering for four times as long.
    static var failuresBeforeUnheard: Int { 4 }

    /// Who is only asked in case it knows more must not keep all that is held from answering for half a minute. At one, a busy one
    /// is passed over.
    static var failuresBeforeUnasked: Int { 2 }

    mutating func fail(_ id: CallID, at now: Instant) {
        guard let name = peer(calling: id), var peer = peers[name], let call = peer.call else { return }
        peer.call = nil
        peer.hearAnew = SlotSet()
        switch call.work {
        case .compare(let slots):
            peer.dirty.formUnion(slots)
            peer.byList.formUnion(slots)
        case .sums(let slots, _):
            peer.dirty.formUnion(slots)
            // Where only that fails, lists may do.
            if peer.failures > 0 { peer.byList.formUnion(slots) }
        case .review(let slots): peer.review.formUnion(slots)
        case .exchange(let keys): for key in keys { peer.dirty.insert(key.slot) }
        }
        peer.failures = min(peer.failures + 1, 16)
        peer.retryAt = now + backoff(peer.failures - 1)
        if peer.failures >= Self.failuresBeforeUnheard {
            // It is there by its datagrams and not to be talked to: what it may know is not waited for any longer.
            let forAll = peer.hearForAll
            giveUpHearing(&peer, at: now)
            let unsaid = newerElsewhere.forget(tellers: [name])
            peers[name] = peer
            doubt(unsaid, at: now)
            hearAll(of: forAll, at: now)
            return
        }
        if peer.failures >= Self.failuresBeforeUnasked { giveUpHearingInCase(&peer, at: now) }
        peers[name] = peer
    }

    /// The more there is to look at again, the later: what it costs shall stay a small part of what the moves do.
    func scheduleRecheck(_ peer: inout PeerState, at now: Instant) {
        guard !peer.recheck.isEmpty, peer.recheckAt == nil else { return }
        let pause = backoff(peer.rechecks)
        peer.recheckAt = now + min(settings.recheckMax, pause + pause * (peer.recheck.count / settings.slotsPerCompare))
        peer.rechecks = min(peer.rechecks + 1, 16)
    }

    /// `recheck`, doubled for each time before, at most `recheckMax`.
    func backoff(_ times: Int) -> Duration { min(settings.recheckMax, settings.recheck * (1 << min(times, 8))) }
}
