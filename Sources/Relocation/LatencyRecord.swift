import Vocabulary

/// How long queries took of late, in buckets of equal ratio: enough to say what 99 of 100 stay below, within a fifth,
/// and as small for a million of them as for twenty.
struct LatencyRecord: Sendable {
    /// Four to a doubling, from 64 µs to 4 s.
    private static let bucketsPerDoubling = 4
    private static let first = Duration.microseconds(64)
    private static let bucketCount = 64
    /// The past weighs half of what it did after so long. At half, a quiet minute forgets too much to judge by; at double,
    /// what was usual under another load is held on to.
    private static let halfLife = Duration.seconds(60)
    /// Fewer say nothing of one in a hundred.
    private static let countMin = 20.0

    private var counts = Array(repeating: 0.0, count: Self.bucketCount)
    private var total = 0.0
    private var fadedAt: Instant?
    /// What the counts say; kept, as it is asked for with every query.
    private(set) var percentile99: Duration?

    mutating func add(_ latency: Duration, at now: Instant) {
        fade(at: now)
        counts[Self.bucket(of: latency)] += 1
        total += 1
        percentile99 = percentile(0.99)
    }

    private mutating func fade(at now: Instant) {
        guard let last = fadedAt else {
            fadedAt = now
            return
        }
        let halvings = min(64, Int((now - last) / Self.halfLife))
        guard halvings > 0 else { return }
        fadedAt = now
        for index in counts.indices { for _ in 0..<halvings { counts[index] /= 2 } }
        total = counts.reduce(0, +)
    }

    private func percentile(_ part: Double) -> Duration? {
        guard total >= Self.countMin else { return nil }
        var below = 0.0
        for (index, count) in counts.enumerated() {
            below += count
            if below >= total * part { return Self.edge(after: index) }
        }
        return Self.edge(after: Self.bucketCount - 1)
    }

    /// Shifted and looked up, as a pure target has no logarithm.
    private static func bucket(of latency: Duration) -> Int {
        for index in 0..<bucketCount - 1 where latency < edge(after: index) { return index }
        return bucketCount - 1
    }

    private static let edges: [Duration] = (1...bucketCount).map { number in
        // 2^(1/4), three digits of which are plenty.
        let quarters = [1.0, 1.189, 1.414, 1.682]
        let ratio = quarters[number % bucketsPerDoubling] * Double(1 << (number / bucketsPerDoubling))
        return first * ratio
    }

    private static func edge(after index: Int) -> Duration { edges[index] }
}
