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
    mutating func hearHoldersOfNewer(_ holders: [HolderOfNewer], toldBy name: NodeName) {
        guard let peer = peers[name], !peer.mustHear.isEmpty else { return }
        var awaited = peer.mustHear
        awaited.subtract(peer.hearAsTold)
        for newer in holders {
            if newer.holder == name {
                hearAll(of: newer.slots.intersection(awaited).intersection(peer.hearForAll), besides: name)
            } else if newer.holder != me, view.canCall(newer.holder) {
                hearAsTold(newer.holder, newer.slots.intersection(awaited))
            }
        }
    }

    /// Several that were down together are not in step when they are back, and whoever took writes meanwhile stood in for all of
    /// them: in ranks that none of them would ask. Of what this node holds nothing it answers nothing.
    private mutating func hearAll(of slots: SlotSet, besides name: NodeName) {
        guard !slots.isEmpty else { return }
        let held = SlotSet(groups.bySlot.keys.filter { slots.contains($0) })
        for other in view.contactable where other != name && !isSilent(other) { hearAsTold(other, held) }
    }

    private mutating func hearAsTold(_ name: NodeName, _ slots: SlotSet) {
        var slots = slots
        if let known = peers[name]?.mustHear { slots.subtract(known) }
        guard !slots.isEmpty else { return }
        mustHear(name, slots)
        peers[name]?.hearAsTold.formUnion(slots)
    }

    /// Whether it has not answered for so long that nobody waits for it.
    func isSilent(_ name: NodeName) -> Bool { (peers[name]?.failures ?? 0) >= Self.failuresBeforeUnheard }
}
