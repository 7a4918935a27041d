import Resources
import Vocabulary

/// Exchanges as they go from node to node, in binary: whatever moves is told of by one, and JSON of it took longer to read
/// than its bytes to fetch. Reading throws `ByteError` or `NameError`.
extension ExchangeRequest {
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        self.init(
            groups: try reader.readList { reader throws in
                ExchangeGroup(
                    key: try GroupKey(&reader), sets: try reader.readList { try VersionSet(&$0) },
                    copies: Int(try reader.read(UInt8.self)))
            })
        guard reader.remaining == 0 else { throw ByteError.illegal }
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: groups.reduce(4) { $0 + 64 + $1.sets.count * 256 })
        writer.write(list: groups) { group, writer in
            group.key.write(to: &writer)
            writer.write(list: group.sets) { $0.write(to: &$1) }
            writer.write(UInt8(clamping: group.copies))
        }
        return writer.bytes
    }
}

extension ExchangeReply {
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let isFull = try reader.readFlag()
        self.init(
            full: isFull,
            findings: try reader.readList { reader throws in
                ExchangeFinding(
                    key: try GroupKey(&reader), sets: try reader.readList { try VersionSet(&$0) },
                    missing: try reader.readList { try ResourceName(&$0) }, owner: try reader.readFlag(),
                    copies: Int(try reader.read(UInt8.self)))
            })
        guard reader.remaining == 0 else { throw ByteError.illegal }
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: findings.reduce(8) { $0 + 64 + $1.sets.count * 256 })
        writer.write(flag: full)
        writer.write(list: findings) { finding, writer in
            finding.key.write(to: &writer)
            writer.write(list: finding.sets) { $0.write(to: &$1) }
            writer.write(list: finding.missing) { $0.write(to: &$1) }
            writer.write(flag: finding.owner)
            writer.write(UInt8(clamping: finding.copies))
        }
        return writer.bytes
    }
}
