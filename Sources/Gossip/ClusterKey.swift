import TLS

/// A secret that the members of one cluster share: from it each sender derives the keys of its sessions. It is made by
/// the first node and handed over by mutual TLS only.
public struct ClusterKey: Hashable, Sendable {
    /// Says in every datagram which key it was; random, and no secret.
    public let id: UInt32
    /// Milliseconds of the maker's wall clock; decides only which key of several is used for sealing.
    public let createdAt: UInt64
    /// 32 bytes.
    public let bytes: [UInt8]

    public static let byteCount = 32

    /// `nil` unless there are exactly 32 bytes.
    public init?(id: UInt32, createdAt: UInt64, bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.id = id
        self.createdAt = createdAt
        self.bytes = bytes
    }

    /// - Throws: `GossipError.cryptography` when the system has no randomness.
    public static func create(createdAt: UInt64) throws(GossipError) -> ClusterKey {
        let random = try Sealing.attempt("making a cluster key") { () throws(TLSError) in
            try SecureRandom.bytes(byteCount + 4)
        }
        let id = random.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard let key = ClusterKey(id: id, createdAt: createdAt, bytes: Array(random.dropFirst(4))) else {
            throw .cryptography(during: "making a cluster key", reason: "too few random bytes")
        }
        return key
    }
}

/// The greater is the one to seal with: the newest; of equals the one of the greater id, then of the greater bytes, so
/// that all members choose the same.
extension ClusterKey: Comparable {
    public static func < (a: ClusterKey, b: ClusterKey) -> Bool {
        if a.createdAt != b.createdAt { return a.createdAt < b.createdAt }
        if a.id != b.id { return a.id < b.id }
        return a.bytes.lexicographicallyPrecedes(b.bytes)
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
        case bytes
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let key = ClusterKey(
            id: try container.decode(UInt32.self, forKey: .id),
            createdAt: try container.decode(UInt64.self, forKey: .createdAt),
            bytes: try container.decode([UInt8].self, forKey: .bytes))
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
    }
}

/// The keys that a node opens datagrams with, and among them the one that it seals with. Members merge each other's:
/// whatever the order, all end with the same four newest.
public struct Keyring: Hashable, Sendable {
    /// Newest first; at most four, one an id.
    public private(set) var keys: [ClusterKey]

    /// The present key, the one before, and two for a rotation that is hurried or done on both sides of a partition.
    public static let keysMax = 4

    public init(_ keys: [ClusterKey] = []) { self.keys = Self.normal(keys) }

    /// A new cluster's: one key.
    public static func create(createdAt: UInt64) throws(GossipError) -> Keyring {
        Keyring([try ClusterKey.create(createdAt: createdAt)])
    }

    /// The key to seal with; `nil` in an empty keyring.
    public var primary: ClusterKey? { keys.first }

    public func key(id: UInt32) -> ClusterKey? { keys.first { $0.id == id } }

    /// Without the keys that were made after this time.
    public func made(until latest: UInt64) -> Keyring { Keyring(keys.filter { $0.createdAt <= latest }) }

    /// Takes over the other's keys.
    ///
    /// - Returns: whether this keyring changed.
    @discardableResult
    public mutating func merge(with other: Keyring) -> Bool {
        let merged = Self.normal(keys + other.keys)
        defer { keys = merged }
        return merged != keys
    }

    /// Adds a new key, which becomes the primary one: it is made later than every present one, whatever the clock says.
    public mutating func rotate(createdAt: UInt64) throws(GossipError) {
        let newest = keys.first?.createdAt ?? 0
        let (later, overflow) = newest.addingReportingOverflow(1)
        let key = try ClusterKey.create(createdAt: max(createdAt, overflow ? newest : later))
        keys = Self.normal(keys + [key])
    }

    /// The greatest four, one an id. Taking the greatest of a union is commutative, associative and idempotent; so is
    /// taking the greatest of each id, done before it.
    private static func normal(_ keys: [ClusterKey]) -> [ClusterKey] {
        var result: [ClusterKey] = []
        for key in keys.sorted(by: >) where !result.contains(where: { $0.id == key.id }) {
            result.append(key)
            if result.count == keysMax { break }
        }
        return result
    }
}

extension Keyring: Codable {
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        var keys: [ClusterKey] = []
        while !container.isAtEnd, keys.count < 64 { keys.append(try container.decode(ClusterKey.self)) }
        self.init(keys)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for key in keys { try container.encode(key) }
    }
}
