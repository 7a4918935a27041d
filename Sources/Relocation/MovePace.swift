import Vocabulary

/// How much of its time this node gives to moving copies while it is asked for others (law 7): so much that its queries
/// are not felt to be slower, never so little that repair stands still, and all of it while nobody asks.
///
/// Nobody can say beforehand what a move costs a query: that hangs on the disk, the cores and the size of what moves. So
/// it is measured. Queries at rest tell what is usual here (`calm`); one that came while this node moves and took much
/// longer than the slowest percent of those is *slow*. With a slow one the share of time for moves is cut by a part, and with
/// each that is not it grows by a little: so little that one slow query in a hundred, which a p99 leaves out, keeps it where
/// it is. What the clocks of this node do not see of a move's cost (others' cores, other disks) is in that, too.
///
/// The share is one of time, not of bytes: a busy time of 5 ms at a share of a tenth is followed by 45 ms without, be it
/// for a name of 1 KiB on a slow disk or for 4 MiB on a fast one. A value: it reads no clock.
public struct MovePace: Sendable {
    public struct Settings: Sendable, Hashable {
        /// Of the time, whatever becomes of the queries. What is counted as busy here may be a fifth of what a move costs all
        /// cores, so that this is a tenth of a core: at half, repair under steady queries may take twice as long; at double,
        /// a move is in the way of each fifth query, which a p99 shows.
        public var floor = 0.02
        /// Where moves begin after a rest: who begins with all there is has made many queries slow before the first of them
        /// has told. At half, a small move takes longer than it would have to; at double, more feel the beginning.
        public var beginning = 0.1
        /// Moves under way at once when nothing holds them back; a share of 1 is one of them all the time.
        public var streams = 4
        /// A query is slow when it took so many times what 99 of 100 calm ones take. The promise is twice, of what clients see: they
        /// wait for the cores, too, which no clock in here tells. With 1.4 clients felt 1.6 to 2.3 times, with this 1.8 to 2.2, and
        /// a refill took 0.8 to 1.3 times as long; at 1, noise alone would cut.
        public var slack = 1.2
        /// What is left of the share after a cut. At half of it one bad moment costs a long way back; nearer to 1, a
        /// sudden load is felt for longer.
        public var cut = 0.6
        /// Between cuts: queries that waited for the same thing are one sign, not many. At half, one piece may be punished
        /// twice; at double, with some hundred queries a second more than one of a hundred is slow.
        public var cutInterval = Duration.milliseconds(50)
        /// By how much of itself the share grows with a query that is not slow: a hundred of them make up for one cut. At
        /// double, two of a hundred queries are slow; at half, an idle machine is found out later.
        public var growth = 0.005
        /// The same with a second, for those who are asked little: nobody waits for a hundred queries to come.
        public var growthPerSecond = 0.05
        /// Without a query for so long nobody is in the way.
        public var memory = Duration.seconds(1)
        /// Without a move for so long it is rest. What a query takes in a shorter gap is no measure: the moves of other
        /// nodes, on the same machine or at the other end of a forward, have no gap at the same time.
        /// Longer than any pause of a move (`waitMax`).
        public var restGap = Duration.seconds(3)
        /// What was usual at rest counts for so long; then, and on a node that never was at rest, the gaps have to do. At
        /// half, a long rebalance takes for usual what it causes; at double, moves are kept at the floor for longer by what
        /// queries took before there were more of them.
        public var restAge = Duration.seconds(1800)
        /// Where gaps are measured, moves that leave none pause for `lull` after so long.
        public var calmAge = Duration.seconds(2)
        public var lull = Duration.milliseconds(100)
        /// No pause is longer, however long a piece took: with the floor, it is what repair can rely on.
        public var waitMax = Duration.seconds(2)
        /// No piece waits longer, however many want their turn: whoever fetches it takes silence for a broken connection
        /// after 12 s at least, and what it fetched of a small one was in vain. At half, a dozen heavy pieces at once are
        /// held back by little; at double, they fail.
        public var patience = Duration.seconds(6)

        public init() {}
    }

    /// A query on its way.
    public struct Query: Sendable {
        let askedAt: Instant
        /// Moves begun before it; nil when one was under way.
        let movesBegun: UInt64?
    }

    public enum Turn: Hashable, Sendable {
        case go
        case wait(Duration)
    }

    private let settings: Settings
    /// Of the time, summed over the streams: `settings.floor`...`settings.streams`.
    public private(set) var share: Double
    /// The least that the other end of a move told of lately.
    private var told: (share: Double, at: Instant)?
    /// When the share was last reckoned.
    private var sharedAt = Instant.zero
    private var cutAt: Instant?
    private var calm = LatencyRecord()
    private var calmAt: Instant?
    private var restAt: Instant?
    private var movedAt: Instant?
    private var lullUntil: Instant?
    private var askedAt: Instant?
    private var active = 0
    private var movesBegun: UInt64 = 0
    /// The time that was spent is paid off then.
    private var freeAt = Instant.zero

    public init(_ settings: Settings = Settings()) {
        self.settings = settings
        share = Double(max(1, settings.streams))
    }

    // MARK: Queries

    public mutating func asked(at now: Instant) -> Query {
        askedAt = now
        return Query(askedAt: now, movesBegun: active == 0 ? movesBegun : nil)
    }

    /// The query's answer began.
    public mutating func answered(_ query: Query, at now: Instant) {
        let latency = now - query.askedAt
        let isAtRest = isAtRest(since: query.askedAt)
        if isAtRest || query.movesBegun == movesBegun && !knowsRest(at: now) {
            calm.add(latency, at: now)
            calmAt = now
            if isAtRest { restAt = now } else { grow(by: settings.growth) }
            return
        }
        guard let usual = calm.percentile99 else { return }
        guard latency > usual * settings.slack else { return grow(by: settings.growth) }
        if let cutAt, now - cutAt < settings.cutInterval { return }
        reckon(at: now)
        cutAt = now
        share = max(settings.floor, share * settings.cut)
    }

    // MARK: Moves

    /// Whether the next piece of a move (a resource, or half a MiB of one) may begin. One that may counts as begun and is
    /// to be followed by `ended`.
    ///
    /// - Parameter asked: since when it waits; nil when it has just come.
    public mutating func begin(at now: Instant, since asked: Instant? = nil) -> Turn {
        reckon(at: now)
        let isOverdue = asked.map { now - $0 >= settings.patience } ?? false
        if !isOverdue, let pause = pause(at: now) { return .wait(max(.milliseconds(1), min(pause, settings.waitMax))) }
        if isAtRest(since: now), isAsked(at: now) { share = min(share, max(settings.beginning, settings.floor)) }
        active += 1
        movesBegun &+= 1
        movedAt = now
        return .go
    }

    /// - Parameter busy: how long it kept this node's disk and cores busy, without what it waited for others.
    public mutating func ended(busy: Duration, at now: Instant) {
        active = max(0, active - 1)
        movedAt = now
        spent(busy, at: now)
    }

    /// Counts time that a move took beside its pieces.
    public mutating func spent(_ busy: Duration, at now: Instant) {
        let paidOff = max(freeAt, now + (.zero - busy)) + min(busy / allowed(at: now), settings.waitMax)
        freeAt = min(paidOff, now + settings.waitMax)
    }

    /// The node at the other end of a move gives this share of its time to moves, since its queries are slow. A small part
    /// of what a move costs is done there, so that its own floor would hold back nothing; and an end that has just begun, and
    /// does not know what is usual, has one beside it that does.
    ///
    /// - Parameter share: above 0.
    public mutating func told(_ share: Double, at now: Instant) {
        if let told, share > told.share, now - told.at < settings.restGap { return }
        told = (share, now)
    }

    /// The share that counts: the lesser of the two ends', and never less than the floor.
    public func allowed(at now: Instant) -> Double {
        guard let told, now - told.at < settings.restGap else { return share }
        return max(settings.floor, min(share, told.share))
    }

    /// What the other ends of moves are to be told; nil while this node's queries hold nothing back.
    public func shareToTell(at now: Instant) -> Double? {
        isAsked(at: now) && share < Double(settings.streams) ? share : nil
    }

    /// Moves wait for their share of the time just now.
    public func isHeldBack(at now: Instant) -> Bool { shareToTell(at: now) != nil || allowed(at: now) < share }

    /// No move was under way, nor soon before.
    private func isAtRest(since time: Instant) -> Bool {
        active == 0 && (movedAt.map { time - $0 >= settings.restGap } ?? true)
    }

    private func knowsRest(at now: Instant) -> Bool {
        calm.percentile99 != nil && (restAt.map { now - $0 < settings.restAge } ?? false)
    }

    private func isAsked(at now: Instant) -> Bool { askedAt.map { now - $0 < settings.memory } ?? false }

    private mutating func reckon(at now: Instant) {
        let passed = min(max(now - sharedAt, .zero), .seconds(60))
        sharedAt = max(sharedAt, now)
        grow(by: settings.growthPerSecond * (passed / .seconds(1)))
    }

    private mutating func grow(by part: Double) {
        share = min(Double(max(1, settings.streams)), max(settings.floor, share * (1 + part)))
    }

    private mutating func pause(at now: Instant) -> Duration? {
        // What is usual here is not known yet: the floor leaves gaps to learn it in.
        if isAsked(at: now), calm.percentile99 == nil { share = settings.floor }
        if isHeldBack(at: now) { return pause(upTo: Int(allowed(at: now).rounded(.up)), at: now) }
        guard isAsked(at: now), !knowsRest(at: now) else { return nil }
        if let end = lullUntil, end > now { return end - now }
        guard let calmAt, now - calmAt > settings.calmAge else { return nil }
        if let end = lullUntil, now - end < settings.calmAge { return nil }
        lullUntil = now + settings.lull
        return settings.lull
    }

    /// - Parameter streams: pieces under way at once.
    private func pause(upTo streams: Int, at now: Instant) -> Duration? {
        if active >= streams { return max(freeAt - now, Self.look) }
        return freeAt > now ? freeAt - now : nil
    }

    /// How soon one that waits for another's end looks again.
    private static let look = Duration.milliseconds(10)
}
