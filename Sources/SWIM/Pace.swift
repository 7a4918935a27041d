import Vocabulary

/// What may happen at most so often, however often others ask for it.
struct Pace: Sendable {
    private var next: Instant

    init(from now: Instant) { next = now }

    /// Whether it may happen now; then it may not for another `interval`.
    mutating func passes(at now: Instant, every interval: Duration) -> Bool {
        guard next <= now else { return false }
        next = now + interval
        return true
    }
}
