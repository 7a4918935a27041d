/// A SHA-256 digest (FIPS 180-4): the identity of a blob and the `ETag` of a resource.
public struct ContentDigest: Hashable, Comparable, Sendable, CustomStringConvertible {
    // Four words rather than an array: a digest is copied often and must not allocate.
    @usableFromInline let words: (UInt64, UInt64, UInt64, UInt64)

    /// `nil` unless there are exactly 32 bytes. Inlinable, for one is read with every version that is.
    @inlinable
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        var rest = bytes.makeIterator()
        func word() -> UInt64 {
            var word: UInt64 = 0
            for _ in 0..<8 { word = word << 8 | UInt64(rest.next() ?? 0) }
            return word
        }
        words = (word(), word(), word(), word())
    }

    /// `nil` unless there are exactly 64 hexadecimal digits.
    public init?(hex: String) {
        guard hex.utf8.count == 64, let bytes = Hexadecimal.bytes(hex, anyCase: true) else { return nil }
        self.init(bytes: bytes)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 32)
        writer.write(words.0)
        writer.write(words.1)
        writer.write(words.2)
        writer.write(words.3)
        return writer.bytes
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
