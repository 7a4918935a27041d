import Vocabulary

/// How long each crashed member keeps its place as an owner: `relocation.delay`, and twice as long for every crash that
/// followed another one soon (law 7). A member that comes and goes would else have its data moved away and back each
/// time; a route that flaps is damped for the same reason (RFC 2439).
///
/// The length is settled when the crash is seen, so that it can not change while others reckon with it.
struct Flaps: Sendable {
    private struct Record: Sendable {
        var count: Int
        var lastCrash: Instant
        var delay: Duration
    }

    private var records: [NodeName: Record] = [:]

    /// In this time without a crash one is forgotten.
    static let decay = Duration.seconds(600)

    /// - Parameters:
    ///   - delay: what a first crash is waited out for.
    ///   - limit: what none is waited out longer than.
    mutating func crashed(_ name: NodeName, at now: Instant, delay: Duration, limit: Duration) {
        var count = 1
        if let record = records[name] {
            let forgotten = Int(max(0, (now - record.lastCrash) / Self.decay))
            count += max(0, record.count - forgotten)
        }
        var waited = delay
        // Past the limit a crash more makes no difference, and would only take longer to be forgotten.
        var counted = 1
        while limit > waited, waited > .zero, counted != count {
            waited = min(waited * 2, limit)
            counted += 1
        }
        records[name] = Record(count: counted, lastCrash: now, delay: waited)
    }

    func delay(of name: NodeName) -> Duration? { records[name]?.delay }

    /// Who is no member any more has no record either: the table is bounded as the members are.
    mutating func keep(where isMember: (NodeName) -> Bool) { records = records.filter { isMember($0.key) } }
}
