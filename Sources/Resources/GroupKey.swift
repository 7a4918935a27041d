import Vocabulary

/// The unit of convergence: the names of one slot whose heads have one home. All of a group has the same owners.
public struct GroupKey: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let slot: Slot
    public let home: NodeName?

    public init(slot: Slot, home: NodeName?) {
        self.slot = slot
        self.home = home
    }

    public static func < (a: GroupKey, b: GroupKey) -> Bool {
        a.slot == b.slot ? (a.home?.text ?? "") < (b.home?.text ?? "") : a.slot < b.slot
    }

    public var description: String { home.map { "\(slot)@\($0)" } ?? "\(slot)" }
}

/// What a node durably holds of one group.
public struct GroupSummary: Hashable, Sendable, Codable {
    public let key: GroupKey
    /// The sum of `SetDigest(of:)` over every version, history included.
    public var digest: SetDigest
    /// Names in the group, deleted ones included.
    public var names: Int
    /// Names in the group whose head is live: what users call resources.
    public var resources: Int
    /// Bytes of all its versions.
    public var bytes: UInt64

    public init(key: GroupKey, digest: SetDigest = .empty, names: Int = 0, resources: Int = 0, bytes: UInt64 = 0) {
        self.key = key
        self.digest = digest
        self.names = names
        self.resources = resources
        self.bytes = bytes
    }

    /// Counts a set in, or out again.
    public mutating func add(_ set: VersionSet) {
        for version in set.versions {
            digest = digest + SetDigest(of: version)
            bytes &+= version.size
        }
        names &+= 1
        resources &+= set.live == nil ? 0 : 1
    }

    public mutating func remove(_ set: VersionSet) {
        for version in set.versions {
            digest = digest - SetDigest(of: version)
            bytes &-= version.size
        }
        names &-= 1
        resources &-= set.live == nil ? 0 : 1
    }

    public var isEmpty: Bool { names == 0 }
}

extension VersionSet {
    /// The group that a name belongs to is decided by its head's home.
    public func group(in cluster: ClusterName) -> GroupKey {
        head.group(in: cluster)
    }
}

extension Version {
    /// The group that its name is in while this is the head.
    public func group(in cluster: ClusterName) -> GroupKey {
        GroupKey(slot: Slot(ofName: name.text, in: cluster), home: home)
    }
}
