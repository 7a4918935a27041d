import Resources
import Vocabulary

/// "Of these names I hold nothing but these tombstones: do you hold anything else?"
public struct TombstoneRequest: Hashable, Sendable {
    /// All that are asked, and the asker.
    public let members: [NodeName]
    /// Whom operators had forgotten, as the asker knows.
    public let struck: [NodeName]
    public let sets: [VersionSet]
    /// All have said so twice: they are to be forgotten.
    public let isLast: Bool

    /// More than an asker puts into one.
    public static let setsMax = 4_096

    public init(members: [NodeName], struck: [NodeName] = [], sets: [VersionSet], isLast: Bool) {
        self.members = members
        self.struck = struck
        self.sets = sets
        self.isLast = isLast
    }

    /// Those names of which nothing else is held.
    ///
    /// - Parameter held: of the names, what is held.
    public func confirmed(by held: [ResourceName: VersionSet]) -> [VersionSet] {
        sets.filter { set in held[set.name].map { $0 == set } ?? true }
    }
}

public struct TombstoneReply: Hashable, Sendable {
    public let confirmed: [ResourceName]
    /// Whom the answerer has met, and the asker does not ask. Nothing is confirmed then.
    public let unlisted: [NodeName]

    public init(confirmed: [ResourceName] = [], unlisted: [NodeName] = []) {
        self.confirmed = confirmed
        self.unlisted = unlisted
    }
}

// MARK: - As they go from node to node

extension TombstoneRequest {
    /// - Throws: `ByteError`, `NameError`.
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let isLast = try reader.readFlag()
        let members = try reader.readList { try NodeName($0.readShortText()) }
        let struck = try reader.readList { try NodeName($0.readShortText()) }
        let sets = try reader.readList { try VersionSet(&$0) }
        guard reader.remaining == 0, struck.count <= Acquaintances.countMax, sets.count <= Self.setsMax,
            sets.allSatisfy({ $0.versions.allSatisfy(\.isTombstone) })
        else { throw ByteError.illegal }
        self.init(members: members, struck: struck, sets: sets, isLast: isLast)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 64 + members.count * 32 + sets.count * 192)
        writer.write(flag: isLast)
        writer.write(list: members) { $1.write(shortText: $0.text) }
        writer.write(list: struck) { $1.write(shortText: $0.text) }
        writer.write(list: sets) { $0.write(to: &$1) }
        return writer.bytes
    }
}

extension TombstoneReply {
    /// - Throws: `ByteError`, `NameError`.
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let confirmed = try reader.readList { try ResourceName(&$0) }
        let unlisted = try reader.readList { try NodeName($0.readShortText()) }
        guard reader.remaining == 0 else { throw ByteError.illegal }
        self.init(confirmed: confirmed, unlisted: unlisted)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 64 + confirmed.count * 64)
        writer.write(list: confirmed) { $0.write(to: &$1) }
        writer.write(list: unlisted) { $1.write(shortText: $0.text) }
        return writer.bytes
    }
}
