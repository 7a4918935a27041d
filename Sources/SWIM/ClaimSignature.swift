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

    private var hex: String { Hexadecimal.text(bytes) }

    private init?(hex: String) {
        guard hex.utf8.count <= 2 * Self.bytesMax, let bytes = Hexadecimal.bytes(hex) else { return nil }
        self.init(bytes)
    }
}
