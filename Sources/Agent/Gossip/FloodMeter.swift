import NIOCore

/// Whether foreign datagrams come so fast that the kernel is to keep them away.
struct FloodMeter {
    struct Bounds: Sendable {
        /// In one second. Below it they cost the agent some milliseconds of that second, and each is told by its reason; a
        /// neighbour cluster that sends to the wrong port stays far below it.
        var perSecondMax = 1_000
        /// How long the filter stays, before another look at what comes.
        var filterFor = TimeAmount.seconds(10)

        init() {}
    }

    private let bounds: Bounds
    private var count = 0
    private var secondEnds = NIODeadline.distantPast

    init(bounds: Bounds) { self.bounds = bounds }

    /// Notes one of them. True when that is one too many.
    mutating func isFlood(at now: NIODeadline) -> Bool {
        if now >= secondEnds { (count, secondEnds) = (0, now + .seconds(1)) }
        count += 1
        return count > bounds.perSecondMax
    }
}

/// What one turn of reading brought. After one that brought little but refusals the port rests for as long as that took: who
/// sends what only cryptography can tell from a member's datagram has half of the loop's time at most, and what else is
/// on that loop goes on. Members that are not heard meanwhile are asked over TLS before anybody suspects them.
struct ReadingTurn {
    /// Fewer refusals are no flood: a member that was away has a key of before, or the network repeats some.
    static let refusedMin = 16

    var refused = 0
    var taken = 0
    private var start: NIODeadline?

    mutating func began(_ now: NIODeadline) {
        if start == nil { start = now }
    }

    /// Nil: go on at once.
    func rest(_ now: NIODeadline) -> TimeAmount? {
        guard refused >= Self.refusedMin, refused > taken, let start else { return nil }
        return now - start
    }
}
