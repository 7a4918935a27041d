/// Which tags a member has, in as few bytes as will do: the first half of the SHA-256 of their canonical form
/// (`Tags.encoded`). It stands in every claim, so that the tags themselves need not.
///
/// Half is enough. Who would give a member other tags than it has must find a second text for a given digest, 2^128
/// tries; and a member that finds two texts for one digest, 2^64, has only said two things about itself. The other 16
/// bytes would be a tenth of every claim.
public struct TagsDigest: Hashable, Comparable, Sendable, CustomStringConvertible {
    // Two words rather than an array: a claim is copied often and must not allocate.
    @usableFromInline let high: UInt64
    @usableFromInline let low: UInt64

    public static let byteCount = 16

    /// `nil` unless there are exactly 16 bytes.
    @inlinable
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The first half of it.
    public init(_ digest: ContentDigest) {
        (high, low) = digest.firstWords
    }

    public var bytes: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } }
    }

    /// 32 hexadecimal digits.
    public var description: String { Hexadecimal.text(word: high) + Hexadecimal.text(word: low) }

    /// `nil` unless there are exactly 32 hexadecimal digits, of the lower case.
    public init?(hex: String) {
        guard hex.utf8.count == 32, let high = UInt64(hex.prefix(16), radix: 16),
            let low = UInt64(hex.suffix(16), radix: 16)
        else { return nil }
        self.high = high
        self.low = low
        // A sign is no digit.
        guard description == hex else { return nil }
    }

    public static func < (a: TagsDigest, b: TagsDigest) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

extension TagsDigest: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let digest = TagsDigest(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a digest of tags is 32 hexadecimal digits")
        }
        self = digest
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
