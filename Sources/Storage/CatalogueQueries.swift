import Foundation
import GRDB
import Resources
import Vocabulary

/// What can be asked of the catalogue inside a transaction or a read.
struct CatalogueQueries {
    let db: Database
    let path: String

    func set(of name: ResourceName) throws -> (id: Int64, set: VersionSet)? {
        let sql = "SELECT n.id, \(Version.columns) FROM names n JOIN versions v ON v.name = n.id WHERE n.name = ?"
        var id: Int64?
        var versions: [Version] = []
        let rows = try Row.fetchCursor(db.cachedStatement(sql: sql), arguments: [name.text])
        while let row = try rows.next() {
            let values = RowValues(row: row, path: path)
            id = try values.value(0)
            versions.append(try Version(values, name: name, from: 1))
        }
        guard let id, let set = VersionSet(versions) else { return nil }
        return (id, set)
    }

    func sets(in group: GroupKey) throws -> [VersionSet] {
        let sql = """
            SELECT n.name, \(Version.columns) FROM names n CROSS JOIN versions v ON v.name = n.id
            WHERE n.slot = ? AND n.home = ? ORDER BY n.id
            """
        var sets: [VersionSet] = []
        try each(sql, [Int(group.slot.number), group.home?.text ?? ""]) { set in
            sets.append(set)
            return true
        }
        return sets.sorted { $0.name < $1.name }
    }

    /// The sets of names after `after`, in byte order, until `body` says that it has enough.
    func eachSet(
        prefix: String, after: ResourceName?, liveOnly: Bool, _ body: (VersionSet) throws -> Bool
    ) throws {
        // One scan of the index on names from the first candidate on; it is stopped past the prefix. One lower bound
        // only: given two, SQLite might begin at the lesser, and reading page by page would be quadratic.
        let begin: (operator: String, text: String) =
            if let after, !after.text.utf8.lexicographicallyPrecedes(prefix.utf8) { (">", after.text) } else {
                (">=", prefix)
            }
        let sql = """
            SELECT n.name, \(Version.columns) FROM names n CROSS JOIN versions v ON v.name = n.id
            WHERE n.name \(begin.operator) ? AND n.live >= ? ORDER BY n.name
            """
        try each(sql, [begin.text, liveOnly ? 1 : 0]) { set in
            guard set.name.text.utf8.starts(with: prefix.utf8) else { return false }
            return try body(set)
        }
    }

    /// The sets of deleted names after `after`, in byte order, until `body` says that it has enough.
    func eachDeleted(after: ResourceName?, _ body: (VersionSet) throws -> Bool) throws {
        let sql = """
            SELECT n.name, \(Version.columns) FROM names n CROSS JOIN versions v ON v.name = n.id
            WHERE n.name > ? AND n.live = 0 ORDER BY n.name
            """
        try each(sql, [after?.text ?? ""], body)
    }

    /// Groups consecutive rows of one name into sets.
    private func each(
        _ sql: String, _ arguments: StatementArguments, _ body: (VersionSet) throws -> Bool
    ) throws {
        let rows = try Row.fetchCursor(db.cachedStatement(sql: sql), arguments: arguments)
        var name: ResourceName?
        var versions: [Version] = []
        while let row = try rows.next() {
            let values = RowValues(row: row, path: path)
            let next = try values.name(0)
            if next != name {
                if let set = VersionSet(versions), try !body(set) { return }
                versions.removeAll(keepingCapacity: true)
                name = next
            }
            versions.append(try Version(values, name: next, from: 1))
        }
        if let set = VersionSet(versions) { _ = try body(set) }
    }

    /// Those whose writes are held.
    func writers() throws -> [NodeName] {
        let rows = try Row.fetchCursor(db, sql: "SELECT DISTINCT node FROM versions ORDER BY node")
        var names: [NodeName] = []
        while let row = try rows.next() {
            let values = RowValues(row: row, path: path)
            guard let name = try? NodeName(values.value(0, as: String.self)) else { throw values.damage("a node") }
            names.append(name)
        }
        return names
    }

    func groups() throws -> [GroupSummary] {
        let rows = try Row.fetchCursor(db, sql: "SELECT \(GroupSummary.columns) FROM groups ORDER BY slot, home")
        var groups: [GroupSummary] = []
        while let row = try rows.next() { groups.append(try GroupSummary(RowValues(row: row, path: path))) }
        return groups
    }

    func group(_ key: GroupKey) throws -> GroupSummary {
        let sql = "SELECT \(GroupSummary.columns) FROM groups WHERE slot = ? AND home = ?"
        let row = try Row.fetchOne(
            db.cachedStatement(sql: sql), arguments: [Int(key.slot.number), key.home?.text ?? ""])
        return try row.map { try GroupSummary(RowValues(row: $0, path: path)) } ?? GroupSummary(key: key)
    }

    func isReferenced(_ digest: ContentDigest) throws -> Bool {
        let sql = "SELECT 1 FROM versions WHERE sha256 = ? LIMIT 1"
        return try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [Data(digest.bytes)]) != nil
    }

    /// The blobs that versions name, by digest, after `after`. The greatest size counts where versions differ, which they
    /// never should.
    func blobs(after: ContentDigest?, limit: Int) throws -> [StoredBlob] {
        let sql = """
            SELECT sha256, max(size) FROM versions WHERE sha256 IS NOT NULL AND sha256 > ?
            GROUP BY sha256 ORDER BY sha256 LIMIT ?
            """
        let rows = try Row.fetchCursor(
            db.cachedStatement(sql: sql), arguments: [Data(after?.bytes ?? []), limit])
        var blobs: [StoredBlob] = []
        while let row = try rows.next() {
            let values = RowValues(row: row, path: path)
            guard let digest = ContentDigest(bytes: try values.value(0, as: Data.self)) else {
                throw values.damage("a SHA-256")
            }
            blobs.append(StoredBlob(digest: digest, size: try values.unsigned(1)))
        }
        return blobs
    }

    /// How many blobs versions name, and their bytes; linear in the versions.
    func blobTotals() throws -> (count: UInt64, bytes: UInt64) {
        let sql = """
            SELECT count(*), coalesce(sum(size), 0) FROM
            (SELECT max(size) AS size FROM versions WHERE sha256 IS NOT NULL GROUP BY sha256)
            """
        guard let row = try Row.fetchOne(db, sql: sql) else { return (0, 0) }
        let values = RowValues(row: row, path: path)
        return (try values.unsigned(0), try values.unsigned(1))
    }

    /// Who needs a blob: the names, at most `limit`, with their groups; nil for bytes that no version names.
    func use(of digest: ContentDigest, limit: Int) throws -> BlobUse? {
        let sql = """
            SELECT DISTINCT n.name, v.size FROM versions v JOIN names n ON n.id = v.name WHERE v.sha256 = ? LIMIT ?
            """
        let rows = try Row.fetchCursor(db.cachedStatement(sql: sql), arguments: [Data(digest.bytes), limit])
        var found: BlobUse?
        while let row = try rows.next() {
            let values = RowValues(row: row, path: path)
            var use = try found ?? BlobUse(size: values.unsigned(1))
            use.names.append(try values.name(0))
            found = use
        }
        guard var use = found else { return nil }
        let groups = try Row.fetchCursor(
            db.cachedStatement(
                sql: "SELECT DISTINCT n.slot, n.home FROM versions v JOIN names n ON n.id = v.name WHERE v.sha256 = ?"),
            arguments: [Data(digest.bytes)])
        while let row = try groups.next() {
            let values = RowValues(row: row, path: path)
            guard let slot = Slot(number: try values.value(0)) else { throw values.damage("a slot") }
            use.groups.insert(GroupKey(slot: slot, home: try values.home(1)))
        }
        return use
    }

    /// The groups as counted afresh from the versions: what `groups` must always equal.
    func recount(in cluster: ClusterName) throws -> [GroupSummary] {
        var groups: [GroupKey: GroupSummary] = [:]
        try eachSet(prefix: "", after: nil, liveOnly: false) { set in
            let key = set.group(in: cluster)
            groups[key, default: GroupSummary(key: key)].add(set)
            return true
        }
        return groups.values.sorted { $0.key < $1.key }
    }
}
