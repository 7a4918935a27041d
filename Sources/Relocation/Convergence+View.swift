import Placement
import Resources
import Vocabulary

/// What a change of the membership means: who owns what from now on, whose word still counts, and whom this node has to
/// hear before its own copies may answer (law 6).
extension Convergence {
    mutating func adopt(_ next: View, hear: Hear, restarted: [NodeName], at now: Instant) {
        let before = slotOwners
        let gone = view.contactable.filter { !next.canCall($0) } + restarted
        let fresh = next.contactable.filter { !view.canCall($0) || restarted.contains($0) }
        let ringChanged = next.ring.candidates != view.ring.candidates
        noteVouched(next, hear: hear, fresh: fresh)
        noteReturns(of: fresh, hear: hear, at: now)
        let past = view
        // The same ring stays the same one: that the table of owners belongs to it is then seen at one look.
        if !ringChanged {
            view = View(
                ring: past.ring, contactable: next.contactable, doubtful: next.doubtful, restarting: next.restarting)
        } else {
            view = next
        }
        unfit = Self.unfit(in: view)
        let gathers = hear.isOfNewcomer && (gathering != nil || !fresh.isEmpty && hasJustEntered(at: now))
        var changed: SlotSet? = ownersBySlot.ring.candidates == past.ring.candidates ? SlotSet() : nil
        if ringChanged {
            // Who owns what decides what is wanted of it.
            for name in peers.keys { peers[name]?.differences = [:] }
            remember(past.ring, at: now)
            if gathers, groups.count <= Self.groupsWithoutTableMax {
                unsettled = SlotSet.all
                changed = nil
            } else {
                ownersBySlot.follow(next.ring)
                if settledAt <= now { unsettled = SlotSet() }
                for slot in Slot.all where slotOwners[Int(slot.number)] != before[Int(slot.number)] {
                    unsettled.insert(slot)
                    changed?.insert(slot)
                }
            }
            settledAt = now + settings.settling
        }
        var orphaned = SlotSet()
        for name in gone {
            // What it had confirmed may be lost with it; what it might have told can not be waited for, and is not known.
            if var peer = peers.removeValue(forKey: name) {
                if !peer.mustHear.isEmpty, owed.count < Self.owedMax { owed[name] = peer.mustHear }
                orphaned.formUnion(peer.hearForAll)
                giveUpHearing(&peer, at: now)
            }
            if gathering?.met.remove(name) != nil {
                for (_, slots) in stoodIn([name], in: past) { giveUpHearing(slots, at: now) }
            }
        }
        // Also of those who go, or come back, without having been there in between.
        let replaced = ringChanged ? past.ring.candidates.map(\.name).filter { !next.ring.contains($0) } : []
        if replaced.contains(where: { $0 != me && !next.canCall($0) }) {
            // It counted as silent while it had a place. What was at home there is on one less until it is made anew.
            giveUpHearing(SlotSet.all, at: now)
        }
        // Who is back in a moment has what it told of; where it had told nobody else, nobody else can be asked now.
        let unreturned = past.restarting.filter { !next.restarting.contains($0) }
        let tellers = (gone + fresh + replaced + unreturned).filter { !next.restarting.contains($0) }
        let unsaid = newerElsewhere.forget(tellers: tellers)
        var inherited: [NodeName: SlotSet] = [:]
        let concerned = touched(byOwnersIn: changed, from: past.ring, byThose: gone + fresh)
        groupsReplanned &+= UInt64(concerned.count)
        // Who leaves needs more than that others stand in: their word that they will go on. With an owner that has gone
        // there may be one less than they saw when they gave it.
        let nowLeaves = past.ring.contains(me) && !next.ring.contains(me)
        for key in concerned {
            guard var state = groups[key] else { continue }
            let owners = owners(of: key)
            if owners != state.owners {
                // A group whose home went may fall to a node that owned its slot all along, and that still has an old copy
                // of it: what the name became meanwhile is known to the others.
                if key.home != nil, owners.contains(me), !state.owners.contains(me) {
                    for name in Set(owners + state.owners + self.owners(of: key.slot)) where view.canCall(name) {
                        inherited[name, default: SlotSet()].insert(key.slot)
                    }
                }
                // Confirmations count only under the owners that they were given under: else two nodes whose views
                // flip in turn could each drop on the other's old word.
                if Set(owners) != Set(state.owners) {
                    state.confirmed = []
                    state.standIns = []
                }
                state.owners = owners
                if !owners.contains(me) { state.vouched = false }
            }
            state.confirmed.removeAll { gone.contains($0) }
            let hasLostOwner = state.owners.contains { gone.contains($0) }
            state.standIns.removeAll { nowLeaves || hasLostOwner || gone.contains($0) || !next.ring.contains($0) }
            groups[key] = state
            considerDrop(key)
            touch(key)
        }
        if ringChanged {
            for name in peers.keys { peers[name]?.disownAll() }
        }
        switch hear {
        case .these(let names), .everyoneAnd(let names): takeBackWords(of: names)
        case .asOwnersChange, .everyone: break
        }
        for (name, slots) in inherited.sorted(by: { $0.key < $1.key }) { mustHear(name, slots) }
        doubt(unsaid, at: now)
        hearAll(of: orphaned, at: now)
        for name in fresh {
            // While it was away nobody waited for it, and what was held came to count as in step.
            guard let slots = owed.removeValue(forKey: name) else { continue }
            doubt(slots, until: [name], forAll: true)
        }
        switch hear {
        case .everyone:
            gather(fresh, at: now)
        case .everyoneAnd(let names):
            gather(fresh, at: now)
            for name in names where view.canCall(name) { mustHear(name, SlotSet.all) }
        case .these(let names):
            // Of all slots: of the two that stood in for this node one may be restarting, and what it is to be heard of
            // the home of a name knows, too.
            for name in names where view.canCall(name) { mustHear(name, SlotSet.all) }
            if ringChanged { hearFormerOwners(before) }
        case .asOwnersChange: if ringChanged { hearFormerOwners(before) }
        }
    }

    /// Who was cut off from these, or stood still, may be about to let go of what they held when it heard them last; they may
    /// have been replaced meanwhile, and their disks with them, and that is told only after this.
    private mutating func takeBackWords(of names: [NodeName]) {
        var words: [(NodeName, GroupKey)] = []
        groups.forEach { key, group in
            guard !group.owners.contains(me) else { return }
            for name in names where group.confirmed.contains(name) || group.standIns.contains(name) {
                words.append((name, key))
            }
        }
        for name in names { peers[name]?.disownAll() }
        for (name, key) in words {
            takeBackConfirmation(by: name, of: key)
            takeBackWord(of: name, for: key)
        }
    }

    /// The groups that a change of the membership concerns: those that may have other owners now, those of which
    /// somebody's word counts no more or is to be had again, and those that wait for a word still. All others keep
    /// their owners and what those have confirmed, so that the cost of a change is that of what may have to move, beside
    /// the one look at the table of slots; sorted.
    ///
    /// The owners of a group are some of its slot's owners and its home (an owner that a home displaces is the slot's
    /// last in rank of those that compete with it), so that a group whose slot and home are as before is as before.
    ///
    /// - Parameters:
    ///   - slots: those whose owners changed; nil when that is not known, for all.
    ///   - past: the ring of before.
    ///   - names: members that can not be called any more, or only now.
    private func touched(byOwnersIn slots: SlotSet?, from past: Ring, byThose names: [NodeName]) -> [GroupKey] {
        let before = Dictionary(past.candidates.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var homes = Set(names)
        var isAltered = false
        var met = 0
        for candidate in view.ring.candidates {
            guard let known = before[candidate.name] else {
                homes.insert(candidate.name)
                continue
            }
            met += 1
            // Another weight or zone may change who goes together in any slot.
            if known != candidate { isAltered = true }
        }
        if met < before.count {
            for name in before.keys where !view.ring.contains(name) { homes.insert(name) }
        }
        guard var slots, !isAltered else {
            var all: [GroupKey] = []
            groups.forEach { key, _ in all.append(key) }
            return all.sorted()
        }
        if !names.isEmpty {
            for slot in groups.bySlot.keys where slotOwners[Int(slot.number)].contains(where: { names.contains($0) }) {
                slots.insert(slot)
            }
        }
        var keys = groups.unconfirmed
        keys.formUnion(groups(in: slots))
        for home in homes { if let own = groups.byHome[home] { keys.formUnion(own) } }
        return keys.sorted()
    }

    /// Remembers, before the owners change, for which groups this node could answer. Who was away, or cut off from
    /// others that went on, can not vouch for what it holds until it has heard them.
    private mutating func noteVouched(_ next: View, hear: Hear, fresh: [NodeName]) {
        let wasAway =
            switch hear {
            case .asOwnersChange: false
            case .everyone: !fresh.isEmpty
            case .everyoneAnd, .these: true
            }
        if wasAway || isJoining { return groups.vouchForNothing() }
        guard gathering == nil else { return }
        let unsynced = unsyncedSlots
        for key in groups.unvouched where !unsynced.contains(key.slot) { groups[key]?.vouched = true }
    }

    /// Remembers who came back to this node, which was there all along. Who was away itself hears everybody anyhow.
    private mutating func noteReturns(of fresh: [NodeName], hear: Hear, at now: Instant) {
        guard !fresh.isEmpty, case .asOwnersChange = hear else { return }
        cameBack.formUnion(fresh)
        returnsUntil = now + settings.settling
    }

    /// After a join: whom this node has met is heard when it has met them all.
    private mutating func gather(_ fresh: [NodeName], at now: Instant) {
        guard !fresh.isEmpty else { return }
        guard gathering != nil || hasJustEntered(at: now) else {
            // It has been here alone for long: nobody waits for more to come with this one.
            return hearStandIns(Set(fresh))
        }
        var next = gathering ?? Gathering(since: now, until: now, met: [])
        next.met.formUnion(fresh)
        let doublings = Int.bitWidth - next.met.count.leadingZeroBitCount
        next.until = min(now + settings.gathering * doublings, next.since + settings.gatheringMax)
        gathering = next
    }

    private func hasJustEntered(at now: Instant) -> Bool {
        enteredAt.map { now - $0 < settings.gatheringMax } ?? true
    }

    mutating func endGathering() {
        let met = gathering?.met ?? []
        gathering = nil
        ownersBySlot.follow(view.ring)
        hearStandIns(met.filter { view.canCall($0) })
    }

    /// Whoever took writes while this node was away stands in the first ranks without it. Of the groups that it holds and
    /// that are at home with a member, that one may know more than all those: the other copy may be gone with its disk.
    ///
    /// - Parameter fresh: members that could not be called before; the others were heard, or are being heard.
    private mutating func hearStandIns(_ fresh: Set<NodeName>) {
        guard !fresh.isEmpty else { return }
        for (name, slots) in stoodIn(fresh, in: view) {
            var slots = slots
            for key in groups.byHome[name] ?? [] { slots.insert(key.slot) }
            mustHear(name, slots, forAll: true)
        }
    }

    /// The slots in which each of these owns, or would without this node.
    private func stoodIn(_ names: Set<NodeName>, in view: View) -> [(name: NodeName, slots: SlotSet)] {
        // The first ranks whatever their zones: without zones every member is in one of its own.
        let others = Ring(
            view.ring.candidates.filter { $0.name != me && view.canCall($0.name) }
                .map { Candidate(name: $0.name, weight: $0.weight) })
        let leaders = SlotOwners(others, count: settings.replicas).names
        let owners =
            ownersBySlot.ring.candidates == view.ring.candidates
            ? slotOwners : SlotOwners(view.ring, count: settings.replicas).names
        return names.sorted().map { name in
            var slots = SlotSet()
            for slot in Slot.all {
                let index = Int(slot.number)
                if leaders[index].contains(name) || owners[index].contains(name) { slots.insert(slot) }
            }
            return (name, slots)
        }
    }

    /// A slot that this node owns only now: its owners of before and of now know what there is. Where none of those of before
    /// is left, others stood in for them, and whoever that was knows.
    private mutating func hearFormerOwners(_ before: [[NodeName]]) {
        let new = Slot.all.filter { slot in
            let index = Int(slot.number)
            return slotOwners[index].contains(me) && index < before.count && !before[index].contains(me)
        }
        guard !new.isEmpty else { return }
        for name in view.contactable where name != me {
            var slots = SlotSet()
            for slot in new {
                let index = Int(slot.number)
                let isOrphan = !before[index].contains { view.canCall($0) }
                if isOrphan || before[index].contains(name) || slotOwners[index].contains(name) { slots.insert(slot) }
            }
            mustHear(name, slots, forAll: true)
        }
    }
}

// MARK: - Who owned what a moment ago

extension Convergence {
    struct PastRing: Sendable {
        let ring: Ring
        let until: Instant
    }

    /// News of a member goes round a cluster of thousands within two seconds, over lossy lines as well. At half, one that
    /// heard late answers for what it owns no more; at double, writes after a change go to one node more for that much
    /// longer.
    private static let heardLateFor = Duration.seconds(5)
    /// More changes than these in that time are those of a cluster that starts.
    private static let pastRingsMax = 4

    mutating func remember(_ past: Ring, at now: Instant) {
        pastRings.removeAll { $0.until <= now }
        if pastRings.count >= Self.pastRingsMax { pastRings.removeFirst() }
        pastRings.append(PastRing(ring: past, until: now + Self.heardLateFor))
    }

    /// Members that owned the group until a moment ago. Whoever of them has not heard of the change answers with what it has,
    /// and has to know of a write before it is acknowledged (law 6).
    public func lateOwners(of key: GroupKey, at now: Instant) -> [NodeName] {
        let owners = owners(of: key)
        var late: [NodeName] = []
        for past in pastRings where past.until > now {
            for name in past.ring.owners(of: key.slot, home: key.home, count: settings.replicas)
            where name != me && view.canCall(name) && !owners.contains(name) && !late.contains(name) {
                late.append(name)
            }
        }
        return late
    }

    /// Who would own the group if those of its owners that can not be called were given up; nobody while all can. Others may have
    /// given them up already: a member that has just restarted does not know how often another one has come and gone, and
    /// waits for it less long.
    public func heirs(of key: GroupKey) -> [NodeName] {
        let isAway = { (name: NodeName) in name != self.me && !self.view.canCall(name) }
        guard owners(of: key).contains(where: isAway) else { return [] }
        let away = view.ring.candidates.map(\.name).filter(isAway)
        return view.ring.owners(of: key.slot, home: key.home, count: settings.replicas, passingOver: away)
    }
}
