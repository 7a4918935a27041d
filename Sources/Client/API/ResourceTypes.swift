/// What the resource endpoints answer: `/v1/resources`, `/v1/history`, `/v1/where`.
extension API {
    /// One resource, as the whole cluster knows it: a live one, except where names with conflicts were asked for.
    public struct ResourceInfo: Codable, Hashable, Sendable {
        public var name: String
        public var version: String
        /// True of a name of which a delete goes first: it has no `sha256`, and size 0. Nil of any other.
        public var deleted: Bool?
        public var sha256: String?
        public var size: UInt64
        /// RFC 3339.
        public var modified: String
        public var contentType: String?
        public var home: String?
        public var holders: [String]
        /// Concurrent versions that no later write has seen.
        public var conflicts: Int

        public init(
            name: String, version: String, deleted: Bool? = nil, sha256: String?, size: UInt64, modified: String,
            contentType: String? = nil, home: String?, holders: [String], conflicts: Int
        ) {
            self.name = name
            self.version = version
            self.deleted = deleted
            self.sha256 = sha256
            self.size = size
            self.modified = modified
            self.contentType = contentType
            self.home = home
            self.holders = holders
            self.conflicts = conflicts
        }

        enum CodingKeys: String, CodingKey {
            case name, version, deleted, sha256, size, modified
            case contentType = "content_type"
            case home, holders, conflicts
        }
    }

    /// `GET /v1/resources?prefix=&pattern=&limit=&after=&conflicts=`, names in byte order.
    public struct ResourceList: Codable, Hashable, Sendable {
        public var resources: [ResourceInfo]
        /// Give this as `after` for the next page; absent on the last one.
        public var next: String?
        /// Nodes that did not answer in time: what only they hold is missing from the list.
        public var unreachable: [String]

        public init(resources: [ResourceInfo], next: String?, unreachable: [String]) {
            self.resources = resources
            self.next = next
            self.unreachable = unreachable
        }

        enum CodingKeys: String, CodingKey { case resources, next, unreachable }
    }

    /// The answer to PUT and DELETE. A delete has no `sha256` and size 0.
    public struct PutResult: Codable, Hashable, Sendable {
        public var name: String
        public var version: String
        public var sha256: String?
        public var size: UInt64
        /// The nodes that have it on disk.
        public var copies: [String]

        public init(name: String, version: String, sha256: String?, size: UInt64, copies: [String]) {
            self.name = name
            self.version = version
            self.sha256 = sha256
            self.size = size
            self.copies = copies
        }

        enum CodingKeys: String, CodingKey { case name, version, sha256, size, copies }
    }

    /// `GET /v1/history/NAME`, the head first.
    public struct History: Codable, Hashable, Sendable {
        public var name: String
        public var versions: [HistoryEntry]

        public init(name: String, versions: [HistoryEntry]) {
            self.name = name
            self.versions = versions
        }

        enum CodingKeys: String, CodingKey { case name, versions }
    }

    public struct HistoryEntry: Codable, Hashable, Sendable {
        public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
            /// What a get answers now.
            case head
            /// A later write had seen this one.
            case earlier
            /// Concurrent with the head and not the one chosen.
            case conflict
        }

        public var version: String
        public var kind: Kind
        public var deleted: Bool
        public var sha256: String?
        public var size: UInt64
        /// RFC 3339.
        public var modified: String
        public var contentType: String?
        public var home: String?

        public init(
            version: String, kind: Kind, deleted: Bool, sha256: String?, size: UInt64, modified: String,
            contentType: String? = nil, home: String?
        ) {
            self.version = version
            self.kind = kind
            self.deleted = deleted
            self.sha256 = sha256
            self.size = size
            self.modified = modified
            self.contentType = contentType
            self.home = home
        }

        enum CodingKeys: String, CodingKey {
            case version, kind, deleted, sha256, size, modified
            case contentType = "content_type"
            case home
        }
    }

    /// `GET /v1/where/NAME`.
    public struct Where: Codable, Hashable, Sendable {
        public var name: String
        public var slot: Int
        /// In rank order: the first R of the slot's ring under the present membership.
        public var owners: [String]
        /// Who holds the head's bytes, as the node asked found out.
        public var holders: [String]
        public var home: String?

        public init(name: String, slot: Int, owners: [String], holders: [String], home: String?) {
            self.name = name
            self.slot = slot
            self.owners = owners
            self.holders = holders
            self.home = home
        }

        enum CodingKeys: String, CodingKey { case name, slot, owners, holders, home }
    }
}
