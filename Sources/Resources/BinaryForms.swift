import Vocabulary

/// The one byte form of versions, groups and digests: what digests are made of (docs/PROTOCOL.md), and how they go from node
/// to node where there are many of them. Reading throws `ByteError` or `NameError`.
extension Version {
    private static let tombstone: UInt8 = 0
    private static let blob: UInt8 = 1

    var canonicalBytes: [UInt8] {
        var writer = ByteWriter(capacity: 256)
        write(to: &writer)
        return writer.bytes
    }

    public func write(to writer: inout ByteWriter) {
        writer.write(block: name.text.utf8)
        dot.write(to: &writer)
        writer.write(time.raw)
        writer.write(UInt16(truncatingIfNeeded: context.dots.count))
        for dot in context.dots { dot.write(to: &writer) }
        writer.write(shortText: home?.text ?? "")
        switch content {
        case .tombstone: writer.write(Self.tombstone)
        case .blob(let digest, let size, let mediaType):
            writer.write(Self.blob)
            writer.write(raw: digest.bytes)
            writer.write(size)
            writer.write(shortText: mediaType)
        }
    }

    public init(_ reader: inout ByteReader) throws {
        let name = try ResourceName(&reader)
        let dot = try Dot(&reader)
        let time = HybridTime(raw: try reader.read())
        var context = CausalContext()
        let dots = try reader.read(UInt16.self)
        guard dots <= CausalContext.dotCountMax else { throw ByteError.illegal }
        for _ in 0..<dots { context.add(try Dot(&reader)) }
        let home = try reader.readNodeNameOrNone()
        let content: Content
        switch try reader.read(UInt8.self) {
        case Self.tombstone: content = .tombstone
        case Self.blob:
            guard let digest = ContentDigest(bytes: try reader.read(count: 32)) else { throw ByteError.illegal }
            let size = try reader.read(UInt64.self)
            let mediaType = try reader.readShortText()
            guard Version.isMediaType(mediaType) else { throw ByteError.illegal }
            content = .blob(digest: digest, size: size, mediaType: mediaType)
        default: throw ByteError.illegal
        }
        self.init(name: name, dot: dot, context: context, time: time, content: content, home: home)
    }
}

extension VersionSet {
    public func write(to writer: inout ByteWriter) {
        writer.write(UInt8(truncatingIfNeeded: versions.count))
        for version in versions { version.write(to: &writer) }
    }

    public init(_ reader: inout ByteReader) throws {
        let versions = try (0..<(try reader.read(UInt8.self))).map { _ in try Version(&reader) }
        guard let set = VersionSet(versions) else { throw ByteError.illegal }
        self = set
    }
}

extension ResourceName {
    public func write(to writer: inout ByteWriter) { writer.write(block: text.utf8) }

    public init(_ reader: inout ByteReader) throws { try self.init(try reader.readText()) }
}

extension Dot {
    public func write(to writer: inout ByteWriter) {
        writer.write(shortText: node.text)
        writer.write(epoch)
        writer.write(counter)
    }

    public init(_ reader: inout ByteReader) throws {
        self.init(
            node: try NodeName(try reader.readShortText()), epoch: try reader.read(), counter: try reader.read())
    }
}

extension GroupKey {
    public func write(to writer: inout ByteWriter) {
        writer.write(slot.number)
        writer.write(shortText: home?.text ?? "")
    }

    public init(_ reader: inout ByteReader) throws {
        guard let slot = Slot(number: Int(try reader.read(UInt16.self))) else { throw ByteError.illegal }
        self.init(slot: slot, home: try reader.readNodeNameOrNone())
    }
}

extension SetDigest {
    public func write(to writer: inout ByteWriter) {
        writer.write(high)
        writer.write(low)
    }

    public init(_ reader: inout ByteReader) throws(ByteError) {
        self.init(high: try reader.read(), low: try reader.read())
    }
}
