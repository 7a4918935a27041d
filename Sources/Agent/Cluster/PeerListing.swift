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

    init(entries: [Entry], truncated: Bool) {
        self.entries = entries
        self.truncated = truncated
    }

    /// - Throws: `ByteError` or `NameError`.
    init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        truncated = try reader.readFlag()
        entries = try reader.readList { reader throws in
            Entry(head: try Version(&reader), conflicts: Int(try reader.read(UInt32.self)))
        }
        guard reader.remaining == 0 else { throw ByteError.illegal }
    }

    var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 5 + entries.count * 160)
        writer.write(flag: truncated)
        writer.write(list: entries) { entry, writer in
            entry.head.write(to: &writer)
            writer.write(UInt32(clamping: entry.conflicts))
        }
        return writer.bytes
    }
}
