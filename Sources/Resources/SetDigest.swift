import Vocabulary

/// The digest of a set of versions: the sum modulo 2^128 of a keyed hash of each.
///
/// A sum, so that adding and removing one version costs the same whatever the set holds, and the order does not
/// matter (Clarke et al., "Incremental Multiset Hash Functions", 2003). Peers are authenticated, so the hash guards
/// against accident, not against a forger with a certificate.
public struct SetDigest: Hashable, Sendable, Codable, CustomStringConvertible {
    public private(set) var high: UInt64
    public private(set) var low: UInt64

    public static let empty = SetDigest(high: 0, low: 0)

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public init(of version: Version) {
        let bytes = version.canonicalBytes
        high = SipHash(key0: 0x726f_6f73_742d_6869, key1: 0x6768_2d64_6967_6573).hash(bytes)
        low = SipHash(key0: 0x726f_6f73_742d_6c6f, key1: 0x772d_6469_6765_7374).hash(bytes)
    }

    public static func + (a: SetDigest, b: SetDigest) -> SetDigest {
        let (low, carry) = a.low.addingReportingOverflow(b.low)
        return SetDigest(high: a.high &+ b.high &+ (carry ? 1 : 0), low: low)
    }

    public static func - (a: SetDigest, b: SetDigest) -> SetDigest {
        let (low, borrow) = a.low.subtractingReportingOverflow(b.low)
        return SetDigest(high: a.high &- b.high &- (borrow ? 1 : 0), low: low)
    }

    /// 32 hexadecimal digits.
    public var description: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    public init?(_ text: String) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
        guard description == text else { return nil }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let digest = SetDigest(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a set digest is 32 hexadecimal digits")
        }
        self = digest
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
