import Vocabulary

/// What this node thinks of itself as a judge (Lifeguard: Dadgar, Phillips, Currey, DSN 2018, §3.1): one that is slow,
/// starved or cut off takes others for dead, so it waits longer, and in the worst case neither accuses nor defends
/// itself.
struct Health: Sendable {
    /// 0 well … `scoreMax`. Periods and deadlines of probes are multiplied by 1 + this.
    private(set) var score = 0
    /// When anything came in last from any member.
    private(set) var lastHeard: Instant
    /// Probes in a row during which nothing at all came in.
    private(set) var deafProbes = 0
    /// For how long it was cut off, once, when something has come in since: what failed meanwhile says nothing of it any
    /// more.
    private(set) var cut: Duration?
    private var heardAgainAt: Instant?
    /// Of the last probes that said something about this node: a set bit for each that failed.
    private var failures: UInt8 = 0
    /// When this node last doubted itself, and since when.
    private var doubtedAt: Instant?
    private var doubtedSince: Instant?
    /// When one of its own probes failed last by what may be its own fault.
    private var failedAt: Instant?
    /// When it learned of the last verdict against itself, as long as that counts.
    private var condemnedAt: Instant?

    /// Lifeguard's S.
    static let scoreMax = 8
    private static let scoreOfUnwell = 3
    private static let samplesMax = 6
    /// So many of the last six failed: with 30 % loss everywhere one window in 50,000 has that.
    private static let failuresOfDoubt = 4
    /// So many in a row during which nobody at all was heard.
    private static let deafProbesOfDoubt = 3
    /// How long this node must have been well before it contradicts a verdict that fell while it was not.
    private static let probation = Duration.seconds(30)
    /// Cut off anew so soon, it is blocked by turns, and what it says of others between them would bring them down.
    private static let relapse = Duration.seconds(120)
    private static let condemnationKept = Duration.seconds(600)

    init(at now: Instant) { lastHeard = now }

    /// Something came in from somebody; or the process stood still, and could not have heard it.
    mutating func heard(at now: Instant) {
        if deafProbes >= Self.deafProbesOfDoubt {
            let isRelapse = heardAgainAt.map { now - $0 < Self.relapse } ?? false
            cut = isRelapse ? nil : now - lastHeard
            heardAgainAt = now
        }
        lastHeard = now
        deafProbes = 0
    }

    mutating func probeSucceeded() {
        score = max(0, score - 1)
        deafProbes = 0
        note(failed: false)
        if !showsDoubt { doubtedSince = nil }
    }

    /// - Parameters:
    ///   - isOwnFault: helpers that were asked did not answer either, so it may be this node's own.
    ///   - points: what the score rises by, then.
    ///   - isDeaf: nothing whatever came in meanwhile.
    mutating func probeFailed(isOwnFault: Bool, points: Int, isDeaf: Bool, at now: Instant) {
        deafProbes = isDeaf ? deafProbes + 1 : 0
        guard isOwnFault else { return }
        if !isDeaf { cut = nil }
        failedAt = now
        score = min(Self.scoreMax, score + points)
        note(failed: true)
        _ = isDoubtful(at: now)
    }

    /// What fails is the others' fault.
    mutating func acquit() {
        score = 0
        deafProbes = 0
    }

    /// It had to defend itself: perhaps it was too slow to answer.
    mutating func refuted() { score = min(Self.scoreMax, score + 1) }

    private mutating func note(failed: Bool) {
        failures = failures << 1 | (failed ? 1 : 0)
    }

    private var showsDoubt: Bool {
        let failed = (failures & (1 << Self.samplesMax - 1)).nonzeroBitCount
        return deafProbes >= Self.deafProbesOfDoubt || failed >= Self.failuresOfDoubt
    }

    /// Whether this node is more likely to be at fault than those who do not answer it.
    mutating func isDoubtful(at now: Instant) -> Bool {
        guard showsDoubt else { return false }
        doubtedSince = doubtedSince ?? now
        doubtedAt = now
        return true
    }

    /// For how long it has doubted itself; nil when it does not. What does not pass is, in the end, the others' fault.
    mutating func doubt(at now: Instant) -> Duration? {
        isDoubtful(at: now) ? doubtedSince.map { now - $0 } : nil
    }

    /// One of its own probes failed, by what may be its own fault, in the time that a probation lasts.
    func failedOfLate(at now: Instant) -> Bool { failedAt.map { now - $0 < Self.probation } ?? false }

    /// Or it had to defend itself again and again, and so gives others the time in which a bad line lets an answer through.
    func isUnwell(at now: Instant) -> Bool { failedOfLate(at: now) || score >= Self.scoreOfUnwell }

    /// Since when it has doubted itself, when that decides whether it `mayReturn`; nil: it does not matter.
    mutating func wantsToKnowWhetherMutual(at now: Instant) -> Instant? {
        if condemnedAt.map({ now - $0 > Self.condemnationKept }) ?? false { condemnedAt = nil }
        guard condemnedAt == nil, let doubtedAt else { return nil }
        return doubtedSince ?? doubtedAt
    }

    /// Whether this node may contradict a verdict against it now. One that was cut off for a moment, or loses most of
    /// what it sends, would be in and out of everybody's list, and each time data would move: it comes back when it has
    /// been well for a while, and for twice as long when it happens again.
    ///
    /// - Parameter isMutual: this node has given up most of the others too: a whole cut, which ended for both sides.
    mutating func mayReturn(isMutual: Bool, at now: Instant) -> Bool {
        if isMutual { return true }
        if isDoubtful(at: now) { return false }
        // Who is condemned again and again, and finds nothing wrong with itself, is not heard by the others.
        let since = [doubtedAt, condemnedAt].compactMap { $0 }.max()
        guard let since else { return true }
        let trouble = failedAt.map { max($0, since) } ?? since
        return now - trouble >= probationNow
    }

    /// This node contradicted an accusation, and several judged by it all the same: what it sends does not arrive.
    mutating func wasNotHeard(at now: Instant) { doubtedAt = now }

    /// It learned of a verdict against itself.
    mutating func condemned(at now: Instant) { condemnedAt = now }

    /// It was condemned before, and has not been well since for as long as that asks for.
    func wasCondemnedOfLate(at now: Instant) -> Bool {
        condemnedAt.map { now - $0 < probationNow } ?? false
    }

    private var probationNow: Duration { condemnedAt == nil ? Self.probation : Self.probation * 2 }
}
