import Vocabulary

/// A member's signature under its own statement, as the core carries it: bytes without a meaning here. Who signs and who
/// verifies is the shell's affair; the core keeps them with what they were made for, and hands them on.
public struct ClaimSignature: Hashable, Sendable {
    public let bytes: [UInt8]

    /// Which certificate: 4 bytes. ECDSA on the curve P-384: 96; on P-256 and with Ed25519 64.
    public static let bytesMax = 100

    /// `nil` unless there are 1–100 bytes.
    public init?(_ bytes: some Collection<UInt8>) {
        guard (1...Self.bytesMax).contains(bytes.count) else { return nil }
        self.bytes = Array(bytes)
    }
}

extension ClaimSignature: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let signature = ClaimSignature(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a signature is 1-\(Self.bytesMax) bytes in hexadecimal digits")
        }
        self = signature
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }

    private var hex: String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    private init?(hex: String) {
        let digits = Array(hex.utf8)
        guard digits.count.isMultiple(of: 2), digits.count <= 2 * Self.bytesMax else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Self.value(digits[index]), let low = Self.value(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        self.init(bytes)
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
