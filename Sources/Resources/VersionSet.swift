import Vocabulary

/// All that a node holds of one name: the head, and the history below it. Merge is set union followed by one prune
/// that depends on the set alone, so nodes that have seen the same writes hold the same set (law 4 and law 5).
public struct VersionSet: Hashable, Sendable, Codable {
    public let name: ResourceName
    /// Greatest first; never empty, at most `versionCountMax`.
    public private(set) var versions: [Version]

    /// `nil` when nothing is given, or when the versions are not all of one name.
    public init?(_ versions: [Version]) {
        guard let first = versions.first, versions.allSatisfy({ $0.name == first.name }) else { return nil }
        name = first.name
        self.versions = Self.pruned(versions)
    }

    public init(_ version: Version) {
        name = version.name
        versions = [version]
    }

    /// The head and its history together. Older ones go: at half, a mistake is harder to undo; at double, a large
    /// file that is overwritten daily takes twice the disk.
    public static let versionCountMax = 5

    public var head: Version { versions[0] }

    /// `nil` when the head is a tombstone: the name does not exist.
    public var live: Version? { head.isTombstone ? nil : head }

    /// Whether nothing is held of the name but that it was deleted, so long ago by the clocks of who did so and of who asks.
    public func isDeletedFor(_ age: Duration, wallMilliseconds: UInt64) -> Bool {
        let milliseconds = UInt64(max(0, age.saturatingNanoseconds) / 1_000_000)
        return versions.allSatisfy {
            $0.isTombstone && $0.time.advanced(byMilliseconds: milliseconds).wallMilliseconds <= wallMilliseconds
        }
    }

    /// How many versions lost to the head without its writer having seen them. A delete that lost to another one is none:
    /// nothing is lost by it.
    public var conflicts: Int {
        latest.count { $0.dot != head.dot && !(head.isTombstone && $0.isTombstone) }
    }

    /// Those that none of the others' writers had seen: the head, and what is concurrent with it.
    public var latest: [Version] {
        versions.filter { version in !versions.contains { $0.context.covers(version.dot) } }
    }

    /// What a writer that reads this set has seen.
    public var context: CausalContext {
        var context = CausalContext()
        for version in versions {
            context.add(version.context)
            context.add(version.dot)
        }
        return context
    }

    /// Whether it tells of writes that the node made in this boot: a node that drops it has to begin another epoch, for
    /// greater numbers of the same one would vouch for those.
    public func tells(ofWritesBy node: NodeName, in epoch: UInt64) -> Bool {
        context.dots.contains { $0.node == node && $0.epoch == epoch }
    }

    /// Whether whoever holds this lacks the version: it has not seen it, and would keep it.
    public func misses(_ version: Version) -> Bool {
        !context.covers(version.dot) && !dominates(VersionSet(version))
    }

    /// The greatest of those that go before the version without having seen it: two nodes took a write each, not knowing
    /// of the other's.
    public func rival(of version: Version) -> Version? {
        versions.first { Version.precedes(version, $0) && !$0.context.covers(version.dot) }
    }

    /// The greatest of those that have not seen the version, nor it them.
    public func concurrent(with version: Version) -> Version? {
        versions.first {
            $0.dot != version.dot && !$0.context.covers(version.dot) && !version.context.covers($0.dot)
        }
    }

    public func version(_ dot: Dot) -> Version? { versions.first { $0.dot == dot } }

    /// The union with what another node holds of the same name. Versions of other names are left out.
    public func merged(with others: some Sequence<Version>) -> VersionSet {
        var result = self
        result.versions = Self.pruned(versions + others.filter { $0.name == name })
        return result
    }

    /// Those of the offered versions that this set would keep and does not have: what is to be pulled.
    public static func lacking(_ mine: VersionSet?, offered: VersionSet) -> [Version] {
        guard let mine else { return offered.versions }
        return mine.merged(with: offered.versions).versions.filter { mine.version($0.dot) == nil }
    }

    /// Whether this set needs nothing from the other: it is at least as new.
    public func dominates(_ other: VersionSet) -> Bool { Self.lacking(self, offered: other).isEmpty }

    private static func pruned(_ versions: [Version]) -> [Version] {
        guard versions.count > 1 else { return versions }
        // What a delete had seen is gone with it, so that a delete gives its space back; what it had not seen stays.
        // Greatest first, and only deletes that are kept themselves count: so the greatest version is never removed,
        // and two nodes that exchange what they hold can only move upwards, to one and the same set.
        // Compared with those kept alone, so that a peer which sends very many of one name costs no more than sorting
        // them: a second version of a dot that was left out is left out for the same reason.
        var kept: [Version] = []
        for version in versions.sorted(by: { Version.precedes($1, $0) })
        where !kept.contains(where: { $0.dot == version.dot || $0.isTombstone && $0.context.covers(version.dot) }) {
            kept.append(version)
            if kept.count == versionCountMax { break }
        }
        return kept
    }
}

extension VersionSet {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let set = VersionSet(try container.decode([Version].self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a version set has one name and at least one version")
        }
        self = set
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(versions)
    }
}
