import NIOCore

/// Who may try to enrol now: every number is a bound, so that strangers cost a known little and members nothing.
///
/// A secret of 128 bits needs no throttle to be safe from guessing; this keeps the guessers' noise from the machine. A
/// try that a right proof comes of is given back: a hundred hosts behind one address wait for nothing.
struct EnrolmentThrottle {
    /// At once in all, and of one source.
    static let activeMax = 16
    static let activePerSourceMax = 4
    /// A place that was held for so long without a whole request goes to the next who asks, where there is none left: the
    /// rest of the handshake and the request are one round trip, and a packet lost. At half, honest ones on poor lines go
    /// first; at double, those who keep silent hold theirs twice as long.
    static let patience = TimeAmount.seconds(1)
    /// Tries without success: so many at once, then one each so often. Half of those in all are for sources that have not
    /// failed lately.
    static let burst = 64
    static let refill = TimeAmount.milliseconds(125)
    static let burstPerSource = 8
    static let refillPerSource = TimeAmount.seconds(5)
    /// After so long a failure is no longer held against a source: some 240 have to keep at it to take all that is left for
    /// those who never failed. At half, as many fewer; at double, who mistyped a token waits for longer under a flood.
    static let failureRememberedFor = TimeAmount.minutes(1)
    /// Sources remembered. Those who have not tried for so long that they may do all again are forgotten first; were none
    /// such, new ones wait.
    static let sourcesMax = 1_024

    enum Decision: Hashable {
        case admitted
        /// In the place of this try, whose connection is to be closed.
        case admittedInPlace(of: UInt64)
        case refused
    }

    private struct Place {
        let id: UInt64
        let key: String
        let since: NIODeadline
        let share: FailureShares.Share
        /// It waits for this node now.
        var isRequestWhole = false
    }

    private struct Source {
        var bucket: TokenBucket
        var failedAt: NIODeadline?

        func hasFailedLately(_ now: NIODeadline) -> Bool {
            failedAt.map { now - $0 < EnrolmentThrottle.failureRememberedFor } ?? false
        }
    }

    private var all: FailureShares
    /// Oldest first.
    private var places: [Place] = []
    private var sources: [String: Source] = [:]

    init(now: NIODeadline) { all = FailureShares(max: Self.burst, refill: Self.refill, now: now) }

    var sourceCount: Int { sources.count }
    var activeCount: Int { places.count }

    /// Takes a place; `leave` gives it back.
    mutating func admit(_ id: UInt64, from key: String, at now: NIODeadline) -> Decision {
        if sources[key] == nil, sources.count >= Self.sourcesMax { forget(now) }
        guard sources[key] != nil || sources.count < Self.sourcesMax else { return .refused }
        var source = sources[key] ?? Source(bucket: TokenBucket(left: Self.burstPerSource, since: now))
        source.bucket.earn(now, each: Self.refillPerSource, max: Self.burstPerSource)
        guard source.bucket.left > 0 else { return .refused }
        let own = places.filter { $0.key == key }
        guard var decision = Self.place(in: own, max: Self.activePerSourceMax, now) else { return .refused }
        if case .admitted = decision {
            guard let other = Self.place(in: places, max: Self.activeMax, now) else { return .refused }
            decision = other
        }
        // One under way may fail yet: until it is over, its source is none that does not.
        let isNewcomer = own.isEmpty && !source.hasFailedLately(now)
        guard let share = all.take(isNewcomer: isNewcomer, at: now) else { return .refused }
        source.bucket.spend()
        sources[key] = source
        if case .admittedInPlace(let old) = decision { leave(old, succeeded: false, at: now) }
        places.append(Place(id: id, key: key, since: now, share: share))
        return decision
    }

    /// Nil where there is none, and none to be had.
    private static func place(in places: [Place], max: Int, _ now: NIODeadline) -> Decision? {
        guard places.count >= max else { return .admitted }
        let silent = places.first { !$0.isRequestWhole }
        guard let silent, now - silent.since >= patience else { return nil }
        return .admittedInPlace(of: silent.id)
    }

    /// The request of a try has come.
    mutating func requestCame(_ id: UInt64) {
        guard let index = places.firstIndex(where: { $0.id == id }) else { return }
        places[index].isRequestWhole = true
    }

    /// A try is over. Only the first word on it counts, and none after its place was given away.
    mutating func leave(_ id: UInt64, succeeded: Bool, at now: NIODeadline) {
        guard let index = places.firstIndex(where: { $0.id == id }) else { return }
        let place = places.remove(at: index)
        guard var source = sources.removeValue(forKey: place.key) else { return }
        if succeeded {
            source.bucket.giveBack(max: Self.burstPerSource)
            all.giveBack(place.share)
        } else {
            source.failedAt = now
        }
        sources[place.key] = source
    }

    /// Those whose failure was remembered for the sake of others go second.
    private mutating func forget(_ now: NIODeadline) {
        let busy = Set(places.map(\.key))
        func keep(_ isNeeded: (Source) -> Bool) {
            sources = sources.filter { key, source in busy.contains(key) || isNeeded(source) }
        }
        func mayNotDoAll(_ source: Source) -> Bool {
            var bucket = source.bucket
            bucket.earn(now, each: Self.refillPerSource, max: Self.burstPerSource)
            return bucket.left < Self.burstPerSource
        }
        keep { mayNotDoAll($0) || $0.hasFailedLately(now) }
        if sources.count >= Self.sourcesMax { keep(mayNotDoAll) }
    }
}
