/// One of the 16,384 parts that the names are divided into; each has its own ring of members.
///
/// As many as make the shares of 30 members even to about 3 %; at half they differ more, at double every table of
/// slots costs twice and a query gains nothing.
public struct Slot: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public static let count = 16_384

    /// 0 ..< 16384
    public let number: UInt16

    public static let first = Slot(0)

    private init(_ number: UInt16) { self.number = number }

    /// `nil` when there is no such slot.
    public init?(number: Int) {
        guard (0..<Self.count).contains(number) else { return nil }
        self.number = UInt16(number)
    }

    /// The slot of a name: SipHash-2-4 of its bytes, keyed by the cluster's name, modulo 16,384.
    public init(ofName name: String, in cluster: ClusterName) {
        let key = SipHash(key0: 0, key1: 0).hash(cluster.text.utf8)
        number = UInt16(truncatingIfNeeded: SipHash(key0: key, key1: ~key).hash(name.utf8) % UInt64(Self.count))
    }

    /// An array, although it is 32 KiB: walked for every change of the membership, and a lazy sequence of another module
    /// costs a look-up of its generic type at each step.
    public static let all: [Slot] = (0..<count).compactMap { Slot(number: $0) }

    public static func < (a: Slot, b: Slot) -> Bool { a.number < b.number }
    public var description: String { String(number) }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let slot = Slot(number: Int(try container.decode(UInt16.self))) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "slots are numbered 0-16383")
        }
        self = slot
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}
