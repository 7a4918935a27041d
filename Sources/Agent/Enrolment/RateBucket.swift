import NIOCore

/// So many at once, then one each so often.
struct RateBucket {
    var left: Int
    private var since: NIODeadline

    init(full count: Int, at now: NIODeadline) {
        left = count
        since = now
    }

    mutating func earn(_ now: NIODeadline, each: TimeAmount, max: Int) {
        let earned = (now - since).nanoseconds / each.nanoseconds
        guard earned > 0 else { return }
        left = min(max, left.addingReportingOverflow(Int(clamping: earned)).partialValue)
        since = left == max ? now : since + each * Int(clamping: earned)
    }
}
