import Resources
import Vocabulary

/// Exchanges as they go from node to node, in binary: whatever moves is told of by one, and JSON of it took longer to read
/// than its bytes to fetch. Reading throws `ByteError` or `NameError`.
extension ExchangeRequest {
    public init(_ bytes: ArraySlice<UInt8>, _ form: PeerForm) throws {
        var reader = ByteReader(bytes)
        var groups = try reader.readList { reader throws in
            ExchangeGroup(
                key: try GroupKey(&reader), sets: try reader.readList { try VersionSet(&$0) },
                copies: Int(try reader.read(UInt8.self)))
        }
        let standIn = try MarkedGroups.read(&reader, form)
        for index in groups.indices where standIn.contains(groups[index].key) { groups[index].toStandIn = true }
        self.init(groups: groups)
    }

    public func bytes(_ form: PeerForm) -> [UInt8] {
        var writer = ByteWriter(capacity: groups.reduce(4) { $0 + 64 + $1.sets.count * 256 })
        writer.write(list: groups) { group, writer in
            group.key.write(to: &writer)
            writer.write(list: group.sets) { $0.write(to: &$1) }
            writer.write(UInt8(clamping: group.copies))
        }
        MarkedGroups.write(groups.filter(\.toStandIn).map(\.key), to: &writer, form)
        return writer.bytes
    }
}

extension ExchangeReply {
    public init(_ bytes: ArraySlice<UInt8>, _ form: PeerForm) throws {
        var reader = ByteReader(bytes)
        let isFull = try reader.readFlag()
        var findings = try reader.readList { reader throws in
            ExchangeFinding(
                key: try GroupKey(&reader), sets: try reader.readList { try VersionSet(&$0) },
                missing: try reader.readList { try ResourceName(&$0) }, owner: try reader.readFlag(),
                copies: Int(try reader.read(UInt8.self)))
        }
        let kept = try MarkedGroups.read(&reader, form)
        for index in findings.indices where kept.contains(findings[index].key) { findings[index].keeps = true }
        self.init(full: isFull, findings: findings)
    }

    public func bytes(_ form: PeerForm) -> [UInt8] {
        var writer = ByteWriter(capacity: findings.reduce(8) { $0 + 64 + $1.sets.count * 256 })
        writer.write(flag: full)
        writer.write(list: findings) { finding, writer in
            finding.key.write(to: &writer)
            writer.write(list: finding.sets) { $0.write(to: &$1) }
            writer.write(list: finding.missing) { $0.write(to: &$1) }
            writer.write(flag: finding.owner)
            writer.write(UInt8(clamping: finding.copies))
        }
        MarkedGroups.write(findings.filter(\.keeps).map(\.key), to: &writer, form)
        return writer.bytes
    }
}

/// The groups of which something is said that is said of few: the last field of the second form.
private enum MarkedGroups {
    static func read(_ reader: inout ByteReader, _ form: PeerForm) throws -> Set<GroupKey> {
        let keys = form == .first ? [] : try reader.readList { try GroupKey(&$0) }
        guard reader.remaining == 0 else { throw ByteError.illegal }
        return Set(keys)
    }

    static func write(_ keys: [GroupKey], to writer: inout ByteWriter, _ form: PeerForm) {
        if form != .first { writer.write(list: keys) { $0.write(to: &$1) } }
    }
}
