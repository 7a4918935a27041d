import GRDB
import Resources
import Vocabulary

extension Store {
    /// Everything held, group by group, sorted; linear in the groups.
    public func groups() async throws(StorageError) -> [GroupSummary] {
        let path = catalogue.path
        return try await catalogue.read("read the groups") { db in try CatalogueQueries(db: db, path: path).groups() }
    }

    /// One group; an empty summary when nothing of it is held.
    public func group(_ key: GroupKey) async throws(StorageError) -> GroupSummary {
        let path = catalogue.path
        return try await catalogue.read("read group \(key)") { db in
            try CatalogueQueries(db: db, path: path).group(key)
        }
    }

    /// All that is held of a name, a deleted one included.
    public func versions(of name: ResourceName) async throws(StorageError) -> VersionSet? {
        let path = catalogue.path
        return try await catalogue.read("read \(name)") { db in
            try CatalogueQueries(db: db, path: path).set(of: name)?.set
        }
    }

    /// The names of each of these groups, deleted ones included, in byte order; linear in what they hold. In one read: the
    /// threads' changes would cost more than the reading.
    public func versions(in groups: [GroupKey]) async throws(StorageError) -> [[VersionSet]] {
        let path = catalogue.path
        return try await catalogue.read("read \(groups.count) groups") { db in
            let queries = CatalogueQueries(db: db, path: path)
            return try groups.map { try queries.sets(in: $0) }
        }
    }

    /// All that is held of those of the names of which anything is.
    public func versions(of names: [ResourceName]) async throws(StorageError) -> [VersionSet] {
        guard !names.isEmpty else { return [] }
        let path = catalogue.path
        return try await catalogue.read("read \(names.count) names") { db in
            let queries = CatalogueQueries(db: db, path: path)
            return try names.compactMap { try queries.set(of: $0)?.set }
        }
    }

    /// Names in byte order, after `after`; a page as long as `limit` may have a next one.
    ///
    /// - Parameters:
    ///   - prefix: bytes that the names begin with.
    ///   - glob: a pattern over whole names; one that begins literally reads only the names that begin so.
    ///   - limit: 1…10,000; others are clamped.
    ///   - liveOnly: leaves deleted names out.
    public func list(
        prefix: String = "", glob: Glob? = nil, limit: Int = 1_000, after: ResourceName? = nil, liveOnly: Bool = true
    ) async throws(StorageError) -> [VersionSet] {
        let path = catalogue.path
        let count = min(max(limit, 1), Self.listLimitMax)
        let literal = glob?.literalPrefix ?? ""
        let (shorter, longer) =
            prefix.utf8.count < literal.utf8.count ? (prefix, literal) : (literal, prefix)
        // Two beginnings that contradict each other: no name has both.
        guard longer.utf8.starts(with: shorter.utf8) else { return [] }
        return try await catalogue.read("list names") { db in
            var sets: [VersionSet] = []
            try CatalogueQueries(db: db, path: path).eachSet(prefix: longer, after: after, liveOnly: liveOnly) { set in
                if glob?.matches(set.name.text) ?? true { sets.append(set) }
                return sets.count < count
            }
            return sets
        }
    }

    /// The nodes that wrote any version that is held, sorted; linear in the versions.
    public func writers() async throws(StorageError) -> [NodeName] {
        let path = catalogue.path
        return try await catalogue.read("look for writers") { db in
            try CatalogueQueries(db: db, path: path).writers()
        }
    }

    /// Names of which nothing is left but that they were deleted, `age` ago or longer; linear in the names.
    ///
    /// - Returns: `limit` of them at most, in byte order, and the last one where there are more after it.
    public func deleted(
        after: ResourceName?, for age: Duration, wallMilliseconds: UInt64, limit: Int
    ) async throws(StorageError) -> (sets: [VersionSet], next: ResourceName?) {
        let path = catalogue.path
        return try await catalogue.read("look for deleted names") { db in
            var sets: [VersionSet] = []
            var isMore = false
            try CatalogueQueries(db: db, path: path).eachDeleted(after: after) { set in
                guard set.isDeletedFor(age, wallMilliseconds: wallMilliseconds) else { return true }
                isMore = sets.count >= limit
                if !isMore { sets.append(set) }
                return !isMore
            }
            return (sets, isMore ? sets.last?.name : nil)
        }
    }

    public static let listLimitMax = 10_000

    /// Bytes that can still be written on the file system; 0 when it can not be asked.
    public func freeBytes() async -> UInt64 {
        let data = data
        return (try? await threads.run { () throws(StorageError) in Files.space(at: data.path)?.free }) ?? 0
    }

    // MARK: What else the agent keeps

    /// Keeps a value under a key, durably (members, keyring); `nil` removes it.
    public func save(_ value: [UInt8]?, for key: String) async throws(StorageError) {
        if let count = value?.count, count > Self.valueBytesMax {
            throw .valueTooLarge(key: key, bytes: count, bytesMax: Self.valueBytesMax)
        }
        try await catalogue.write("save \(key)") { db in try Schema.save(value, for: "agent." + key, in: db) }
    }

    public func load(_ key: String) async throws(StorageError) -> [UInt8]? {
        try await catalogue.read("load \(key)") { db in try Schema.load("agent." + key, in: db) }
    }

    /// 20,000 members as JSON take about 6 MiB.
    public static let valueBytesMax = 16 * 1_024 * 1_024
}
