import Resources
import Vocabulary

/// Whom else to hear, by the word of one who is heard (law 6).
extension Convergence {
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
    mutating func hearHoldersOfNewer(_ holders: [HolderOfNewer], toldBy name: NodeName, at now: Instant) {
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
        var isSomebodySilent = false
        for other in view.contactable {
            if isSilent(other) {
                isSomebodySilent = true
            } else {
                let added = hearAsTold(other, held)
                peers[other]?.hearInCase.formUnion(added)
            }
        }
        if isSomebodySilent { giveUpHearing(held, at: now) }
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

    /// Stops waiting for what a member may know.
    mutating func giveUpHearing(_ peer: inout PeerState, at now: Instant) {
        guard !peer.mustHear.isEmpty else { return }
        giveUpHearing(peer.mustHear, at: now)
        peer.mustHear = SlotSet()
        peer.hearAsTold = SlotSet()
        peer.hearForAll = SlotSet()
        peer.hearInCase = SlotSet()
        peer.unheard = [:]
    }

    mutating func giveUpHearingInCase(_ peer: inout PeerState, at now: Instant) {
        guard !peer.hearInCase.isEmpty else { return }
        giveUpHearing(peer.hearInCase, at: now)
        peer.mustHear.subtract(peer.hearInCase)
        peer.hearAsTold.subtract(peer.hearInCase)
        peer.hearForAll.subtract(peer.hearInCase)
        peer.forgetUnheard(of: peer.hearInCase)
        peer.hearInCase = SlotSet()
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

    /// Whether it has not answered for so long that nobody waits for it.
    func isSilent(_ name: NodeName) -> Bool { (peers[name]?.failures ?? 0) >= Self.failuresBeforeUnheard }
}
