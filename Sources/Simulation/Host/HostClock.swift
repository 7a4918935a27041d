import Vocabulary

/// The clocks of one host as they differ from the simulation's own: a monotonic one with a zero of its own and some
/// drift, and a wall clock that may be hours wrong and jump.
public struct HostClock: Hashable, Sendable {
    /// When this host's present process started: the monotonic clock counts from here, so that nothing can mistake
    /// another host's instants, or an earlier life's, for its own.
    var startedAt: Instant
    /// What the monotonic clock showed then.
    var zero: Instant
    /// Parts of a million that it runs too fast.
    public var driftPartsPerMillion: Int32 = 0
    /// How far the wall clock is ahead.
    public var wallErrorMilliseconds: Int64 = 0

    /// The wall clock of the simulation's beginning: 2023-11-14.
    public static let wallStartMilliseconds: Int64 = 1_700_000_000_000

    init(startedAt: Instant = .zero, zero: Instant = .zero) {
        self.startedAt = startedAt
        self.zero = zero
    }

    func local(_ time: Instant) -> Instant {
        let elapsed = (time - startedAt).saturatingNanoseconds
        return zero + .nanoseconds(elapsed &+ Self.scaled(elapsed, by: driftPartsPerMillion))
    }

    /// When `local` gets to the instant given: never before it, at most two nanoseconds after.
    func global(_ instant: Instant) -> Instant {
        let elapsed = (instant - zero).saturatingNanoseconds
        guard driftPartsPerMillion != 0, elapsed > 0 else { return startedAt + .nanoseconds(elapsed) }
        let rate = UInt64(max(1, 1_000_000 + Int64(driftPartsPerMillion)))
        let product = UInt64(elapsed).multipliedFullWidth(by: 1_000_000)
        guard product.high < rate else { return Instant(nanoseconds: .max) }
        let whole = rate.dividingFullWidth(product).quotient
        return startedAt + .nanoseconds(Int64(clamping: whole) &+ 2)
    }

    func wallMilliseconds(_ time: Instant) -> UInt64 {
        let wall = Self.wallStartMilliseconds &+ time.nanoseconds / 1_000_000 &+ wallErrorMilliseconds
        return UInt64(max(0, wall))
    }

    private static func scaled(_ nanoseconds: Int64, by partsPerMillion: Int32) -> Int64 {
        let drift = Int64(partsPerMillion)
        return nanoseconds / 1_000_000 &* drift &+ nanoseconds % 1_000_000 &* drift / 1_000_000
    }
}
