/// A point on the driver's own monotonic clock. The agent's is the machine's uptime clock, the simulator's is virtual;
/// a pure core can not tell which, and never reads either.
///
/// Instants of two machines, or of two starts of one agent, are not comparable.
public struct Instant: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Nanoseconds since the driver's own zero; 2^63 ns are 292 years, so sums saturate rather than trap.
    public let nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = Instant(nanoseconds: 0)

    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at the ends of the range.
    public static func + (a: Instant, b: Duration) -> Instant {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.saturatingNanoseconds)
        return Instant(nanoseconds: overflow ? (b.saturatingNanoseconds > 0 ? .max : .min) : sum)
    }

    /// The time from `b` to `a`; negative when `a` is earlier.
    public static func - (a: Instant, b: Instant) -> Duration {
        let (difference, overflow) = a.nanoseconds.subtractingReportingOverflow(b.nanoseconds)
        return .nanoseconds(overflow ? (a > b ? Int64.max : Int64.min) : difference)
    }

    public var description: String {
        let milliseconds = nanoseconds / 1_000_000
        return "\(milliseconds / 1000).\(String(1000 + abs(milliseconds % 1000)).dropFirst())s"
    }
}

extension Duration {
    /// Whole nanoseconds, clamped to what 64 bits hold.
    public var saturatingNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds > 0 ? .max : .min }
        let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowed ? (scaled > 0 ? .max : .min) : sum
    }

    /// Milliseconds with a fraction, for a report; never for a decision.
    public var milliseconds: Double { Double(saturatingNanoseconds) / 1e6 }

    /// Seconds with a fraction, for a report; never for a decision.
    public var seconds: Double { Double(saturatingNanoseconds) / 1e9 }
}
