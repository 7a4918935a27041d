/// How likely something is, in parts of a million: whole numbers, so that a run repeats on every machine.
public struct Chance: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let partsPerMillion: UInt32

    public init(partsPerMillion: UInt32) { self.partsPerMillion = min(partsPerMillion, 1_000_000) }

    public static let never = Chance(partsPerMillion: 0)
    public static let always = Chance(partsPerMillion: 1_000_000)
    public static func percent(_ percent: UInt32) -> Chance {
        Chance(partsPerMillion: min(percent, 100) * 10_000)
    }

    /// That at least one of two independent things happens.
    public func or(_ other: Chance) -> Chance {
        let neither = UInt64(1_000_000 - partsPerMillion) * UInt64(1_000_000 - other.partsPerMillion) / 1_000_000
        return Chance(partsPerMillion: UInt32(1_000_000 - neither))
    }

    /// Draws only when the outcome is open.
    public func happens(using rng: inout some RandomNumberGenerator) -> Bool {
        switch partsPerMillion {
        case 0: false
        case 1_000_000: true
        default: UInt32.random(in: 0..<1_000_000, using: &rng) < partsPerMillion
        }
    }

    public static func < (a: Chance, b: Chance) -> Bool { a.partsPerMillion < b.partsPerMillion }
    public var description: String { "\(Double(partsPerMillion) / 10_000) %" }
}
