import Resources
import Vocabulary

/// Whom this node has to hear before its own copies answer, and for how long it waits for that (law 6).
extension Convergence {
    /// - Parameter forAll: the peer owned the slots, or stood in (`PeerState.hearForAll`).
    mutating func mustHear(_ name: NodeName, _ slots: SlotSet, forAll: Bool = false) {
        guard !slots.isEmpty, name != me else { return }
        peers[name, default: PeerState()].mustHear.formUnion(slots)
        peers[name]?.hearAsTold.subtract(slots)
        peers[name]?.hearInCase.subtract(slots)
        if forAll { peers[name]?.hearForAll.formUnion(slots) }
        peers[name]?.dirty.formUnion(slots)
        // What differed at the last comparison is not all that may differ now.
        peers[name]?.forgetUnheard(of: slots)
        // A process that stood still finds answers to what it had asked before, and they clear nothing up.
        if peers[name]?.call != nil { peers[name]?.hearAnew.formUnion(slots) }
    }

    /// Whatever this node holds of the slots answers no more before it has heard these members, however well in step it was.
    mutating func doubt(_ slots: SlotSet, until names: [NodeName], forAll: Bool = false) {
        guard !slots.isEmpty else { return }
        for key in groups(in: slots) where groups[key]?.vouched == true { groups[key]?.vouched = false }
        for name in names { mustHear(name, slots, forAll: forAll) }
    }

    /// Somebody knows more of these slots, and nobody knows who: everyone is heard who answers.
    mutating func doubt(_ slots: SlotSet, at now: Instant) {
        guard !slots.isEmpty else { return }
        doubt(slots, until: whoAnswers(of: slots, at: now))
    }

    /// All members but those that are known not to answer; what those may know of the slots is not waited for.
    private mutating func whoAnswers(of slots: SlotSet, at now: Instant) -> [NodeName] {
        let answering = view.contactable.filter { !isSilent($0) }
        if answering.count < view.contactable.count { giveUpHearing(slots, at: now) }
        return answering
    }

    /// Whether it has not answered for so long that nobody waits for it.
    func isSilent(_ name: NodeName) -> Bool { (peers[name]?.failures ?? 0) >= Self.failuresBeforeUnheard }

    // MARK: By the word of one who is heard

    /// What an answer to a comparison says beside what it is about.
    mutating func hear(whatIsNew newer: [HolderOfNewer], from name: NodeName, isCounted: Bool, at now: Instant) {
        // What it takes from now on is not told here: it is to be heard when it has found out that this node is there.
        if !isCounted { mustHear(name, SlotSet.all) }
        hearHoldersOfNewer(newer, toldBy: name, at: now)
    }

    /// What this node knows that it lacks in these slots. Where it is not in step itself, and has to hear others than the asker, it
    /// names itself: it can not say who knows more.
    func whatIsNewer(in slots: SlotSet, for asker: NodeName) -> [HolderOfNewer] {
        let holders = newerElsewhere.holders(in: slots)
        var behind = SlotSet()
        if isJoining || isPassedOver || gathering != nil {
            behind = slots
        } else {
            for (name, peer) in peers where name != asker && !peer.mustHear.isEmpty { behind.formUnion(peer.mustHear) }
            behind = behind.intersection(slots)
        }
        return behind.isEmpty ? holders : [HolderOfNewer(holder: me, slots: behind)] + holders
    }

    /// Where this node is about to take the peer's word for what there is, it hears those, too, of whom the peer knows that
    /// they hold more: an owner with a full disk can not take what others wrote in its place. Elsewhere it changes nothing:
    /// for as long as that disk is full the peer says it with each comparison.
    private mutating func hearHoldersOfNewer(_ holders: [HolderOfNewer], toldBy name: NodeName, at now: Instant) {
        guard let peer = peers[name], !peer.mustHear.isEmpty else { return }
        var awaited = peer.mustHear
        awaited.subtract(peer.hearAsTold)
        for newer in holders {
            if newer.holder == name {
                let asked = hearAll(of: newer.slots.intersection(awaited).intersection(peer.hearForAll), at: now)
                // Now that all are heard, that this one is not in step says nothing more.
                peers[name]?.hearForAll.subtract(asked)
            } else if newer.holder != me, view.canCall(newer.holder) {
                hearAsTold(newer.holder, newer.slots.intersection(awaited))
            } else if view.restarting.contains(newer.holder) {
                let slots = newer.slots.intersection(awaited)
                guard !slots.isEmpty else { continue }
                // It is back in a moment, with all that it has; or it is not.
                if owed[newer.holder] != nil || owed.count < Self.owedMax {
                    owed[newer.holder, default: SlotSet()].formUnion(slots)
                }
                giveUpHearing(slots, at: now)
            }
        }
    }

    /// Several that were down together are not in step when they are back, or go again before they were heard; whoever took
    /// writes meanwhile stood in for all of them, in ranks that none of them would ask. Of what this node holds nothing it
    /// answers nothing.
    ///
    /// - Returns: those of the slots of which something is held.
    @discardableResult
    mutating func hearAll(of slots: SlotSet, at now: Instant) -> SlotSet {
        guard !slots.isEmpty else { return slots }
        let held = SlotSet(groups.bySlot.keys.filter { slots.contains($0) })
        for other in whoAnswers(of: held, at: now) {
            let added = hearAsTold(other, held)
            peers[other]?.hearInCase.formUnion(added)
        }
        return held
    }

    /// - Returns: what it was not to be heard of anyhow.
    @discardableResult
    private mutating func hearAsTold(_ name: NodeName, _ slots: SlotSet) -> SlotSet {
        var slots = slots
        if let known = peers[name]?.mustHear { slots.subtract(known) }
        guard !slots.isEmpty, name != me else { return SlotSet() }
        mustHear(name, slots)
        peers[name]?.hearAsTold.formUnion(slots)
        return slots
    }

    // MARK: Not waiting any longer

    /// Stops waiting for what a member may know.
    mutating func giveUpHearing(_ peer: inout PeerState, at now: Instant) {
        guard !peer.mustHear.isEmpty else { return }
        giveUpHearing(peer.mustHear, of: &peer, at: now)
        peer.unheard = [:]
    }

    mutating func giveUpHearingInCase(_ peer: inout PeerState, at now: Instant) {
        giveUpHearing(peer.hearInCase, of: &peer, at: now)
    }

    private mutating func giveUpHearing(_ slots: SlotSet, of peer: inout PeerState, at now: Instant) {
        guard !slots.isEmpty else { return }
        giveUpHearing(slots, at: now)
        peer.isHeard(of: slots)
        peer.forgetUnheard(of: slots)
    }

    mutating func giveUpHearing(_ slots: SlotSet, at now: Instant) {
        halfHeard.formUnion(slots)
        halfHeardUntil = now + settings.settling
    }

    /// The peer holds nothing of these slots that this node does not hold just so. What it said before that it holds it said in an
    /// earlier life, perhaps, and was heard only when that was over.
    mutating func noteNothingNew(in slots: SlotSet, from name: NodeName, at now: Instant) {
        guard !slots.isEmpty, !newerElsewhere.isEmpty, let since = peers[name]?.newsSince else { return }
        doubt(newerElsewhere.forget(tellers: [name], in: slots.subtracting(since)), at: now)
    }
}
