import Placement
import Resources
import Vocabulary

/// Comparing many slots by sums: what a node that comes back, and each that it is to hear, hold alike is found so for a
/// quarter of a byte a slot, however many groups that are.
///
/// Under one ring the two agree on the owners of each group. Those that both own are in the sums; those that only the other one
/// owns each tells of; any other group, neither is to have from the other. Whoever holds what it does not own asks its owners
/// itself, and is not told by them. Names that move from one home to another are in two groups of a slot, and an owner of one
/// of them is to hear of the other: such slots are left to the lists.
extension Convergence {
    /// The question for those of the slots that sums can tell of; nil when lists are as short, or when somebody's disk is full:
    /// who stands in for whom is told group by group.
    func sums(of slots: SlotSet, with peer: NodeName) -> SumsRequest? {
        guard !isSomebodyFull else { return nil }
        var slots = slots
        var keys = groups(in: slots)
        let unfit = SlotSet(keys.lazy.filter { isOnlyForLists($0) }.map(\.slot))
        if !unfit.isEmpty {
            slots.subtract(unfit)
            keys.removeAll { unfit.contains($0.slot) }
        }
        guard !keys.isEmpty, keys.count / slots.spans.count >= settings.groupsPerSum else { return nil }
        return SumsRequest(
            slots: slots, ring: ringDigest, sums: spanSums(of: keys, in: slots, with: peer),
            groups: keys.filter { isFor(peer, $0) }.map { status(of: $0) })
    }

    /// Answers another node's sums, and learns from them what an answer with all groups would have told.
    public mutating func answer(_ request: SumsRequest, from peer: NodeName) -> SumsReply {
        for theirs in request.groups { noteTold(by: peer, theirs) }
        let counted = view.canCall(peer)
        let newer = whatIsNewer(in: request.slots, for: peer)
        let noRoom = refused.slots(of: request.slots)
        let keys = groups(in: request.slots)
        let spans = request.slots.spans
        guard request.ring == ringDigest, request.sums.count == spans.count else {
            return SumsReply(counted: counted, newer: newer, noRoom: noRoom)
        }
        let unfit = Set(keys.filter { isOnlyForLists($0) }.map(\.slot.span))
        let mine = spanSums(of: keys, in: request.slots, with: peer)
        let agreed = zip(spans, zip(mine, request.sums)).filter { $1.0 == $1.1 && !unfit.contains($0) }.map(\.0)
        let same = request.slots.inSpans(agreed)
        let told = Set(request.groups.map(\.key))
        var listed: [GroupStatus] = []
        for key in keys where same.contains(key.slot) {
            let status = status(of: key)
            if isShared(key, with: peer) {
                noteConfirmation(by: peer, status)
            } else if told.contains(key) || isFor(peer, key) {
                listed.append(status)
            }
        }
        return SumsReply(same: same, groups: listed, counted: counted, newer: newer, noRoom: noRoom)
    }

    mutating func finishSums(_ id: CallID, _ reply: SumsReply, at now: Instant) {
        guard let name = peer(calling: id), case .sums(let slots, let ring) = peers[name]?.call?.work else { return }
        hear(whatIsNew: reply.newer, from: name, isCounted: reply.counted, at: now)
        // It is an answer about the owners that there were when it was asked for.
        let isOfThisRing = ring == ringDigest
        let same = isOfThisRing ? reply.same.intersection(slots) : SlotSet()
        // What the sums stand for, as the peer would have told it.
        let shared = groups(in: same).filter { isShared($0, with: name) }.map { status(of: $0) }
        settle(
            same, with: name, by: shared + reply.groups.filter { !isShared($0.key, with: name) }, noRoom: reply.noRoom,
            isCounted: reply.counted, at: now)
        var differing = slots
        differing.subtract(same)
        peers[name]?.dirty.formUnion(differing)
        if isOfThisRing { peers[name]?.byList.formUnion(differing) }
    }

    /// Of all that decides who owns what: the replicas wanted and the members that may own, with their weights and zones.
    var ringDigest: SetDigest {
        var writer = ByteWriter(capacity: 32 * view.ring.candidates.count)
        writer.write(UInt16(clamping: settings.replicas))
        for candidate in view.ring.candidates {
            writer.write(shortText: candidate.name.text)
            writer.write(candidate.weight)
            writer.write(flag: candidate.zone != nil)
            writer.write(shortText: candidate.zone ?? "")
        }
        return SharedDigest.of(writer.bytes)
    }

    private func spanSums(of keys: [GroupKey], in slots: SlotSet, with peer: NodeName) -> [SetDigest] {
        var sums: [Int: SetDigest] = [:]
        for key in keys where isShared(key, with: peer) {
            let part = SharedDigest.of(status(of: key))
            sums[key.slot.span, default: .empty] = sums[key.slot.span, default: .empty] + part
        }
        return slots.spans.map { sums[$0] ?? .empty }
    }

    private func isShared(_ key: GroupKey, with peer: NodeName) -> Bool {
        guard let owners = groups[key]?.owners else { return false }
        return owners.contains(me) && owners.contains(peer)
    }

    /// Held here, and owned by the peer without this node.
    private func isFor(_ peer: NodeName, _ key: GroupKey) -> Bool {
        guard let owners = groups[key]?.owners else { return false }
        return owners.contains(peer) && !owners.contains(me)
    }

    /// Or a word is to be taken back, by one who owns the group, from whoever holds it for its owners.
    private func isOnlyForLists(_ key: GroupKey) -> Bool {
        key.home != nil || groups[key]?.standIns.isEmpty == false || lacking.contains(key.slot)
    }
}
