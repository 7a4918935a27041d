import Resources
import Vocabulary

/// Which of the forms of a comparison or an exchange: each path of the protocol has its own for good.
public enum PeerForm: String, Hashable, Sendable, CaseIterable {
    /// That of agents of before 2026-11-30: it tells nothing of who has no room.
    case first = "v1"
    case second = "v2"
}

/// Comparisons as they go from node to node, in binary: while a node with much to get is looked at again, some ten thousand
/// groups cross each time, and JSON of them took the time that queries waited. Reading throws `ByteError` or `NameError`.
extension CompareRequest {
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let slots = try SlotSet(&reader)
        if try reader.readFlag() {
            self.init(slots: slots, groups: [], shared: try SetDigest(&reader))
        } else {
            self.init(slots: slots, groups: try reader.readList { try GroupStatus(&$0) })
        }
        guard reader.remaining == 0 else { throw ByteError.illegal }
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 2100 + groups.count * 24)
        slots.write(to: &writer)
        writer.write(flag: shared != nil)
        if let shared {
            shared.write(to: &writer)
        } else {
            writer.write(list: groups) { $0.write(to: &$1) }
        }
        return writer.bytes
    }
}

extension CompareReply {
    public init(_ bytes: ArraySlice<UInt8>, _ form: PeerForm) throws {
        var reader = ByteReader(bytes)
        let isSame = try reader.readFlag()
        let isCounted = try reader.readFlag()
        let groups = try reader.readList { try GroupStatus(&$0) }
        let newer = try reader.readList { try HolderOfNewer(&$0) }
        let noRoom = form == .first ? SlotSet() : try SlotSet(&reader)
        guard reader.remaining == 0 else { throw ByteError.illegal }
        self.init(groups: groups, same: isSame, counted: isCounted, newer: newer, noRoom: noRoom)
    }

    public func bytes(_ form: PeerForm) -> [UInt8] {
        var writer = ByteWriter(capacity: 16 + groups.count * 24)
        writer.write(flag: same)
        writer.write(flag: counted)
        writer.write(list: groups) { $0.write(to: &$1) }
        writer.write(list: newer) { $0.write(to: &$1) }
        if form != .first { noRoom.write(to: &writer) }
        return writer.bytes
    }
}

extension SumsRequest {
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let slots = try SlotSet(&reader)
        let ring = try SetDigest(&reader)
        let sums = try reader.readList { try SetDigest(&$0) }
        let groups = try reader.readList { try GroupStatus(&$0) }
        guard reader.remaining == 0, sums.count == slots.spans.count else { throw ByteError.illegal }
        self.init(slots: slots, ring: ring, sums: sums, groups: groups)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 2100 + sums.count * 16 + groups.count * 24)
        slots.write(to: &writer)
        ring.write(to: &writer)
        writer.write(list: sums) { $0.write(to: &$1) }
        writer.write(list: groups) { $0.write(to: &$1) }
        return writer.bytes
    }
}

extension SumsReply {
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let same = try SlotSet(&reader)
        let isCounted = try reader.readFlag()
        let groups = try reader.readList { try GroupStatus(&$0) }
        let newer = try reader.readList { try HolderOfNewer(&$0) }
        let noRoom = try SlotSet(&reader)
        guard reader.remaining == 0 else { throw ByteError.illegal }
        self.init(same: same, groups: groups, counted: isCounted, newer: newer, noRoom: noRoom)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 32 + groups.count * 24)
        same.write(to: &writer)
        writer.write(flag: counted)
        writer.write(list: groups) { $0.write(to: &$1) }
        writer.write(list: newer) { $0.write(to: &$1) }
        noRoom.write(to: &writer)
        return writer.bytes
    }
}

extension HolderOfNewer {
    fileprivate init(_ reader: inout ByteReader) throws {
        self.init(holder: try NodeName(try reader.readShortText()), slots: try SlotSet(&reader))
    }

    fileprivate func write(to writer: inout ByteWriter) {
        writer.write(shortText: holder.text)
        slots.write(to: &writer)
    }
}

extension GroupStatus {
    /// What `SharedDigest` hashes, too.
    func write(to writer: inout ByteWriter) {
        key.write(to: &writer)
        digest.write(to: &writer)
        writer.write(flag: owner)
    }

    fileprivate init(_ reader: inout ByteReader) throws {
        self.init(key: try GroupKey(&reader), digest: try SetDigest(&reader), owner: try reader.readFlag())
    }
}
