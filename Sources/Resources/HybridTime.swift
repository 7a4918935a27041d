/// A hybrid logical time (Kulkarni et al., "Logical Physical Clocks", 2014): milliseconds of wall clock in the upper
/// 48 bits, a counter in the lower 16.
///
/// It never runs behind a time that it has seen, so a version's time is greater than those of all the versions that
/// its writer knew: order by time never contradicts causality. Between concurrent versions it merely decides.
public struct HybridTime: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let raw: UInt64

    public init(raw: UInt64) { self.raw = raw }

    public init(wallMilliseconds: UInt64, counter: UInt16) {
        raw = min(wallMilliseconds, 0xFFFF_FFFF_FFFF) << 16 | UInt64(counter)
    }

    /// Milliseconds since 1970, of the clock that was furthest ahead among those that led here.
    public var wallMilliseconds: UInt64 { raw >> 16 }

    /// Later by so many milliseconds; at the end of the range, the end.
    public func advanced(byMilliseconds milliseconds: UInt64) -> HybridTime {
        let (sum, isPast) = raw.addingReportingOverflow(min(milliseconds, 0xFFFF_FFFF_FFFF) << 16)
        return HybridTime(raw: isPast ? .max : sum)
    }

    public static func < (a: HybridTime, b: HybridTime) -> Bool { a.raw < b.raw }

    public init(from decoder: any Decoder) throws { raw = try decoder.singleValueContainer().decode(UInt64.self) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(raw)
    }

    public var description: String { "\(wallMilliseconds)+\(raw & 0xFFFF)" }
}

/// The clock that a node stamps its versions with.
public struct HybridClock: Sendable {
    public private(set) var latest = HybridTime(raw: 0)

    public init() {}

    /// The time of an event of this node: after every time given or seen so far.
    ///
    /// - Parameter wallMilliseconds: the machine's clock, which may be wrong or go back.
    public mutating func tick(wallMilliseconds: UInt64) -> HybridTime {
        let wall = HybridTime(wallMilliseconds: wallMilliseconds, counter: 0)
        // A carry from the counter into the milliseconds is right: the time only has to grow.
        // At the end of its range, which only a peer's absurd time can bring it to, the clock stands still: it never
        // goes back, and the dot decides.
        latest = max(wall, HybridTime(raw: latest.raw == .max ? .max : latest.raw + 1))
        return latest
    }

    /// The time that it is, without an event: what `tick` gives next is later, or the wall clock's.
    public func reading(wallMilliseconds: UInt64) -> HybridTime {
        max(latest, HybridTime(wallMilliseconds: wallMilliseconds, counter: 0))
    }

    /// Takes note of a time that another node gave.
    public mutating func observe(_ time: HybridTime) { latest = max(latest, time) }
}
