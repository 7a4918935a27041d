import Vocabulary

/// One version of one resource: what a put or a delete leaves behind. Immutable; it is merged, never changed.
public struct Version: Hashable, Sendable, Codable {
    public enum Content: Hashable, Sendable, Codable {
        case blob(digest: ContentDigest, size: UInt64, mediaType: String)
        /// The name was deleted. A tombstone has no bytes and is kept so that an old copy can not bring it back.
        case tombstone
    }

    public let name: ResourceName
    public let dot: Dot
    /// What the writer had seen of this name, without `dot` itself.
    public let context: CausalContext
    public let time: HybridTime
    public let content: Content
    /// The node that the resource belongs to: while eligible it is the first owner.
    public let home: NodeName?

    public init(
        name: ResourceName, dot: Dot, context: CausalContext, time: HybridTime, content: Content, home: NodeName?
    ) {
        self.name = name
        self.dot = dot
        self.context = context
        self.time = time
        self.content = content
        self.home = home
    }

    public var isTombstone: Bool { content == .tombstone }

    /// The bytes that a holder of this version keeps; 0 for a tombstone.
    public var size: UInt64 {
        switch content {
        case .blob(_, let size, _): size
        case .tombstone: 0
        }
    }

    public var digest: ContentDigest? {
        switch content {
        case .blob(let digest, _, _): digest
        case .tombstone: nil
        }
    }

    /// At most this many bytes of media type are kept with a version.
    public static let mediaTypeByteCountMax = 128

    /// Up to the bound, and without control characters: a zero byte would not come back from the catalogue as it was, and
    /// two nodes that hold the same version would differ for ever.
    public static func isMediaType(_ text: String) -> Bool {
        text.utf8.count <= mediaTypeByteCountMax && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    /// The greatest version is the head. Time first: a writer's time exceeds all it had seen, so this order never
    /// contradicts causality (`HybridTime`); the dot breaks ties the same way everywhere.
    public static func precedes(_ a: Version, _ b: Version) -> Bool { (a.time, a.dot) < (b.time, b.dot) }
}

extension Version.Content {
    /// In the form that the compiler writes: `{"blob":{"digest":…,"mediaType":…,"size":…}}` or `{"tombstone":{}}`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard container.allKeys.count == 1, let key = container.allKeys.first else {
            throw DecodingError.typeMismatch(
                Self.self, .init(codingPath: container.codingPath, debugDescription: "expected one kind of content"))
        }
        switch key {
        case .tombstone:
            self = .tombstone
        case .blob:
            let blob = try container.nestedContainer(keyedBy: BlobCodingKeys.self, forKey: .blob)
            let mediaType = try blob.decode(String.self, forKey: .mediaType)
            guard Version.isMediaType(mediaType) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .mediaType, in: blob,
                    debugDescription:
                        "a media type has at most \(Version.mediaTypeByteCountMax) bytes, no control characters")
            }
            self = .blob(
                digest: try blob.decode(ContentDigest.self, forKey: .digest),
                size: try blob.decode(UInt64.self, forKey: .size), mediaType: mediaType)
        }
    }
}
