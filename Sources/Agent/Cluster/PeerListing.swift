import Resources
import Vocabulary

/// One page of `GET /v1/peer/list`: what a node holds of the names, deleted ones included, so that the asker can tell which
/// of several nodes' heads is the newest.
///
/// Binary (`ByteWriter`), for a list of everything is each node's whole list: to read JSON of it took half of the
/// asker's time.
struct PeerListing: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        /// Without what its writer had seen: nobody merges by a list.
        var head: Version
        var conflicts: Int

        init(head: Version, conflicts: Int) {
            self.head = Version(
                name: head.name, dot: head.dot, context: CausalContext(), time: head.time, content: head.content,
                home: head.home)
            self.conflicts = conflicts
        }
    }

    var entries: [Entry]
    /// There is more after the last one.
    var truncated: Bool

    private static let tombstone: UInt8 = 0
    private static let blob: UInt8 = 1

    init(entries: [Entry], truncated: Bool) {
        self.entries = entries
        self.truncated = truncated
    }

    /// - Throws: `ByteError`, `NameError`, or `Unreadable`.
    init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        truncated = try reader.read(UInt8.self) != 0
        let count = Int(try reader.read(UInt32.self))
        // Each has its numbers, so that no count reserves more than came.
        guard count <= reader.remaining / 32 else { throw Unreadable() }
        entries = []
        entries.reserveCapacity(count)
        for _ in 0..<count { entries.append(try Self.entry(&reader)) }
        guard reader.remaining == 0 else { throw Unreadable() }
    }

    var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 5 + entries.count * 160)
        writer.write(UInt8(truncated ? 1 : 0))
        writer.write(UInt32(clamping: entries.count))
        for entry in entries { Self.write(entry, &writer) }
        return writer.bytes
    }

    struct Unreadable: Error {}

    private static func write(_ entry: Entry, _ writer: inout ByteWriter) {
        let head = entry.head
        writer.write(block: head.name.text.utf8)
        writer.write(shortText: head.dot.node.text)
        writer.write(head.dot.epoch)
        writer.write(head.dot.counter)
        writer.write(head.time.raw)
        writer.write(shortText: head.home?.text ?? "")
        writer.write(UInt32(clamping: entry.conflicts))
        switch head.content {
        case .tombstone: writer.write(tombstone)
        case .blob(let digest, let size, let mediaType):
            writer.write(blob)
            writer.write(raw: digest.bytes)
            writer.write(size)
            writer.write(shortText: mediaType)
        }
    }

    private static func entry(_ reader: inout ByteReader) throws -> Entry {
        guard let text = String(validating: try reader.readBlock(), as: UTF8.self) else { throw ByteError.notText }
        let name = try ResourceName(text)
        let dot = Dot(
            node: try NodeName(try reader.readShortText()), epoch: try reader.read(), counter: try reader.read())
        let time = HybridTime(raw: try reader.read())
        let home = try reader.readShortText()
        let conflicts = Int(try reader.read(UInt32.self))
        let content: Version.Content
        switch try reader.read(UInt8.self) {
        case tombstone: content = .tombstone
        case blob:
            guard let digest = ContentDigest(bytes: try reader.read(count: 32)) else {
                throw Unreadable()
            }
            let size = try reader.read(UInt64.self)
            let mediaType = try reader.readShortText()
            guard Version.isMediaType(mediaType) else { throw Unreadable() }
            content = .blob(digest: digest, size: size, mediaType: mediaType)
        default: throw Unreadable()
        }
        return Entry(
            head: Version(
                name: name, dot: dot, context: CausalContext(), time: time, content: content,
                home: home.isEmpty ? nil : try NodeName(home)),
            conflicts: conflicts)
    }
}
