import Placement
import Resources
import Vocabulary

/// The one rule by which data finds its owners (DESIGN §6): a put, a join, a drain, the repair after a crash and a
/// homecoming are this value under different views of the membership.
///
/// For each group that this node holds anything of: compare digests with every other owner; where they differ,
/// exchange what is held; the side that lacks a version pulls it. When this node is not an owner and all the owners
/// have confirmed, drop. It decides; its driver reads, sends, stores and reports back.
///
/// Laws kept here: 2 (no drop before R owners confirmed), 5 (convergence), 6 (no stale answer before a slot is synced).
public struct Convergence: Sendable {
    public struct Settings: Sendable {
        /// Copies wanted of each resource; 1...8.
        public var replicas: Int
        /// Slots in one comparison. Four calls cover all; at half there are twice the round trips at a start.
        public var slotsPerCompare = 4096
        /// Where this node holds as many groups for each span of 64 slots, sums go before lists; 0: wherever it holds any. A sum
        /// has 16 bytes, a group in a list some 22 in the question and as many in the answer: at half, the lists that follow
        /// where something differs make it dearer than lists alone; at double, a node with some thousand names that comes back
        /// sends lists.
        public var groupsPerSum = 2
        /// Names in one exchange: some 50 KiB, and 5 ms of a core on either side, which queries wait for. At half, a link of
        /// 150 ms tells of 850 names a second; at double, queries feel each of them.
        public var namesPerExchange = 256
        /// Blobs pulled at once, of small ones (`smallBytesMax`) 32 times as many. More streams use a lossy path better but
        /// delay queries.
        public var pullsActiveMax = 4
        /// Bytes of one that counts as small: its driver may fetch several in one request.
        public static let smallBytesMax = PullQueue.smallBytesMax
        /// Small ones that count as one.
        public static let smallPerStream = PullQueue.unitsPerStream
        /// Versions waiting to be pulled; what does not fit is found again by the next comparison.
        public var pullsQueuedMax = 4096
        /// Groups dropped at once, each a transaction of its own. More would only wait for the disk, and hold up writes.
        public var dropsActiveMax = 8
        /// What may be dropped stays for this long. It holds a newer version, perhaps, than somebody who is about to ask:
        /// two that were owners of a name before it got another home would else each give the other its past back, as
        /// soon as that one has let go. At half, a slow exchange may miss it; at double, space comes free later.
        public var dropGrace = Duration.seconds(1)
        /// A group that its owner has not confirmed is compared again after this, doubling up to `recheckMax`.
        public var recheck = Duration.seconds(1)
        public var recheckMax = Duration.seconds(30)
        /// Who takes this node for gone is asked again after this, doubling up to `uncountedPauseMax`. At half, a cluster that
        /// one member has just come back to is asked twice as often; at double, that one answers that much later.
        public var uncountedPause = Duration.milliseconds(500)
        public var uncountedPauseMax = Duration.seconds(4)
        /// Who has no room to queue what it is told of is told again after this: a full queue takes some seconds. At half, twice
        /// as much is read and sent in vain; at double, one that does not ask by itself waits longer.
        public var fullPause = Duration.seconds(4)
        /// Everything is compared with everyone concerned this often, changed or not: the net under the net.
        public var antiEntropy = Duration.seconds(60)
        /// For this long after a slot's owners changed, one of them that does not hold a name asks everybody before it
        /// says that there is none: what a third node shared with a former owner may be on its way still. At half, a
        /// slow handover shows as a missing name; at double, a query for a missing name takes longer for longer.
        public var settling = Duration.seconds(60)
        /// A node that comes in waits until it has met nobody new for this long, for each doubling of those met, before it
        /// compares what it holds: so long news needs to go round among them. When many start together, what is compared
        /// under a ring that the next newcomer changes is compared again, and all of that keeps the machines from telling
        /// each other who is there. At half, the last newcomers are compared with anew; at double, a single one is in step
        /// that much later.
        public var gathering = Duration.milliseconds(250)
        /// However many come, it begins after so long.
        public var gatheringMax = Duration.seconds(4)

        public init(replicas: Int = 2) { self.replicas = min(max(replicas, 1), 8) }
    }

    public struct CallID: Hashable, Sendable { public let number: UInt64 }

    public enum Input: Sendable {
        /// What the disk holds at the start.
        case loaded([GroupSummary])
        /// The membership changed. `hear`: members that may know of newer versions than this node has. `restarted`:
        /// members whose earlier confirmations do not count any more, for their disk may be another.
        case view(View, hear: Hear, restarted: [NodeName])
        /// Groups as they are durably held now, after a pull or a drop.
        case stored([GroupSummary])
        /// The same after a write of this version here, or its offer to this node: the owners are told at once anyhow, so
        /// that comparing can wait until that had its time.
        case wrote([GroupSummary], Version)
        /// An offered version could not be made durable here: it is known, and not held. `byDisk`: this node's disk refused it.
        case declined(Version, from: NodeName, byDisk: Bool)
        /// The groups of which this node lacks bytes that it is to have (its disk lost them): all of them, each time.
        case lacking(Set<GroupKey>)
        case compared(CallID, CompareReply)
        case comparedSums(CallID, SumsReply)
        /// - told: what went out with the exchange, as the driver loaded it.
        case exchanged(CallID, told: [ExchangeGroup], ExchangeReply)
        /// A comparison or an exchange got no answer.
        case failed(CallID)
        /// Another node told what it holds. `mine`: what this node holds of the same names.
        case offered(by: NodeName, [ExchangeGroup], mine: [VersionSet])
        /// These deleted names, of which nothing else was held here, are forgotten: all members agreed.
        case forgot([VersionSet])
        /// A pull ended; when `durable`, its groups came by `.stored` before.
        case pulled(Version, PullEnd)
        /// A drop ended; what is left of the group came by `.stored` before.
        case dropped(GroupKey, DropEnd)
        /// What a node said of itself when it offered something, or took what it was offered.
        case told(by: NodeName, GroupStatus)
        case tick
    }

    /// What became of a pull.
    public enum PullEnd: Hashable, Sendable {
        case durable
        /// Nobody gave it.
        case unavailable
        /// This node's disk did not take it.
        case refused
    }

    /// What became of a drop.
    public enum DropEnd: Hashable, Sendable {
        case gone
        /// It was no longer what was to be dropped.
        case changed
        /// The disk refused.
        case failed
    }

    /// Whom to hear before this node's own copies may answer queries (law 6).
    public enum Hear: Hashable, Sendable {
        /// Only what follows from the change of owners.
        case asOwnersChange
        /// This node just (re)joined: everyone who stood in for it.
        case everyone
        /// The same, and it was cut off from these since: what they took meanwhile is not known here either, of slots that
        /// it had heard already.
        case everyoneAnd([NodeName])
        /// These were cut off and lived on: what they took meanwhile is not known here.
        case these([NodeName])

        var isOfNewcomer: Bool {
            switch self {
            case .everyone, .everyoneAnd: true
            case .asOwnersChange, .these: false
            }
        }
    }

    public enum Effect: Sendable {
        case compare(CallID, with: NodeName, CompareRequest)
        case compareSums(CallID, with: NodeName, SumsRequest)
        /// The driver loads the sets of these groups, sends them, and answers `.exchanged` or `.failed`.
        case exchange(CallID, with: NodeName, [ExchangeIntent])
        /// Fetch the version's bytes from one of the holders, make bytes and record durable.
        case pull(Version, from: [NodeName])
        /// Forget the group, if it still has this digest.
        case drop(GroupKey, SetDigest)
    }

    public struct ExchangeIntent: Hashable, Sendable {
        public let key: GroupKey
        public let copies: Int
        public let toStandIn: Bool

        /// What is told of the group, with all that this node holds of it.
        public func telling(_ sets: [VersionSet]) -> ExchangeGroup {
            ExchangeGroup(key: key, sets: sets, copies: copies, toStandIn: toStandIn)
        }
    }

    struct Gathering: Sendable {
        let since: Instant
        var until: Instant
        /// Those met, all of whom this node has to hear.
        var met: Set<NodeName>
    }

    public let me: NodeName
    public let cluster: ClusterName
    public let settings: Settings
    public internal(set) var view: View
    /// While this node is on its way in and knows that there are others, it vouches for nothing.
    public var isJoining = false
    /// While this node lets a verdict against itself stand, the others take writes without it: it vouches for nothing.
    public var isPassedOver = false
    /// When it was in, or went on alone; `nil`: it never had to look for others.
    private(set) var enteredAt: Instant?

    /// Whether this node has met those that it is to share with. Before that it owns nothing that it could know of.
    var knowsRing: Bool { !isJoining && gathering == nil }

    /// This node's search for others is over.
    public mutating func enter(at now: Instant) {
        isJoining = false
        enteredAt = now
    }

    var groups: GroupTable
    /// Groups that changes of the membership made this node look at, all together: what planning costs.
    public internal(set) var groupsReplanned: UInt64 = 0
    /// Slots of which this node vouches for nothing to others: it has the records, and not all of the bytes.
    var lacking = SlotSet()
    var drops = DropQueue()
    var refused = RefusedSlots()
    var forgotten = ForgottenNames()
    /// Eligible members that can not be called now, or that are doubted.
    var unfit: Set<NodeName>
    var newerElsewhere = NewerElsewhere()
    var peers: [NodeName: PeerState] = [:]
    /// The owners of each slot for names without a home, by slot number; recomputed when the ring changes.
    var slotOwners: [[NodeName]] { ownersBySlot.names }
    /// While this node gathers, and holds little, of an earlier ring: nothing in it is of use before the last newcomer.
    var ownersBySlot: SlotOwners
    var pulls = PullQueue()
    /// Who went before this node had heard them of these slots: they are heard when they are back. One that stood still while
    /// the others restarted would else find nobody left to hear, and answer with what it had.
    var owed: [NodeName: SlotSet] = [:]
    /// 2 MiB of slots: more members than a cluster has that could all be gone at once and all come back.
    static let owedMax = 1024
    /// Slots whose owners changed lately, until `settledAt`.
    var unsettled = SlotSet()
    var settledAt = Instant.zero
    /// Who came back lately, and slots of which this node, an owner, takes from them names that it had nothing of. Until
    /// `returnsUntil`, when whoever came back has heard the others, and told.
    var cameBack: Set<NodeName> = []
    var hearsay = SlotSet()
    var returnsUntil = Instant.zero
    /// The rings of a moment ago, the latest last.
    var pastRings: [PastRing] = []
    /// Slots in which this node had still to hear somebody who is gone now, until `halfHeardUntil`.
    var halfHeard = SlotSet()
    var halfHeardUntil = Instant.zero
    /// While this node comes in and meets others: nothing is compared yet, and no slot is in step.
    var gathering: Gathering?
    var antiEntropyAt: Instant
    private var callNumber: UInt64 = 0

    public init(me: NodeName, cluster: ClusterName, settings: Settings, view: View, at now: Instant) {
        self.me = me
        self.cluster = cluster
        self.settings = settings
        self.view = view
        groups = GroupTable(me: me)
        antiEntropyAt = now + settings.antiEntropy
        unfit = Self.unfit(in: view)
        ownersBySlot = SlotOwners(view.ring, count: settings.replicas)
    }

    /// Applies one input completely; what is to be done next is appended to `effects`, in order.
    public mutating func handle(_ input: Input, at now: Instant, into effects: inout [Effect]) {
        switch input {
        case .loaded(let summaries), .stored(let summaries):
            for summary in summaries where update(summary) { touch(summary.key) }
        case .wrote(let summaries, let version):
            newerElsewhere.has(version)
            refused.took(version.name, in: Slot(ofName: version.name.text, in: cluster))
            for summary in summaries where update(summary) { touchLater(summary.key, at: now) }
        case .declined(let version, let peer, let byDisk): decline(version, from: peer, byDisk: byDisk, at: now)
        case .view(let view, let hear, let restarted): adopt(view, hear: hear, restarted: restarted, at: now)
        case .lacking(let keys): note(lacking: keys)
        case .compared(let id, let reply): finishCompare(id, reply, at: now)
        case .comparedSums(let id, let reply): finishSums(id, reply, at: now)
        case .exchanged(let id, let told, let reply): finishExchange(id, told: told, reply, at: now)
        case .failed(let id): fail(id, at: now)
        case .offered(let peer, let offered, let mine): consider(offered, by: peer, mine: mine)
        case .forgot(let sets):
            forgotten.forgot(sets, at: now)
            for set in sets { for version in set.versions { newerElsewhere.has(version) } }
        case .pulled(let version, let end): finishPull(version, end, at: now)
        case .dropped(let key, let end): finishDrop(key, end, at: now)
        case .told(let peer, let status): noteTold(by: peer, status)
        case .tick: break
        }
        if settledAt <= now, !unsettled.isEmpty { unsettled = SlotSet() }
        if halfHeardUntil <= now, !halfHeard.isEmpty { halfHeard = SlotSet() }
        if returnsUntil <= now, !cameBack.isEmpty { (cameBack, hearsay) = ([], SlotSet()) }
        refused.forget(at: now)
        forgotten.expire(at: now)
        advance(at: now, into: &effects)
    }

    /// When to send `.tick` next.
    public var deadline: Instant {
        var earliest = antiEntropyAt
        for peer in peers.values {
            if let at = peer.recheckAt, !peer.recheck.isEmpty { earliest = min(earliest, at) }
            if knowsRing, peer.call == nil, peer.hasWork, peer.failures > 0 || peer.refusals > 0 {
                earliest = min(earliest, peer.retryAt)
            }
        }
        if let due = dropsDeadline { earliest = min(earliest, due) }
        if let due = gathering?.until { earliest = min(earliest, due) }
        return earliest
    }

    mutating func newCall() -> CallID {
        callNumber &+= 1
        return CallID(number: callNumber)
    }

    // MARK: What is held

    /// Takes note of what is durably held of one group now.
    ///
    /// - Returns: whether the owners are to be asked about it.
    private mutating func update(_ summary: GroupSummary) -> Bool {
        let key = summary.key
        let isNews = summary.isEmpty ? groups[key] != nil : groups[key]?.summary.digest != summary.digest
        guard isNews else { return false }
        hasChanged(SlotSet([key.slot]))
        if summary.isEmpty {
            groups[key] = nil
            drops.remove(key)
            return false
        }
        if var state = groups[key] {
            state.summary = summary
            state.confirmed = []
            state.standIns = []
            groups[key] = state
            drops.remove(key)
        } else {
            groups[key] = GroupTable.Group(summary: summary, owners: owners(of: key))
        }
        // Those that this node still has to hear are asked again: the change may be what it lacked.
        for name in peers.keys where peers[name]?.mustHear.contains(key.slot) == true {
            peers[name]?.dirty.insert(key.slot)
        }
        return true
    }

    /// - Parameter slots: not made while no sums are under way, as they hardly ever are when something is written.
    mutating func hasChanged(_ slots: @autoclosure () -> SlotSet) {
        for (name, peer) in peers {
            if case .sums = peer.call?.work { peers[name]?.hasChanged(slots()) }
        }
    }

    private mutating func touchLater(_ key: GroupKey, at now: Instant) {
        for owner in groups[key]?.owners ?? [] where owner != me {
            var peer = peers[owner] ?? PeerState()
            peer.recheck.insert(key.slot)
            peer.rechecks = 0
            // A pause that grew while nothing moved must not hold up what has just changed.
            peer.recheckAt = peer.recheckAt.map { min($0, now + backoff(0)) }
            scheduleRecheck(&peer, at: now)
            peers[owner] = peer
        }
    }

    /// Marks a group for comparison with each owner that has not confirmed it.
    mutating func touch(_ key: GroupKey) {
        guard let state = groups[key] else { return }
        for owner in state.owners where owner != me && !state.confirmed.contains(owner) {
            peers[owner, default: PeerState()].dirty.insert(key.slot)
            peers[owner]?.rechecks = 0
        }
        askStandIns(for: key)
    }

    /// The owners of a group under the present view.
    public func owners(of key: GroupKey) -> [NodeName] {
        guard key.home != nil else { return owners(of: key.slot) }
        return view.ring.owners(of: key.slot, home: key.home, count: settings.replicas)
    }

    public func isOwner(_ key: GroupKey) -> Bool { (groups[key]?.owners ?? owners(of: key)).contains(me) }

    func groups(in slots: SlotSet) -> [GroupKey] {
        // Walks the smaller side; both orders are the same.
        let held = groups.bySlot
        if slots.count < held.count { return slots.flatMap { held[$0] ?? [] } }
        return held.keys.filter { slots.contains($0) }.sorted().flatMap { held[$0] ?? [] }
    }

    /// What this node can say of a group to another.
    public func status(of key: GroupKey) -> GroupStatus {
        let state = groups[key]
        return GroupStatus(
            key: key, digest: state?.summary.digest ?? .empty,
            owner: isOwner(key) && state?.dropping != true && !lacking.contains(key.slot))
    }

    /// The owners of a slot for names without a home: every group of the slot has at least one owner among them when
    /// there are two copies or more.
    public func owners(of slot: Slot) -> [NodeName] {
        guard ownersBySlot.ring.candidates == view.ring.candidates else {
            return view.ring.owners(of: slot, count: settings.replicas)
        }
        return slotOwners[Int(slot.number)]
    }

    /// With more groups than this the table of all owners is kept while gathering, too: to ask the ring for each of them
    /// would cost more.
    static var groupsWithoutTableMax: Int { 1_024 }
}
