import Vocabulary

/// The slowest of the paths measured of late: what a path that was never measured is taken for, at first.
struct SlowPath: Hashable, Sendable {
    private var slowest = Duration.zero
    private var slowestBefore = Duration.zero
    private var samples = 0

    private static let samplesKept = 16
    private static let samplesNeeded = 4

    /// Of the last 16 to 32 samples.
    mutating func measured(_ sample: Duration) {
        if samples > 0, samples % Self.samplesKept == 0 {
            slowestBefore = slowest
            slowest = .zero
        }
        slowest = max(slowest, sample)
        samples = min(samples + 1, 1 << 30)
    }

    var patience: Duration? { samples < Self.samplesNeeded ? nil : max(slowest, slowestBefore) * 2 }
}

/// The round trip to one member: smoothed, and how much it varies (RFC 6298 §2).
struct RoundTrip: Hashable, Sendable {
    private(set) var smoothed: Duration
    private(set) var variation: Duration

    init(first sample: Duration) {
        smoothed = sample
        variation = sample / 2
    }

    mutating func measured(_ sample: Duration) {
        let off = sample < smoothed ? smoothed - sample : sample - smoothed
        variation += (off - variation) / 4
        smoothed += (sample - smoothed) / 8
    }

    /// How long an answer may take before something is wrong: RFC 6298's RTO without its floor of a second.
    var patience: Duration { smoothed + max(variation * 4, .milliseconds(10)) }
}
