import Resources
import Vocabulary

extension Convergence {
    /// What there is to settle with one other node.
    struct PeerState: Sendable {
        /// To be compared as soon as the peer is free.
        var dirty = SlotSet()
        /// Those of them whose sums told that something differs, or that sums can not tell of: compared group by group.
        var byList = SlotSet()
        /// To be looked over when nothing else is to be done with it: all is confirmed there, as far as is known.
        var review = SlotSet()
        /// To be compared again at `recheckAt`, where something is still unconfirmed, unheard or lacking then.
        var recheck = SlotSet()
        /// A pull failed there.
        var lacking = SlotSet()
        var recheckAt: Instant?
        var rechecks = 0
        /// Groups found to differ, to be exchanged from the end on; sorted downwards, without repetition.
        private(set) var exchanges: [GroupKey] = []
        var call: (id: CallID, work: Work)? {
            didSet { if call?.id != oldValue?.id { disowned = Disowned() } }
        }
        /// Groups for which the answer to `call` is no word any more.
        private(set) var disowned = Disowned()
        var retryAt = Instant(nanoseconds: .min)
        var failures = 0
        /// Slots in which this peer may hold something newer than this node does.
        var mustHear = SlotSet()
        /// Those of them of which somebody else said that this peer holds more. Whom it names in turn is not heard for that: two
        /// that each lack what the other has would have this node go to and fro between them.
        var hearAsTold = SlotSet()
        /// Those of them of which this peer is heard for all there is, having owned them or stood in, and not only for what it may
        /// have taken by itself: if it is not in step there, others know more.
        var hearForAll = SlotSet()
        /// Those of them of which it is heard only in case, as everybody is where nobody knows who knows more.
        var hearInCase = SlotSet()
        /// Those of them that came up while `call` was under way: its answer may be older than what is to be heard.
        var hearAnew = SlotSet()
        /// Slots of which it told that it holds more, since they were last asked about.
        var newsSince = SlotSet()
        /// Slots of which it spoke while it took this node for gone; its word on them clears nothing up.
        var uncounted = SlotSet()
        /// Such answers in a row.
        var refusals = 0
        /// Slots in which its disk refused what it is to have, as it said last.
        var noRoom = SlotSet()
        /// In such a slot: owned groups that differed and are not yet exchanged without a lack.
        var unheard: [Slot: [GroupKey]] = [:]
        /// Groups that differed when they were compared last.
        var differences: [Slot: [GroupKey: Difference]] = [:]

        /// Adds groups to be exchanged, which come sorted upwards.
        mutating func exchange(_ keys: [GroupKey]) {
            guard !keys.isEmpty else { return }
            var merged: [GroupKey] = []
            merged.reserveCapacity(exchanges.count + keys.count)
            var rest = keys[...]
            for key in exchanges {
                while let next = rest.last, next > key { merged.append(rest.removeLast()) }
                if rest.last == key { rest.removeLast() }
                merged.append(key)
            }
            exchanges = merged + rest.reversed()
        }

        /// Takes the next ones out: as many as have `limit` names, or the first of them.
        mutating func takeExchanges(names limit: Int, counted: (GroupKey) -> Int) -> [GroupKey] {
            var batch: [GroupKey] = []
            var names = 0
            while let key = exchanges.last, batch.isEmpty || names < limit {
                exchanges.removeLast()
                batch.append(key)
                names += counted(key)
            }
            return batch
        }

        /// Forgets the groups to be exchanged, until their slots are looked at again, but those in which this peer is to be heard.
        mutating func putOffExchanges() {
            for key in exchanges where !mustHear.contains(key.slot) { recheck.insert(key.slot) }
            exchanges = exchanges.filter { mustHear.contains($0.slot) }
        }

        /// The slots are to be compared anew before any of them counts as heard: an exchange under way, or about to be, clears
        /// up what an earlier comparison found, and no more.
        mutating func forgetUnheard(of slots: SlotSet) {
            if slots.count < unheard.count {
                for slot in slots { unheard[slot] = nil }
            } else {
                for slot in Array(unheard.keys) where slots.contains(slot) { unheard[slot] = nil }
            }
        }

        mutating func isHeard(of slot: Slot) {
            mustHear.remove(slot)
            hearAsTold.remove(slot)
            hearForAll.remove(slot)
            hearInCase.remove(slot)
        }

        mutating func isHeard(of slots: SlotSet) {
            mustHear.subtract(slots)
            hearAsTold.subtract(slots)
            hearForAll.subtract(slots)
            hearInCase.subtract(slots)
        }

        var hasWork: Bool { !dirty.isEmpty || !exchanges.isEmpty || !review.isEmpty }

        /// Sums that were asked for do not stand for what is held of these slots any more.
        mutating func hasChanged(_ slots: SlotSet) {
            guard let call, case .sums(var asked, let ring) = call.work else { return }
            dirty.formUnion(asked.intersection(slots))
            asked.subtract(slots)
            self.call = (call.id, .sums(asked, ring: ring))
        }

        /// This peer said unasked that it does not vouch for the group, and what it answers to the call under way is from before,
        /// perhaps. It is asked again after a pause: two that do not vouch would else each have the other ask for ever.
        mutating func disown(_ key: GroupKey) {
            if call != nil { disowned.keys.insert(key) }
        }

        /// The owners have changed, or this node was cut off: an answer under way is no word under what is now.
        mutating func disownAll() {
            if call != nil { disowned.isAll = true }
        }

        struct Disowned: Sendable {
            var isAll = false
            var keys: Set<GroupKey> = []

            func contains(_ key: GroupKey) -> Bool { isAll || keys.contains(key) }
        }

        enum Work: Sendable {
            case compare(SlotSet), exchange([GroupKey]), review(SlotSet)
            /// - ring: `ringDigest` as it was told.
            case sums(SlotSet, ring: SetDigest)
        }
    }
}
