import Resources
import Vocabulary

/// The groups that this node holds anything of, and beside them what follows from each: sums, and the few that are not
/// settled. Kept in step at every change, so that neither a look at the totals, which status and metrics take all the
/// time, nor a change of the membership goes through all that is held.
///
/// A group costs about 300 bytes of memory, whatever is in it; there are at most 16,384, and as many again for each home.
struct GroupTable: Sendable {
    struct Group: Sendable {
        var summary: GroupSummary
        var owners: [NodeName]
        /// Owners that hold everything that `summary.digest` stands for, said under the present owners.
        var confirmed: [NodeName] = []
        /// Members that are not owners, and hold the same in the place of owners without room.
        var standIns: [NodeName] = []
        var dropping = false
        /// This node was an owner in step when the owners last changed, and is one still: what it holds of the group
        /// is as good as before, whatever else of the slot became its own.
        var vouched = false

        /// What a group weighs that must not be overlooked: one that holds nothing but deleted names is 1, too.
        var weight: Int { max(summary.resources, 1) }
    }

    /// In resources, but for `bytes` and `shortBytes`.
    struct Sums: Hashable, Sendable {
        var held = 0
        var bytes: UInt64 = 0
        var owned = 0
        /// Owned, and not confirmed by every other owner.
        var unconfirmed = 0
        /// Of those, on fewer nodes than there are owners, whoever stands in counted.
        var underReplicated = 0
        /// Owned by others only.
        var misplaced = 0
        /// Not held by as many others as there are owners, owned here or not.
        var short = 0
        /// The bytes of all versions in those groups.
        var shortBytes: UInt64 = 0
        /// All of them, each at least 1.
        var weight = 0
    }

    private let me: NodeName
    private var groups: [GroupKey: Group] = [:]
    private(set) var sums = Sums()
    /// The groups of each slot, sorted.
    private(set) var bySlot: [Slot: [GroupKey]] = [:]
    private(set) var byHome: [NodeName: Set<GroupKey>] = [:]
    /// Those that some other owner has not confirmed.
    private(set) var unconfirmed: Set<GroupKey> = []
    /// Owned ones that are not vouched for.
    private(set) var unvouched: Set<GroupKey> = []
    private var vouchedCount = 0
    /// Groups of which others hold fewer copies than there are owners: `sums` of a damaged catalogue may be anything.
    private(set) var shortCount = 0
    var sharedSums = SharedSums()
    private var knownHolders: OtherHolders?

    init(me: NodeName) { self.me = me }

    var count: Int { groups.count }
    var isEmpty: Bool { groups.isEmpty }

    subscript(key: GroupKey) -> Group? {
        get { groups[key] }
        set {
            let old = groups[key]
            if let old {
                subtract(old)
                vouchedCount -= old.vouched ? 1 : 0
                shortCount -= isShort(old) ? 1 : 0
            }
            groups[key] = newValue
            if let newValue {
                add(newValue)
                vouchedCount += newValue.vouched ? 1 : 0
                shortCount += isShort(newValue) ? 1 : 0
            }
            index(key, was: old != nil, newValue)
        }
    }

    /// In no order that two processes share: what is made of it must not depend on the order.
    func forEach(_ body: (GroupKey, Group) -> Void) { for (key, group) in groups { body(key, group) } }

    /// Of which slots others are to be asked.
    struct OtherHolders: Sendable {
        /// Group by group: it has not confirmed all, or this node does not own what it holds.
        var open: [NodeName: SlotSet] = [:]
        /// By one sum: it owns with this node what it has confirmed.
        var quiet: [NodeName: SlotSet] = [:]
    }

    /// Reckoned when it is asked for and some group has changed since: what lies still costs nothing to look after.
    var otherHolders: OtherHolders {
        mutating get {
            if let knownHolders { return knownHolders }
            var found = OtherHolders()
            for (key, group) in groups {
                let isOwned = group.owners.contains(me)
                for standIn in group.standIns { found.open[standIn, default: SlotSet()].insert(key.slot) }
                for owner in group.owners where owner != me {
                    if isOwned, group.confirmed.contains(owner) {
                        found.quiet[owner, default: SlotSet()].insert(key.slot)
                    } else {
                        found.open[owner, default: SlotSet()].insert(key.slot)
                    }
                }
            }
            knownHolders = found
            return found
        }
    }

    /// No group counts as vouched for any more: the one change that goes through all that is held, after this node was
    /// away and all of it is to be compared anyhow.
    mutating func vouchForNothing() {
        guard vouchedCount > 0 else { return }
        vouchedCount = 0
        var index = groups.startIndex
        while index != groups.endIndex {
            groups.values[index].vouched = false
            if groups.values[index].owners.contains(me) { unvouched.insert(groups.keys[index]) }
            groups.formIndex(after: &index)
        }
    }

    func isConfirmed(_ group: Group) -> Bool {
        group.owners.allSatisfy { $0 == me || group.confirmed.contains($0) }
    }

    /// Whether others hold fewer copies than there are owners. For an owner, who stands in for another counts as little as
    /// ever: the copies are not where they belong.
    func isShort(_ group: Group) -> Bool {
        guard !isConfirmed(group) else { return false }
        return group.owners.contains(me) || group.confirmed.count + group.standIns.count < group.owners.count
    }

    private mutating func index(_ key: GroupKey, was: Bool, _ group: Group?) {
        sharedSums.forget(key.slot)
        knownHolders = nil
        guard let group else {
            guard was else { return }
            bySlot[key.slot]?.removeAll { $0 == key }
            if bySlot[key.slot]?.isEmpty == true { bySlot[key.slot] = nil }
            if let home = key.home {
                byHome[home]?.remove(key)
                if byHome[home]?.isEmpty == true { byHome[home] = nil }
            }
            unconfirmed.remove(key)
            unvouched.remove(key)
            return
        }
        if !was {
            bySlot[key.slot, default: []].append(key)
            bySlot[key.slot]?.sort()
            if let home = key.home { byHome[home, default: []].insert(key) }
        }
        if isConfirmed(group) { unconfirmed.remove(key) } else { unconfirmed.insert(key) }
        if group.owners.contains(me), !group.vouched { unvouched.insert(key) } else { unvouched.remove(key) }
    }

    // Wrapping, as the counts of a damaged catalogue may be anything; what was added is what is taken away again.

    private mutating func add(_ group: Group) {
        let part = part(of: group)
        sums.held &+= part.held
        sums.bytes &+= part.bytes
        sums.owned &+= part.owned
        sums.unconfirmed &+= part.unconfirmed
        sums.underReplicated &+= part.underReplicated
        sums.misplaced &+= part.misplaced
        sums.short &+= part.short
        sums.shortBytes &+= part.shortBytes
        sums.weight &+= part.weight
    }

    private mutating func subtract(_ group: Group) {
        let part = part(of: group)
        sums.held &-= part.held
        sums.bytes &-= part.bytes
        sums.owned &-= part.owned
        sums.unconfirmed &-= part.unconfirmed
        sums.underReplicated &-= part.underReplicated
        sums.misplaced &-= part.misplaced
        sums.short &-= part.short
        sums.shortBytes &-= part.shortBytes
        sums.weight &-= part.weight
    }

    private func part(of group: Group) -> Sums {
        var sums = Sums()
        sums.held = group.summary.resources
        sums.bytes = group.summary.bytes
        sums.weight = group.weight
        let isConfirmed = isConfirmed(group)
        if group.owners.contains(me) {
            sums.owned = group.summary.resources
            if !isConfirmed {
                sums.unconfirmed = group.weight
                if 1 + group.confirmed.count + group.standIns.count < group.owners.count {
                    sums.underReplicated = group.weight
                }
            }
        } else {
            sums.misplaced = group.weight
        }
        if isShort(group) {
            sums.short = group.weight
            sums.shortBytes = group.summary.bytes
        }
        return sums
    }
}
