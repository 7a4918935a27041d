import Vocabulary

/// How long a reader has to wait, so as not to read faster than it may. A value: it reads no clock.
///
/// What was not used while it did something else is not made up for: a scrub that waited for a repair goes on at its
/// pace, and not in a burst.
public struct ScrubPace: Sendable, Hashable {
    /// Above 0.
    public let bytesPerSecond: UInt64
    private var due: Instant?

    /// A file costs the disk a seek, however small it is: some milliseconds, in which it would read about this much.
    public static let fileBytes: UInt64 = 16 * 1_024
    /// Shorter waits are put off and come together: a timer is about as exact.
    static let waitMin = Duration.milliseconds(10)

    public init(bytesPerSecond: UInt64) { self.bytesPerSecond = max(1, bytesPerSecond) }

    /// Counts what was read until `now`.
    ///
    /// - Returns: the wait before the next read.
    public mutating func wait(after bytes: UInt64, at now: Instant) -> Duration {
        let nanoseconds = Double(bytes) / Double(bytesPerSecond) * 1e9
        let next = max(due ?? now, now) + .nanoseconds(Int64(min(nanoseconds, 1e18)))
        due = next
        let wait = next - now
        return wait < Self.waitMin ? .zero : wait
    }
}
