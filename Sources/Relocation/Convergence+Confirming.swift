import Placement
import Resources
import Vocabulary

/// By whose word a group counts as held elsewhere (law 2).
extension Convergence {
    /// Nobody drops a copy on this node's word while its own is not whole (law 2): all hear at once when the word does not
    /// hold any more, and when it does again. It is taken back for whole slots: a name whose bytes are lacking may go to a
    /// group of another home meanwhile.
    mutating func note(lacking keys: Set<GroupKey>) {
        let slots = SlotSet(keys.map(\.slot))
        var changed = slots.subtracting(lacking)
        changed.formUnion(lacking.subtracting(slots))
        lacking = slots
        guard !changed.isEmpty else { return }
        for slot in changed { groups.sharedSums.forget(slot) }
        hasChanged(changed)
        for name in view.contactable where name != me {
            peers[name, default: PeerState()].dirty.formUnion(changed)
            // Who has let go of what it owned once is told, too, and sums would not.
            peers[name]?.byList.formUnion(changed)
        }
    }

    /// How many nodes hold all that this node holds of the group, as far as it knows.
    func copies(of key: GroupKey) -> Int {
        guard let state = groups[key] else { return 0 }
        return 1 + state.confirmed.count + state.standIns.count
    }

    /// An equal digest from an owner is its word that it has it all (law 2). What it holds only grows, so another digest, told
    /// unasked, takes nothing back (in an answer it does: `settle`); that it does not vouch for the group any more does,
    /// whatever it has beside (seed 354).
    mutating func noteConfirmation(by peer: NodeName, _ theirs: GroupStatus) {
        guard theirs.owner else { return takeBackConfirmation(by: peer, of: theirs.key) }
        guard let state = groups[theirs.key], state.summary.digest == theirs.digest else { return }
        confirm(theirs.key, by: peer)
    }

    mutating func takeBackConfirmation(by peer: NodeName, of key: GroupKey) {
        guard withdrawConfirmation(by: peer, of: key) else { return }
        // It is asked again: at once, then in longer and longer intervals.
        peers[peer]?.dirty.insert(key.slot)
    }

    /// The same where it is about to be asked anyhow.
    ///
    /// - Returns: whether there was a confirmation.
    @discardableResult
    mutating func withdrawConfirmation(by peer: NodeName, of key: GroupKey) -> Bool {
        guard groups[key]?.confirmed.contains(peer) == true else { return false }
        groups[key]?.confirmed.removeAll { $0 == peer }
        considerDrop(key)
        return true
    }

    /// What a peer says of itself when it asks, and of a write. A cut may have held that back for long, and its process may have
    /// ended since, and with it its disk: nothing is let go of by that, but by the answer to a question about all of it.
    mutating func noteTold(by peer: NodeName, _ theirs: GroupStatus) {
        // It speaks without having been asked, as one does whose bytes were lost. Only to who leaves it matters: two that stand
        // in with each other would ask each other for ever.
        if !theirs.owner, !view.ring.contains(me), groups[theirs.key]?.standIns.contains(peer) == true {
            takeBackWord(of: peer, for: theirs.key)
            peers[peer]?.dirty.insert(theirs.key.slot)
        }
        // What it answered before may come only now, and would give it its word back.
        if !theirs.owner, let state = groups[theirs.key], state.owners.contains(peer) || !view.ring.contains(me) {
            peers[peer]?.disown(theirs.key)
        }
        guard let state = groups[theirs.key], theirs.owner, !state.owners.contains(me) else {
            return noteConfirmation(by: peer, theirs)
        }
        guard state.summary.digest == theirs.digest, state.owners.contains(peer), !state.confirmed.contains(peer) else {
            return
        }
        peers[peer]?.dirty.insert(theirs.key.slot)
        peers[peer]?.rechecks = 0
    }

    private mutating func confirm(_ key: GroupKey, by peer: NodeName) {
        guard let state = groups[key], state.owners.contains(peer), !state.confirmed.contains(peer) else { return }
        groups[key]?.confirmed.append(peer)
        // What moves is looked at again soon: the pauses grow only while nothing does.
        peers[peer]?.rechecks = 0
        // Who stood in lets go of it now.
        if let state = groups[key], groups.isConfirmed(state) { groups[key]?.standIns = [] }
        considerDrop(key)
    }

    /// An owner whose sets are all at least as new as the ones told has confirmed the group, if those are still all
    /// that this node holds of it.
    mutating func noteDomination(by name: NodeName, _ told: ExchangeGroup) {
        guard let state = groups[told.key], state.summary.digest == told.digest else { return }
        confirm(told.key, by: name)
    }
}
