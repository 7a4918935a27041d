import NIOCore

/// What may be spent at once, and is earned again one by one.
struct TokenBucket {
    private(set) var left: Int
    private var since: NIODeadline

    init(left: Int, since: NIODeadline) {
        self.left = left
        self.since = since
    }

    /// Adds what the time since then has earned, up to `max`.
    mutating func earn(_ now: NIODeadline, each: TimeAmount, max: Int) {
        let earned = (now - since).nanoseconds / each.nanoseconds
        guard earned > 0 else { return }
        left = min(max, left.addingReportingOverflow(Int(clamping: earned)).partialValue)
        since = left == max ? now : since + each * Int(clamping: earned)
    }

    /// Only where something is left.
    mutating func spend() { left -= 1 }

    mutating func giveBack(max: Int) { left = min(max, left + 1) }
}
