import Resources
import Vocabulary

/// Comparisons as they go from node to node, in binary (`ByteWriter`): while a node with much to get is looked at again, some
/// ten thousand groups cross each time, and JSON of them took the time that queries waited.
extension CompareRequest {
    /// - Throws: `ByteError`, `NameError`, or `UnreadableComparison`.
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let slots = try SlotSet(&reader)
        switch try reader.read(UInt8.self) {
        case 0: self.init(slots: slots, groups: try GroupStatus.list(&reader))
        case 1: self.init(slots: slots, groups: [], shared: try SetDigest(&reader))
        default: throw UnreadableComparison()
        }
        guard reader.remaining == 0 else { throw UnreadableComparison() }
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 2100 + groups.count * 24)
        slots.write(to: &writer)
        if let shared {
            writer.write(UInt8(1))
            shared.write(to: &writer)
        } else {
            writer.write(UInt8(0))
            GroupStatus.write(groups, to: &writer)
        }
        return writer.bytes
    }
}

extension CompareReply {
    private static let same: UInt8 = 1
    private static let notCounted: UInt8 = 2

    /// - Throws: `ByteError`, `NameError`, or `UnreadableComparison`.
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let flags = try reader.read(UInt8.self)
        guard flags & ~(Self.same | Self.notCounted) == 0 else { throw UnreadableComparison() }
        let groups = try GroupStatus.list(&reader)
        var newer: [HolderOfNewer] = []
        for _ in 0..<(try reader.read(UInt16.self)) {
            newer.append(
                HolderOfNewer(holder: try NodeName(try reader.readShortText()), slots: try SlotSet(&reader)))
        }
        guard reader.remaining == 0 else { throw UnreadableComparison() }
        self.init(
            groups: groups, same: flags & Self.same == 0 ? nil : true,
            counted: flags & Self.notCounted == 0 ? nil : false,
            newer: newer.isEmpty ? nil : newer)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 16 + groups.count * 24)
        writer.write((same == true ? Self.same : 0) | (counted == false ? Self.notCounted : 0))
        GroupStatus.write(groups, to: &writer)
        let holders = (newer ?? []).prefix(Int(UInt16.max))
        writer.write(UInt16(holders.count))
        for entry in holders {
            writer.write(shortText: entry.holder.text)
            entry.slots.write(to: &writer)
        }
        return writer.bytes
    }
}

/// A comparison that has not the form of one.
public struct UnreadableComparison: Error {}

extension GroupStatus {
    /// Slot, digest, owner and the length of the home's name.
    private static let bytesMin = 20

    fileprivate static func write(_ groups: [GroupStatus], to writer: inout ByteWriter) {
        writer.write(UInt32(clamping: groups.count))
        for group in groups {
            writer.write(group.key.slot.number)
            writer.write(shortText: group.key.home?.text ?? "")
            group.digest.write(to: &writer)
            writer.write(UInt8(group.owner ? 1 : 0))
        }
    }

    fileprivate static func list(_ reader: inout ByteReader) throws -> [GroupStatus] {
        let count = Int(try reader.read(UInt32.self))
        // No count reserves more than came.
        guard count <= reader.remaining / bytesMin else { throw UnreadableComparison() }
        var groups: [GroupStatus] = []
        groups.reserveCapacity(count)
        for _ in 0..<count {
            guard let slot = Slot(number: Int(try reader.read(UInt16.self))) else { throw UnreadableComparison() }
            let home = try reader.readShortText()
            let digest = try SetDigest(&reader)
            let owner = try reader.read(UInt8.self)
            guard owner <= 1 else { throw UnreadableComparison() }
            groups.append(
                GroupStatus(
                    key: GroupKey(slot: slot, home: home.isEmpty ? nil : try NodeName(home)), digest: digest,
                    owner: owner == 1))
        }
        return groups
    }
}

extension SetDigest {
    fileprivate init(_ reader: inout ByteReader) throws(ByteError) {
        self.init(high: try reader.read(), low: try reader.read())
    }

    fileprivate func write(to writer: inout ByteWriter) {
        writer.write(high)
        writer.write(low)
    }
}
