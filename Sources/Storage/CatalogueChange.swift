import Foundation
import GRDB
import Resources
import Vocabulary

/// The changes of one transaction: rows are replaced set by set, and the groups are kept in step with them.
struct CatalogueChange {
    let queries: CatalogueQueries
    let cluster: ClusterName
    /// Groups as they will be, by key; written once, at the end.
    private var groups: [GroupKey: GroupSummary] = [:]
    /// The bytes that some version stopped naming.
    private(set) var released: Set<ContentDigest> = []
    /// The bytes that the sets given to `merge` name now.
    private(set) var named: Set<ContentDigest> = []

    private var db: Database { queries.db }

    init(db: Database, path: String, cluster: ClusterName) {
        queries = CatalogueQueries(db: db, path: path)
        self.cluster = cluster
    }

    /// Merges versions of one name in. Every blob that is newly named must be durable, as `isDurable` says.
    mutating func merge(
        _ versions: [Version], into old: (id: Int64, set: VersionSet)?,
        isDurable: (ContentDigest, UInt64) throws -> Bool
    ) throws {
        guard let merged = old.map({ $0.set.merged(with: versions) }) ?? VersionSet(versions) else { return }
        named.formUnion(merged.versions.compactMap(\.digest))
        if merged == old?.set { return }
        let added = merged.versions.filter { old?.set.version($0.dot) == nil }
        for version in added {
            if let digest = version.digest, try !isDurable(digest, version.size) {
                throw StorageError.missingBlob(digest)
            }
        }
        let key = merged.group(in: cluster)
        let id: Int64
        if let old {
            id = old.id
            try db.cachedStatement(sql: "UPDATE names SET slot = ?, home = ?, live = ? WHERE id = ?").execute(
                arguments: [Int(key.slot.number), key.home?.text ?? "", merged.live == nil ? 0 : 1, id])
            for version in old.set.versions where merged.version(version.dot) == nil {
                try db.cachedStatement(
                    sql: "DELETE FROM versions WHERE name = ? AND node = ? AND epoch = ? AND counter = ?"
                ).execute(
                    arguments: [
                        id, version.dot.node.text, Int64(bitPattern: version.dot.epoch),
                        Int64(bitPattern: version.dot.counter),
                    ])
                if let digest = version.digest { released.insert(digest) }
            }
            try update(old.set.group(in: cluster)) { $0.remove(old.set) }
        } else {
            try db.cachedStatement(sql: "INSERT INTO names (name, slot, home, live) VALUES (?, ?, ?, ?)").execute(
                arguments: [merged.name.text, Int(key.slot.number), key.home?.text ?? "", merged.live == nil ? 0 : 1])
            id = db.lastInsertedRowID
        }
        for version in added {
            try db.cachedStatement(sql: "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").execute(
                arguments: version.arguments(nameID: id))
        }
        try update(key) { $0.add(merged) }
    }

    /// Removes a name with all its versions.
    mutating func remove(_ name: ResourceName) throws {
        guard let old = try queries.set(of: name) else { return }
        try db.cachedStatement(sql: "DELETE FROM versions WHERE name = ?").execute(arguments: [old.id])
        try db.cachedStatement(sql: "DELETE FROM names WHERE id = ?").execute(arguments: [old.id])
        released.formUnion(old.set.versions.compactMap(\.digest))
        try update(old.set.group(in: cluster)) { $0.remove(old.set) }
    }

    private mutating func update(_ key: GroupKey, _ change: (inout GroupSummary) -> Void) throws {
        var group = try groups[key] ?? queries.group(key)
        change(&group)
        groups[key] = group
    }

    /// Writes the groups that changed and gives them back, sorted; one without names is gone from the table.
    func finish() throws -> [GroupSummary] {
        let changed = groups.values.sorted { $0.key < $1.key }
        for group in changed {
            if group.isEmpty {
                try db.cachedStatement(sql: "DELETE FROM groups WHERE slot = ? AND home = ?").execute(
                    arguments: [Int(group.key.slot.number), group.key.home?.text ?? ""])
            } else {
                try db.cachedStatement(sql: "INSERT OR REPLACE INTO groups VALUES (?, ?, ?, ?, ?, ?, ?)").execute(
                    arguments: group.arguments)
            }
        }
        return changed
    }
}
