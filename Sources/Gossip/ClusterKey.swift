import TLS
import Vocabulary

/// A secret that the members of one cluster share: from it each sender derives the keys of its sessions. It is made by
/// the first node and handed over by mutual TLS only.
public struct ClusterKey: Hashable, Sendable {
    /// Says in every datagram which key it was; random, and no secret.
    public let id: UInt32
    /// How people see it.
    public var shownID: String { Hexadecimal.text(word: id) }
    /// Milliseconds of the maker's wall clock; decides only which key of several is used for sealing.
    public let createdAt: UInt64
    /// 32 bytes.
    public let bytes: [UInt8]
    /// Nodes whose certificates had been revoked, as far as its maker knew: with fewer than are revoked now it may be in
    /// the hands of one of them, and a new one is due.
    public let revocations: Int

    public static let byteCount = 32

    /// `nil` unless there are exactly 32 bytes.
    public init?(id: UInt32, createdAt: UInt64, bytes: [UInt8], revocations: Int = 0) {
        guard bytes.count == Self.byteCount else { return nil }
        self.id = id
        self.createdAt = createdAt
        self.bytes = bytes
        self.revocations = revocations
    }

    /// - Throws: `GossipError.cryptography` when the system has no randomness.
    public static func create(createdAt: UInt64, revocations: Int = 0) throws(GossipError) -> ClusterKey {
        let random = try Sealing.attempt("making a cluster key") { () throws(TLSError) in
            try SecureRandom.bytes(byteCount + 4)
        }
        let id = random.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let bytes = Array(random.dropFirst(4))
        guard let key = ClusterKey(id: id, createdAt: createdAt, bytes: bytes, revocations: revocations) else {
            throw .cryptography(during: "making a cluster key", reason: "too few random bytes")
        }
        return key
    }
}

/// The greater is the newer; of equals the one of the greater id, then of the greater bytes: of keys that were made at
/// once on several nodes, all members choose the same.
extension ClusterKey: Comparable {
    public static func < (a: ClusterKey, b: ClusterKey) -> Bool {
        if a.createdAt != b.createdAt { return a.createdAt < b.createdAt }
        if a.id != b.id { return a.id < b.id }
        if a.bytes != b.bytes { return a.bytes.lexicographicallyPrecedes(b.bytes) }
        // An agent from before hands the key on without that number: whoever knows it counts.
        return a.revocations < b.revocations
    }
}

/// A log line never shows the secret.
extension ClusterKey: CustomStringConvertible {
    public var description: String { "cluster key \(id) made at \(createdAt)" }
}

extension ClusterKey: Codable {
    private enum CodingKeys: String, CodingKey {
        case id
        case createdAt = "created_at"
        case bytes, revocations
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let key = ClusterKey(
            id: try container.decode(UInt32.self, forKey: .id),
            createdAt: try container.decode(UInt64.self, forKey: .createdAt),
            bytes: try container.decode([UInt8].self, forKey: .bytes),
            revocations: try container.decodeIfPresent(Int.self, forKey: .revocations) ?? 0)
        guard let key else {
            throw DecodingError.dataCorruptedError(
                forKey: .bytes, in: container, debugDescription: "a cluster key has 32 bytes")
        }
        self = key
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(createdAt, forKey: .createdAt)
        try container.encode(bytes, forKey: .bytes)
        if revocations != 0 { try container.encode(revocations, forKey: .revocations) }
    }
}
