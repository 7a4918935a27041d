/// A SHA-256 digest (FIPS 180-4): the identity of a blob and the `ETag` of a resource.
public struct ContentDigest: Hashable, Comparable, Sendable, CustomStringConvertible {
    // Four words rather than an array: a digest is copied often and must not allocate.
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// `nil` unless there are exactly 32 bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        var words: [UInt64] = [0, 0, 0, 0]
        for (index, byte) in bytes.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
        self.words = (words[0], words[1], words[2], words[3])
    }

    /// `nil` unless there are exactly 64 hexadecimal digits.
    public init?(hex: String) {
        guard hex.utf8.count == 64, let bytes = Hexadecimal.bytes(hex, anyCase: true) else { return nil }
        self.init(bytes: bytes)
    }

    public var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
        }
    }

    /// The first half.
    var firstWords: (UInt64, UInt64) { (words.0, words.1) }

    public var hex: String {
        [words.0, words.1, words.2, words.3].map { Hexadecimal.text(word: $0) }.joined()
    }

    public var description: String { hex }

    public static func == (a: ContentDigest, b: ContentDigest) -> Bool { a.words == b.words }
    public static func < (a: ContentDigest, b: ContentDigest) -> Bool { a.words < b.words }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}

extension ContentDigest: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let digest = ContentDigest(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a SHA-256 is 64 hexadecimal digits")
        }
        self = digest
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}
