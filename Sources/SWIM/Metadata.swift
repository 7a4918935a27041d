import Vocabulary

/// What a member tells of itself besides its address: small, so that it fits any datagram beside other news.
public struct Metadata: Hashable, Sendable {
    /// Copies are spread over zones; `nil` when the operator named none. 1–63 bytes.
    public let zone: String?
    /// The member's share of the data relative to others; 0: holds none.
    public let weight: UInt32
    /// The version of the software, for people; at most 32 bytes.
    public let version: String
    /// Which tags it has; `nil`: none. Only their digest, so that their length costs no datagram anything: the tags
    /// themselves are the shell's affair.
    public let tags: TagsDigest?

    public static let zoneBytesMax = 63
    public static let versionBytesMax = 32

    /// An empty zone is no zone.
    ///
    /// - Throws: `MetadataError` when a text is too long or has control characters.
    public init(
        zone: String? = nil, weight: UInt32 = 1, version: String = "", tags: TagsDigest? = nil
    ) throws(MetadataError) {
        let zone = zone.flatMap { $0.isEmpty ? nil : $0 }
        if let zone { try Self.check(zone, "zone", bytesMax: Self.zoneBytesMax) }
        try Self.check(version, "version", bytesMax: Self.versionBytesMax)
        self.zone = zone
        self.weight = weight
        self.version = version
        self.tags = tags
    }

    private init(checkedZone: String?, weight: UInt32, checkedVersion: String, tags: TagsDigest?) {
        zone = checkedZone
        self.weight = weight
        version = checkedVersion
        self.tags = tags
    }

    /// No zone, weight 1, no version, no tags.
    public static let standard = Metadata(checkedZone: nil, weight: 1, checkedVersion: "", tags: nil)

    /// The same with other tags.
    public func tagged(_ tags: TagsDigest?) -> Metadata {
        Metadata(checkedZone: zone, weight: weight, checkedVersion: version, tags: tags)
    }

    private static func check(_ text: String, _ field: String, bytesMax: Int) throws(MetadataError) {
        guard text.utf8.count <= bytesMax else {
            throw .tooLong(field: field, bytes: text.utf8.count, bytesMax: bytesMax)
        }
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { throw .controlCharacter(field: field) }
    }
}

/// Why metadata can not be told to the cluster.
public enum MetadataError: Error, Hashable, Sendable, CustomStringConvertible {
    case tooLong(field: String, bytes: Int, bytesMax: Int)
    case controlCharacter(field: String)

    public var description: String {
        switch self {
        case .tooLong(let field, let bytes, let bytesMax):
            "this member's \(field) has \(bytes) bytes, but must fit a datagram: use at most \(bytesMax)"
        case .controlCharacter(let field):
            "this member's \(field) has a control character: use printable text"
        }
    }
}

extension Metadata: Codable {
    private enum CodingKeys: String, CodingKey {
        case zone, weight, version, tags
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            zone: container.decodeIfPresent(String.self, forKey: .zone),
            weight: container.decode(UInt32.self, forKey: .weight),
            version: container.decode(String.self, forKey: .version),
            tags: container.decodeIfPresent(TagsDigest.self, forKey: .tags))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(zone, forKey: .zone)
        try container.encode(weight, forKey: .weight)
        try container.encode(version, forKey: .version)
        try container.encodeIfPresent(tags, forKey: .tags)
    }
}
