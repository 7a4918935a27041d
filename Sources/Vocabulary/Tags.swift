/// What an operator says of a node for others to choose it by: `role=edge`, `rack=12/a`. Small, but far larger than a
/// datagram has room for: members tell each other only its digest there, and the rest over TLS.
public struct Tags: Hashable, Sendable {
    public let byKey: [String: String]

    /// Of the canonical form. Larger ones are resources, and `roost put` keeps those.
    public static let bytesMax = 4_096
    public static let keyBytesMax = 64

    public static let none = Tags()

    private init() { byKey = [:] }

    /// - Throws: `TagsError`, of the first key in the order of keys that is not as it should be.
    public init(_ byKey: [String: String]) throws(TagsError) {
        var bytes = 0
        for (key, value) in byKey.sorted(by: { $0.key < $1.key }) {
            guard Self.isKey(key) else { throw .key(key) }
            guard value.unicodeScalars.allSatisfy(Self.isPrintable) else { throw .value(key: key) }
            // A key is at most 64 bytes, and what came in at all is in memory: the sum is far from its end.
            bytes += 1 + key.utf8.count + 2 + value.utf8.count
        }
        guard bytes <= Self.bytesMax else { throw .tooLarge(bytes: bytes) }
        self.byKey = byKey
    }

    public var isEmpty: Bool { byKey.isEmpty }
    /// By key.
    public var pairs: [(key: String, value: String)] { byKey.sorted { $0.key < $1.key } }

    /// The one form of these tags as bytes, on every machine: by key, each key after its length (u8), each value after its
    /// length (u16). The digest is of this.
    public var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 128)
        for (key, value) in pairs {
            writer.write(shortText: key)
            writer.write(block: Array(value.utf8))
        }
        return writer.bytes
    }

    private static func isKey(_ text: String) -> Bool {
        (1...keyBytesMax).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                    UInt8(ascii: "/"):
                    true
                default: false
                }
            }
    }

    /// Not what moves a cursor, ends a line or turns the writing round. Ranges, and not the tables of Unicode that come
    /// with the compiler: all members must agree on what tags are, whatever each was built with.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1f, 0x7f...0x9f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff: false
        default: true
        }
    }
}

extension Tags: CustomStringConvertible {
    /// `role=edge,tier=2`
    public var description: String { pairs.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }
}

/// Why a node can not have these tags.
public enum TagsError: Error, Hashable, Sendable, CustomStringConvertible {
    case key(String)
    case value(key: String)
    case tooLarge(bytes: Int)

    public static let keyRule = "a key is 1-\(Tags.keyBytesMax) of A-Z, a-z, 0-9, _, ., - and /"
    public static let valueRule = "a value is text without control characters"
    public static let sizeRule =
        "all tags together have at most \(Tags.bytesMax) bytes, each its key, its value and 3 more"

    public var description: String {
        switch self {
        case .key(let key): "\"\(key)\" is no key of a tag: \(Self.keyRule)"
        case .value(let key): "the tag \(key) has a control character: \(Self.valueRule)"
        case .tooLarge(let bytes): "the tags have \(bytes) bytes: \(Self.sizeRule)"
        }
    }
}
