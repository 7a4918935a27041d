import Resources
import Vocabulary

/// "Of these names I hold nothing but these tombstones: do you hold anything else?"
public struct TombstoneRequest: Hashable, Sendable {
    /// All that are asked, and the asker.
    public let members: [NodeName]
    /// Whom operators had forgotten, as the asker knows, and in which life.
    public let struck: [NodeName: Life]
    public let sets: [VersionSet]
    /// All have said so twice: they are to be forgotten.
    public let isLast: Bool

    /// More than an asker puts into one.
    public static let setsMax = 4_096

    public init(members: [NodeName], struck: [NodeName: Life] = [:], sets: [VersionSet], isLast: Bool) {
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
    /// Whom the answerer has met, in which life last, and the asker does not ask. Nothing is confirmed then.
    public let unlisted: [NodeName: Life]

    public init(confirmed: [ResourceName] = [], unlisted: [NodeName: Life] = [:]) {
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
        let struck = try reader.readLives()
        let sets = try reader.readList { try VersionSet(&$0) }
        guard reader.remaining == 0, sets.count <= Self.setsMax,
            sets.allSatisfy({ $0.versions.allSatisfy(\.isTombstone) })
        else { throw ByteError.illegal }
        self.init(members: members, struck: struck, sets: sets, isLast: isLast)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 64 + members.count * 32 + sets.count * 192)
        writer.write(flag: isLast)
        writer.write(list: members) { $1.write(shortText: $0.text) }
        writer.write(lives: struck)
        writer.write(list: sets) { $0.write(to: &$1) }
        return writer.bytes
    }
}

extension TombstoneReply {
    /// - Throws: `ByteError`, `NameError`.
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let confirmed = try reader.readList { try ResourceName(&$0) }
        let unlisted = try reader.readLives()
        guard reader.remaining == 0 else { throw ByteError.illegal }
        self.init(confirmed: confirmed, unlisted: unlisted)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 64 + confirmed.count * 64)
        writer.write(list: confirmed) { $0.write(to: &$1) }
        writer.write(lives: unlisted)
        return writer.bytes
    }
}

extension ByteReader {
    /// - Throws: `ByteError`, `NameError`.
    fileprivate mutating func readLives() throws -> [NodeName: Life] {
        let entries = try readList { reader in
            (
                try NodeName(reader.readShortText()),
                Life(epoch: try reader.read(UInt64.self), incarnation: try reader.read(UInt32.self))
            )
        }
        guard entries.count <= Acquaintances.countMax else { throw ByteError.illegal }
        return Dictionary(entries, uniquingKeysWith: max)
    }
}

extension ByteWriter {
    fileprivate mutating func write(lives: [NodeName: Life]) {
        write(list: lives.sorted { $0.key < $1.key }) { entry, writer in
            writer.write(shortText: entry.key.text)
            writer.write(entry.value.epoch)
            writer.write(entry.value.incarnation)
        }
    }
}
