import Resources
import Vocabulary

/// What one node tells another of a group: enough to see whether they differ, and whether its word counts.
public struct GroupStatus: Hashable, Sendable, Codable {
    public let key: GroupKey
    public let digest: SetDigest
    /// Whether the speaker sees itself as an owner and will keep what it has: only then is an equal digest a
    /// confirmation (law 2).
    public let owner: Bool

    public init(key: GroupKey, digest: SetDigest, owner: Bool) {
        self.key = key
        self.digest = digest
        self.owner = owner
    }
}

/// "Here is what I hold of these slots": asked by either side, answered by the other in the same form.
public struct CompareRequest: Hashable, Sendable {
    public let slots: SlotSet
    /// Every group that the speaker holds anything of in those slots; none beside `shared`.
    public let groups: [GroupStatus]
    /// In the place of `groups`, where nothing is thought to differ: the sum of `SharedDigest` over the groups of those
    /// slots that both nodes own. 16 bytes instead of 20 for each group, so that what is held costs nothing to look after.
    public let shared: SetDigest?

    public init(slots: SlotSet, groups: [GroupStatus], shared: SetDigest? = nil) {
        self.slots = slots
        self.groups = groups
        self.shared = shared
    }
}

/// The same from the other side, for the same slots.
public struct CompareReply: Hashable, Sendable {
    public let groups: [GroupStatus]
    /// The `shared` that was asked about is this node's, too; then it names no groups.
    public let same: Bool
    /// False: this node takes the asker for gone, and takes writes without it.
    public let counted: Bool
    /// Who holds versions that this node has not seen, of which of the slots, as far as it knows of any; sorted.
    public let newer: [HolderOfNewer]
    /// Those of the slots in which this node's disk refused something that it is to have.
    public let noRoom: SlotSet

    public init(
        groups: [GroupStatus], same: Bool = false, counted: Bool = true, newer: [HolderOfNewer] = [],
        noRoom: SlotSet = SlotSet()
    ) {
        self.groups = groups
        self.same = same
        self.counted = counted
        self.newer = newer
        self.noRoom = noRoom
    }
}

/// "Do we hold the same of these slots?": a sum for each span of 64 slots in the place of a list of all groups, where there are
/// many and few are thought to differ, as after a short absence.
public struct SumsRequest: Hashable, Sendable {
    public let slots: SlotSet
    /// Of the members that may own, as the asker sees them (`Convergence.ringDigest`): where the answerer's is another, a group
    /// may be in the sums of one of them and not of the other, and neither tell of it.
    public let ring: SetDigest
    /// For each of `slots.spans` the sum of `SharedDigest` over the groups that both nodes own.
    public let sums: [SetDigest]
    /// The groups that the asker holds, and the answerer owns without it.
    public let groups: [GroupStatus]

    public init(slots: SlotSet, ring: SetDigest, sums: [SetDigest], groups: [GroupStatus]) {
        self.slots = slots
        self.ring = ring
        self.sums = sums
        self.groups = groups
    }
}

public struct SumsReply: Hashable, Sendable {
    /// Those of the slots in which the answerer holds the same of all groups that both own; all others are to be compared group
    /// by group.
    public let same: SlotSet
    /// Of those slots, what the answerer holds of the groups told of, and of those that the asker owns without it.
    public let groups: [GroupStatus]
    /// As in `CompareReply`.
    public let counted: Bool
    public let newer: [HolderOfNewer]
    public let noRoom: SlotSet

    public init(
        same: SlotSet = SlotSet(), groups: [GroupStatus] = [], counted: Bool = true, newer: [HolderOfNewer] = [],
        noRoom: SlotSet = SlotSet()
    ) {
        self.same = same
        self.groups = groups
        self.counted = counted
        self.newer = newer
        self.noRoom = noRoom
    }
}

/// A node that holds versions of names in these slots that the speaker has not seen; the speaker itself where it is not in step,
/// and can not say who does.
public struct HolderOfNewer: Hashable, Sendable {
    public let holder: NodeName
    public let slots: SlotSet

    public init(holder: NodeName, slots: SlotSet) {
        self.holder = holder
        self.slots = slots
    }
}

/// All that one node holds of a group that differs.
public struct ExchangeGroup: Hashable, Sendable {
    public let key: GroupKey
    public let sets: [VersionSet]
    /// How many nodes hold all of this, as the speaker knows: the fewest are restored first.
    public let copies: Int
    /// The listener is to hold this in the place of an owner that has no room for it.
    public internal(set) var toStandIn: Bool

    public init(key: GroupKey, sets: [VersionSet], copies: Int, toStandIn: Bool = false) {
        self.key = key
        self.sets = sets
        self.copies = copies
        self.toStandIn = toStandIn
    }

    /// Of all that is told.
    var digest: SetDigest {
        var counted = GroupSummary(key: key)
        for set in sets { counted.add(set) }
        return counted.digest
    }
}

public struct ExchangeRequest: Hashable, Sendable {
    public let groups: [ExchangeGroup]

    public init(groups: [ExchangeGroup]) { self.groups = groups }
}

/// What the other side has of one exchanged group, where it differs from what it was told.
public struct ExchangeFinding: Hashable, Sendable {
    public let key: GroupKey
    /// Its sets that differ from the asker's, or that the asker did not name.
    public let sets: [VersionSet]
    /// Names that the asker told of and that it has nothing of.
    public let missing: [ResourceName]
    public let owner: Bool
    public let copies: Int
    /// What it was asked to stand in for it holds, and lets go of only when all the owners that it sees have it; the asker
    /// is none of those.
    public internal(set) var keeps: Bool

    init(key: GroupKey, sets: [VersionSet], missing: [ResourceName], owner: Bool, copies: Int) {
        self.key = key
        self.sets = sets
        self.missing = missing
        self.owner = owner
        self.copies = copies
        keeps = false
    }

    /// - Parameters:
    ///   - asked: what the other node told.
    ///   - mine: what this node holds of the names told, and of the group.
    public init(asked: ExchangeGroup, mine: [VersionSet], owner: Bool, copies: Int, keeps: Bool = false) {
        key = asked.key
        let told = Dictionary(asked.sets.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let held = Set(mine.map(\.name))
        sets = mine.filter { told[$0.name] != $0 }
        missing = asked.sets.map(\.name).filter { !held.contains($0) }
        self.owner = owner
        self.copies = copies
        self.keeps = keeps
    }
}

public struct ExchangeReply: Hashable, Sendable {
    /// True: the answerer may have had no room to queue what it was told of and lacks, or is on its way in: it is to be told
    /// again.
    public let full: Bool
    public let findings: [ExchangeFinding]

    public init(full: Bool = false, findings: [ExchangeFinding]) {
        self.full = full
        self.findings = findings
    }
}

/// "I hold this version durably: make it durable too, now." The answer comes when that is done.
public struct OfferRequest: Hashable, Sendable, Codable {
    public let version: Version
    /// What the asker holds of the version's group: when the other then holds the same, both know at once.
    public let status: GroupStatus

    public init(version: Version, status: GroupStatus) {
        self.version = version
        self.status = status
    }
}

/// What the other node holds of the version's group after it made the version durable.
public struct OfferReply: Hashable, Sendable, Codable {
    public let status: GroupStatus
    /// A write held here that goes before the offered one without having seen it (`VersionSet.rival`).
    public let rival: Dot?
    /// A write held here that has not seen the offered one, nor that one it, whichever goes first.
    public let concurrent: Dot?

    public init(status: GroupStatus, rival: Dot? = nil, concurrent: Dot? = nil) {
        self.status = status
        self.rival = rival
        self.concurrent = concurrent
    }

    /// - Parameter held: what is held of the name, the offered version included.
    public init(status: GroupStatus, offered version: Version, held: VersionSet?) {
        self.init(
            status: status, rival: held?.rival(of: version)?.dot, concurrent: held?.concurrent(with: version)?.dot)
    }
}
