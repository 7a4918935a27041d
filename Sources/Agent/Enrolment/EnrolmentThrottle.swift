import NIOCore

/// Who may try to enrol now: every number is a bound, so that strangers cost a known little and members nothing.
///
/// A secret of 128 bits needs no throttle to be safe from guessing; this keeps the guessers' noise from the machine. A
/// try that a right proof comes of is given back: a hundred hosts behind one address wait for nothing.
struct EnrolmentThrottle {
    /// At once in all, and of one source.
    static let activeMax = 16
    static let activePerSourceMax = 4
    /// Tries without success: so many at once, then one each so often.
    static let burst = 64
    static let refill = TimeAmount.milliseconds(125)
    static let burstPerSource = 8
    static let refillPerSource = TimeAmount.seconds(5)
    /// Sources remembered. Those who have not tried for so long that they may do all again are forgotten first; were none
    /// such, new ones wait.
    static let sourcesMax = 1_024

    private struct Source {
        var bucket: TokenBucket
        var active = 0
    }

    private var all: TokenBucket
    private var active = 0
    private var sources: [String: Source] = [:]

    init(now: NIODeadline) { all = TokenBucket(left: Self.burst, since: now) }

    var sourceCount: Int { sources.count }

    /// Takes a place; `leave` gives it back.
    mutating func admit(_ key: String, at now: NIODeadline) -> Bool {
        all.earn(now, each: Self.refill, max: Self.burst)
        guard active < Self.activeMax, all.left > 0 else { return false }
        if sources[key] == nil, sources.count >= Self.sourcesMax { forget(now) }
        guard sources[key] != nil || sources.count < Self.sourcesMax else { return false }
        var source = sources[key] ?? Source(bucket: TokenBucket(left: Self.burstPerSource, since: now))
        source.bucket.earn(now, each: Self.refillPerSource, max: Self.burstPerSource)
        let isAdmitted = source.active < Self.activePerSourceMax && source.bucket.left > 0
        if isAdmitted {
            source.bucket.spend()
            source.active += 1
            all.spend()
            active += 1
        }
        sources[key] = source
        return isAdmitted
    }

    mutating func leave(_ key: String, succeeded: Bool) {
        active -= 1
        guard var source = sources[key] else { return }
        source.active -= 1
        if succeeded {
            source.bucket.giveBack(max: Self.burstPerSource)
            all.giveBack(max: Self.burst)
        }
        sources[key] = source
    }

    private mutating func forget(_ now: NIODeadline) {
        sources = sources.filter { _, source in
            var bucket = source.bucket
            bucket.earn(now, each: Self.refillPerSource, max: Self.burstPerSource)
            return source.active > 0 || bucket.left < Self.burstPerSource
        }
    }
}
