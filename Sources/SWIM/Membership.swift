import DequeModule
import HeapModule
import Vocabulary

/// One node's view of the group: SWIM (Das, Gupta, Motivala, DSN 2002) as a value.
///
/// No clock, no socket, no randomness of its own: an input comes in with the time and a generator, the effects go out,
/// and `deadline` says when to come back with a `.tick`. The agent and the simulator drive the same value.
///
/// Its story is told by subject: what claims change (`+Claims`), what it says of itself (`+Oneself`), how it looks after
/// others (`+Probing`, `+Relaying`, `+Suspicion`, `+Zones`), and how news travels (`+Gossiping`, `+Reconciling`).
public struct Membership: Sendable {
    public enum Input: Sendable {
        /// `deadline` has come.
        case tick
        /// A datagram that authenticated, and where it came from.
        case packet(Packet, from: Endpoint)
        /// The whole state of `from`, by an exchange over TLS; or this node's own persisted list, under its own name.
        case merge([Claim], from: NodeName)
        case announce(Announcement)
        /// This node describes itself anew.
        case metadata(Metadata)
        /// This node is now reached there.
        case endpoint(Endpoint)
        /// A comparison over TLS found that both sides hold the same.
        case agreed
        /// This node signs with another key from now on: what it says of itself is to be told anew.
        case resigned
        /// An operator's word that a crashed or left member is not coming back. Others are ignored: what still answers
        /// would come back by itself.
        case forget(NodeName)
        /// A member lost its right to be one: it counts as having left, from now on. The driver keeps what it goes on
        /// saying away from here.
        case expel(NodeName)
        /// The outcome of a `fallback`.
        case fallback(SequenceNumber, of: NodeName, FallbackResult)
    }

    public enum FallbackResult: Sendable {
        /// Over TLS, by that very member: what it says of itself, and perhaps more.
        case answered([Claim])
        /// The host says that nobody listens there.
        case refused
        /// The host took the connection, and the process does not answer: told early, so that the probe under way knows; a
        /// last word may follow.
        case stalled
        case silent
    }

    public enum Announcement: Hashable, Sendable {
        case serving, draining, restarting, leaving
    }

    public enum Effect: Sendable {
        case send(Packet, to: Endpoint)
        /// Please push and pull the whole state over TLS: send `claims`, and hand in theirs as `.merge`.
        case exchange(with: NodeName, at: Endpoint)
        /// Please ask this member over TLS whether it is there, telling it these claims; hand the outcome in as
        /// `.fallback` within some seconds. Its answer is what it says of itself after it has heard the claims.
        case fallback(SequenceNumber, with: NodeName, at: Endpoint, [Claim])
        case event(MemberEvent)
    }

    public let identity: NodeName
    public let settings: Settings

    var table = MemberTable()
    var news = Dissemination()
    /// This node's own place in the table; it is the first to be inserted and never removed.
    let ownPlace: MemberTable.Place

    /// The present round: a shuffled list of those to probe, and how far it has come.
    var round: [MemberTable.Place] = []
    var roundPosition = 0
    /// Crashed members, each with its turn at being pinged; those that returned leave it when their turn comes.
    var crashedPlaces: Deque<MemberTable.Place> = []

    var probes: [Probe] = []
    /// Members to be probed again in the next periods, since only others reached them.
    var followUps: Deque<MemberTable.Place> = []
    var relays: [Relay] = []
    var suspicionTimers = Heap<SuspicionTimer>()
    var lastSuspicionStamp: UInt64 = 0
    var lastSequence: SequenceNumber

    /// When the next of each regular duty is due; `nil` while there is nobody to do it with.
    var nextProbe: Instant?
    var nextExchange: Instant?
    var nextReconnect: Instant?
    /// Always set, counts only while there is news.
    var nextGossip: Instant
    var exchangeCount: UInt64 = 0
    var crashedExchangeCount: UInt64 = 0
    /// What others can bring this node to do has a bound, each kind its own: exchanges out of turn, corrections of what was
    /// refuted, words to those forgotten, conflicts told.
    var exchangePace: Pace
    var correctionPace: Pace
    var forgottenPace: Pace
    var conflictPace: Pace

    var farewellWavesLeft = 0
    let startedAt: Instant
    /// When anything was last learned of any member.
    var adoptedAt: Instant
    /// When this node last said something new of itself.
    var restatedAt: Instant
    /// When a comparison last found both sides alike.
    var agreedAt: Instant?
    /// Names that were forgotten, with what was known: a late word about them brings nobody back.
    var forgotten: [NodeName: Forgotten] = [:]
    /// Those of them that crashed, each with its turn at being called; names that returned leave it when theirs comes.
    var forgottenToCall: Deque<NodeName> = []
    var reconnectCount: UInt64 = 0
    /// When this node last contradicted an accusation, and who has not heard it since, as it seems.
    var refutedAt: Instant?
    var unheardBy: [NodeName] = []
    /// The last of its incarnations that was condemned, as far as it knows.
    var condemnedIncarnation: Incarnation?
    /// The last foreign claim to this node's name that was reported.
    var reportedConflict: Claim?
    public internal(set) var counters = Counters()
    var health: Health
    var position = Position()
    var slowPath = SlowPath()
    /// Zones all of whose members went at once, in the order in which they did.
    var zonesDown: [String] = []
    /// The latest time that an input came with; time never runs back in here.
    var clock: Instant

    public init(
        identity: NodeName, epoch: UInt64, endpoint: Endpoint, metadata: Metadata, settings: Settings = Settings(),
        at now: Instant
    ) {
        self.identity = identity
        self.settings = settings.bounded
        let claim = Claim(
            name: identity, endpoint: endpoint, epoch: epoch, incarnation: .zero, status: .alive, metadata: metadata)
        ownPlace = table.insert(claim, at: now)
        news.add(ownPlace)
        // Every boot counts from elsewhere, so that an answer to the last life's question answers none of this one's.
        lastSequence = SequenceNumber(UInt32(truncatingIfNeeded: epoch &* 0x9E37_79B9))
        nextGossip = now
        health = Health(at: now)
        restatedAt = now
        adoptedAt = now
        startedAt = now
        exchangePace = Pace(from: now)
        correctionPace = Pace(from: now)
        forgottenPace = Pace(from: now)
        conflictPace = Pace(from: now)
        clock = now
    }

    /// Applies one input completely. What must happen next is appended to `effects`, in order.
    public mutating func handle(
        _ input: Input, at now: Instant, using rng: inout some RandomNumberGenerator, into effects: inout [Effect]
    ) {
        let pause = max(clock, now) - clock
        clock = max(clock, now)
        var turn = Turn(now: clock, random: rng)
        swap(&turn.effects, &effects)
        defer {
            swap(&turn.effects, &effects)
            rng = turn.random
        }
        if settings.isCautious, pause > standstill, presentPeerCount > 0 { stoodStill(for: pause, &turn) }
        switch input {
        case .tick: tick(&turn)
        case .packet(let packet, let source): receive(packet, from: source, &turn)
        case .merge(let claims, let teller): merge(claims, from: teller, &turn)
        case .announce(let announcement): announce(announcement, &turn)
        case .metadata(let metadata): describeOneself(metadata, &turn)
        case .endpoint(let endpoint): moveOneself(endpoint, &turn)
        case .agreed: agreed(at: turn.now)
        case .resigned: restate(&turn)
        case .forget(let name): forget(name, &turn)
        case .expel(let name): expel(name, &turn)
        case .fallback(let sequence, let name, let result): fallbackEnded(sequence, of: name, result, &turn)
        }
    }

    /// The present period of probes: longer while this node may be at fault itself (Lifeguard §3.1).
    public var probePeriod: Duration { settings.probeInterval * (1 + health.score) }

    /// Without an input for so long, while there is somebody to probe, the process cannot have run.
    public var standstill: Duration { probePeriod * 5 / 4 }

    /// A probe is on the calendar, or there is nobody to probe.
    public var probesGoOn: Bool { nextProbe != nil || isLeaving || presentPeerCount == 0 }

    /// 0 when this node finds itself a good judge, up to 8 when it does not (Lifeguard's local health multiplier).
    public var healthScore: Int { health.score }

    /// When anything came in last from any member.
    public var lastHeard: Instant { health.lastHeard }

    /// SIGSTOP, a suspended machine, a stalled disk: who did not answer meanwhile was not heard, and whoever refuted is
    /// to be read first. Nothing that ran out in that time counts.
    private mutating func stoodStill(for pause: Duration, _ turn: inout Turn<some RandomNumberGenerator>) {
        probes = []
        health.heard(at: turn.now)
        for place in table.allPlaces {
            guard let startedAt = table[place].suspicion?.startedAt else { continue }
            table[place].suspicion?.startedAt = startedAt + pause
            setSuspicionTimer(at: place, &turn)
        }
    }

    /// When to call with `.tick`; in the past when something is due already. `nil`: only an input can bring work.
    public var deadline: Instant? {
        var earliest: Instant?
        func consider(_ instant: Instant?) {
            guard let instant else { return }
            earliest = earliest.map { min($0, instant) } ?? instant
        }
        consider(suspicionTimers.min?.deadline)
        for probe in probes { consider(probe.nextStep) }
        for relay in relays { consider(relay.nextStep) }
        if hasGossipDuty { consider(nextGossip) }
        consider(nextProbe)
        consider(nextExchange)
        consider(nextReconnect)
        return earliest
    }

    private mutating func tick(_ turn: inout Turn<some RandomNumberGenerator>) {
        advanceRelays(&turn)
        advanceProbes(&turn)
        expireSuspicions(&turn)
        if let due = nextProbe, due <= turn.now { probeNext(&turn) }
        if let due = nextExchange, due <= turn.now { exchangeInTurn(&turn) }
        if let due = nextReconnect, due <= turn.now { reconnectNext(&turn) }
        if hasGossipDuty, nextGossip <= turn.now { gossip(&turn) }
    }
}

/// One call of `handle`: its time, its randomness, and the effects so far.
struct Turn<Random: RandomNumberGenerator> {
    let now: Instant
    var random: Random
    var effects: [Membership.Effect] = []

    /// A random part of `duration`, so that members which started together do not act together.
    mutating func part(of duration: Duration) -> Duration {
        .nanoseconds(Int64.random(in: 0...max(0, duration.saturatingNanoseconds), using: &random))
    }
}

// MARK: - Looking in

extension Membership {
    /// What a node that asked over TLS is answered: what this one says of itself, and what it holds against the other, who
    /// could not refute it else where no datagrams pass.
    public func answer(to name: NodeName) -> [Claim] {
        let held = table.place(of: name).map { table[$0].claim } ?? forgotten[name]?.claim
        guard let held, held.status.isAccusation, name != identity else { return [oneself.claim] }
        return [oneself.claim, held]
    }

    /// Every member by name, this one and the departed included.
    public var members: [Member] { table.byName.map { table[$0].member } }

    public func member(_ name: NodeName) -> Member? { table.place(of: name).map { table[$0].member } }

    /// This node as the others see it.
    public var oneself: Member { table[ownPlace].member }

    /// The whole state, for an exchange; by name.
    public var claims: [Claim] { table.byName.map { table[$0].claim } }

    /// For the disk of a node that may start anew during a long cut: the whole state, and those forgotten who are still
    /// called.
    public var remembered: [Claim] {
        claims
            + forgottenToCall.compactMap { name in
                guard table.place(of: name) == nil, let mark = forgotten[name], !mark.isForGood else { return nil }
                return mark.claim
            }
    }

    /// Members that are not departed, this one included: the n of the protocol's logarithms.
    public var presentCount: Int { table.presentCount }

    /// How the present suspicion or verdict about a member came about, as seen from here; the latest last.
    public func findings(about name: NodeName) -> [Finding] { table.place(of: name).map { table[$0].findings } ?? [] }

    /// The round trip that is to be expected to a member: measured, or estimated from both places (Vivaldi).
    public func roundTrip(to name: NodeName) -> Duration? {
        guard let place = table.place(of: name) else { return nil }
        return table[place].roundTrip?.smoothed ?? table[place].coordinate.flatMap { position.roundTrip(to: $0) }
    }

    /// Claims that still wait to be told.
    public var newsCount: Int { news.count }
}
