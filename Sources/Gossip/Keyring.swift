/// A key's place in the order of all keys: what is compared and told where the key itself has no business.
public struct KeyMark: Hashable, Sendable, Comparable, Codable {
    public let createdAt: UInt64
    public let id: UInt32

    public init(createdAt: UInt64, id: UInt32) {
        self.createdAt = createdAt
        self.id = id
    }

    public static func < (a: KeyMark, b: KeyMark) -> Bool { (a.createdAt, a.id) < (b.createdAt, b.id) }

    private enum CodingKeys: String, CodingKey {
        case createdAt = "created_at"
        case id
    }
}

extension ClusterKey {
    public var mark: KeyMark { KeyMark(createdAt: createdAt, id: id) }
}

/// The keys that a node opens datagrams with, and which of them it seals with: never one newer than what was said to be
/// in use, so that a new key can be everywhere before the first datagram needs it (Serf's and Consul's install, use,
/// remove). Members merge each other's: whatever the order, all end with the same ones.
public struct Keyring: Hashable, Sendable {
    /// Newest first, one an id: the greatest four, and the one in use when four are newer.
    public private(set) var keys: [ClusterKey]
    /// The newest that anybody seals with.
    private var inUse: KeyMark?

    /// The present key, the one before, and two for a rotation that is hurried or done on both sides of a partition.
    public static let keysMax = 4
    /// With the one in use.
    public static let heldMax = keysMax + 1

    /// - Parameter inUse: which of them seals; the newest, where it is not among them.
    public init(_ keys: [ClusterKey] = [], inUse: KeyMark? = nil) {
        let known = inUse.flatMap { mark in keys.contains { $0.mark == mark } ? mark : nil }
        self.inUse = known ?? keys.max()?.mark
        self.keys = Self.normal(keys, inUse: self.inUse)
    }

    /// A new cluster's: one key.
    public static func create(createdAt: UInt64, revocations: Int = 0) throws(GossipError) -> Keyring {
        Keyring([try ClusterKey.create(createdAt: createdAt, revocations: revocations)])
    }

    /// The key to seal with; `nil` in an empty keyring.
    public var primary: ClusterKey? {
        guard let inUse else { return nil }
        return keys.first { $0.mark == inUse } ?? keys.first { $0.mark < inUse } ?? keys.last
    }

    /// Those that nobody seals with yet, newest first.
    public var coming: [ClusterKey] {
        guard let primary else { return [] }
        return keys.filter { $0.mark > primary.mark }
    }

    /// The newest one, when nobody seals with it yet.
    public var pending: ClusterKey? { coming.first }

    /// Those that were in use before, or never will be.
    public var former: [ClusterKey] {
        guard let primary else { return [] }
        return keys.filter { $0.mark < primary.mark }
    }

    public func key(id: UInt32) -> ClusterKey? { keys.first { $0.id == id } }

    /// Without the keys that were made after this time.
    public func made(until latest: UInt64) -> Keyring {
        Keyring(keys.filter { $0.createdAt <= latest }, inUse: inUse)
    }

    /// Without the keys before this one. Where the one in use is among them, no newer one is known to be.
    public func since(_ mark: KeyMark) -> Keyring {
        let kept = keys.filter { $0.mark >= mark }
        guard let inUse, inUse < mark else { return Keyring(kept, inUse: inUse) }
        return Keyring(kept, inUse: kept.min()?.mark)
    }

    /// Takes over the other's keys, and what it says is in use.
    ///
    /// - Returns: whether this keyring changed.
    @discardableResult
    public mutating func merge(with other: Keyring) -> Bool {
        let before = self
        // Who says that a key is in use has it: it is among the keys of one of the two.
        inUse = [inUse, other.inUse].compactMap { $0 }.max()
        keys = Self.normal(keys + other.keys, inUse: inUse)
        return self != before
    }

    /// Adds a new key, which nobody seals with yet: it is made later than every present one, whatever the clock says.
    public mutating func add(createdAt: UInt64, revocations: Int = 0) throws(GossipError) {
        let newest = keys.first?.createdAt ?? 0
        let (later, overflow) = newest.addingReportingOverflow(1)
        let key = try ClusterKey.create(
            createdAt: max(createdAt, overflow ? newest : later), revocations: revocations)
        if inUse == nil { inUse = key.mark }
        keys = Self.normal(keys + [key], inUse: inUse)
    }

    /// Seals with the newest key from now on.
    public mutating func useNewest() {
        guard let newest = keys.first else { return }
        inUse = newest.mark
        keys = Self.normal(keys, inUse: inUse)
    }

    /// Taking the greatest of a union is commutative, associative and idempotent; so is taking the greatest of each id,
    /// done before it; and the one in use comes along with whoever says that it is in use.
    private static func normal(_ keys: [ClusterKey], inUse: KeyMark?) -> [ClusterKey] {
        var result: [ClusterKey] = []
        for key in keys.sorted(by: >) where !result.contains(where: { $0.id == key.id }) {
            if result.count < keysMax || key.mark == inUse { result.append(key) }
        }
        return result
    }
}

/// A list of keys, newest first; the one in use says so. Where none does, as an agent from before writes it, the newest
/// is in use.
extension Keyring: Codable {
    private struct Entry: Codable {
        let key: ClusterKey
        let seals: Bool

        private enum CodingKeys: String, CodingKey { case seals }

        init(_ key: ClusterKey, seals: Bool) {
            self.key = key
            self.seals = seals
        }

        init(from decoder: any Decoder) throws {
            key = try ClusterKey(from: decoder)
            seals = try decoder.container(keyedBy: CodingKeys.self).decodeIfPresent(Bool.self, forKey: .seals) ?? false
        }

        func encode(to encoder: any Encoder) throws {
            try key.encode(to: encoder)
            guard seals else { return }
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(true, forKey: .seals)
        }
    }

    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        var entries: [Entry] = []
        while !container.isAtEnd, entries.count < 64 { entries.append(try container.decode(Entry.self)) }
        self.init(entries.map(\.key), inUse: entries.filter(\.seals).map(\.key.mark).max())
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        let primary = primary
        for key in keys { try container.encode(Entry(key, seals: key == primary)) }
    }
}
