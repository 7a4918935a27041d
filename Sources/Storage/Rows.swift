import Foundation
import GRDB
import Resources
import Vocabulary

/// Rows of the catalogue as values of the pure cores, and back. A value that can not be read is damage, never a trap.
struct RowValues {
    let row: Row
    let path: String

    func value<T: DatabaseValueConvertible>(_ index: Int, as type: T.Type = T.self) throws -> T {
        guard let value = T.fromDatabaseValue(row[index] as DatabaseValue) else { throw damage("column \(index)") }
        return value
    }

    func isNull(_ index: Int) -> Bool { (row[index] as DatabaseValue).isNull }

    /// SQLite's integers are signed; ours are stored by their bits.
    func unsigned(_ index: Int) throws -> UInt64 { UInt64(bitPattern: try value(index, as: Int64.self)) }

    func name(_ index: Int) throws -> ResourceName {
        guard let name = try? ResourceName(value(index)) else { throw damage("a name") }
        return name
    }

    func node(_ index: Int) throws -> NodeName {
        guard let node = try? NodeName(value(index)) else { throw damage("a node's name") }
        return node
    }

    func home(_ index: Int) throws -> NodeName? { try value(index, as: String.self).isEmpty ? nil : node(index) }

    func damage(_ what: String) -> StorageError {
        .damaged(path: path, detail: "\(what) in it can not be read")
    }
}

extension Version {
    /// In the order that `init(_:name:from:)` reads.
    static let columns = "v.node, v.epoch, v.counter, v.time, v.context, v.home, v.sha256, v.size, v.media"

    init(_ values: RowValues, name: ResourceName, from first: Int) throws {
        let dot = Dot(
            node: try values.node(first), epoch: try values.unsigned(first + 1),
            counter: try values.unsigned(first + 2))
        let content: Content
        if values.isNull(first + 6) {
            content = .tombstone
        } else {
            guard let digest = ContentDigest(bytes: try values.value(first + 6, as: Data.self)) else {
                throw values.damage("a SHA-256")
            }
            let mediaType: String = try values.value(first + 8)
            guard Version.isMediaType(mediaType) else { throw values.damage("a media type") }
            content = .blob(digest: digest, size: try values.unsigned(first + 7), mediaType: mediaType)
        }
        guard let context = try? CausalContext(stored: values.value(first + 4, as: Data.self)) else {
            throw values.damage("a causal context")
        }
        self.init(
            name: name, dot: dot, context: context, time: HybridTime(raw: try values.unsigned(first + 3)),
            content: content, home: try values.home(first + 5))
    }

    /// In the order of the table's columns.
    func arguments(nameID: Int64) -> StatementArguments {
        var sha256: Data?
        var bytes: Int64?
        var media: String?
        if case .blob(let digest, let size, let mediaType) = content {
            (sha256, bytes, media) = (Data(digest.bytes), Int64(bitPattern: size), mediaType)
        }
        return [
            nameID, dot.node.text, Int64(bitPattern: dot.epoch), Int64(bitPattern: dot.counter),
            Int64(bitPattern: time.raw), Data(context.stored), home?.text ?? "", sha256, bytes, media,
        ]
    }
}

extension CausalContext {
    /// Each dot as node, epoch, counter.
    var stored: [UInt8] {
        var writer = ByteWriter(capacity: dots.count * 32)
        for dot in dots { dot.write(to: &writer) }
        return writer.bytes
    }

    init(stored: Data) throws {
        self.init()
        var reader = ByteReader(Array(stored))
        while reader.remaining > 0 { add(try Dot(&reader)) }
    }
}

extension GroupSummary {
    static let columns = "slot, home, high, low, names, resources, bytes"

    init(_ values: RowValues) throws {
        guard let slot = Slot(number: try values.value(0)) else { throw values.damage("a slot") }
        self.init(
            key: GroupKey(slot: slot, home: try values.home(1)),
            digest: SetDigest(high: try values.unsigned(2), low: try values.unsigned(3)), names: try values.value(4),
            resources: try values.value(5), bytes: try values.unsigned(6))
    }

    var arguments: StatementArguments {
        [
            Int(key.slot.number), key.home?.text ?? "", Int64(bitPattern: digest.high), Int64(bitPattern: digest.low),
            names, resources, Int64(bitPattern: bytes),
        ]
    }
}
