import Foundation
import GRDB
import Vocabulary

/// The catalogue's tables. STRICT, so that a column never holds another type than it says.
///
/// A name is in one group, that of its head (`VersionSet.group`); the index on it makes reading a group linear in the
/// group. Texts compare by BINARY, SQLite's default: byte order, as `ResourceName` has it.
enum Schema {
    static let number = 1

    private static let tables = """
        CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE names (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            slot INTEGER NOT NULL,
            home TEXT NOT NULL,      -- of the head; '' for none
            live INTEGER NOT NULL    -- 0 when the head is a tombstone
        ) STRICT;
        CREATE INDEX names_by_group ON names (slot, home);
        CREATE TABLE versions (
            name INTEGER NOT NULL,
            node TEXT NOT NULL, epoch INTEGER NOT NULL, counter INTEGER NOT NULL,    -- the dot
            time INTEGER NOT NULL,
            context BLOB NOT NULL,
            home TEXT NOT NULL,
            sha256 BLOB, size INTEGER, media TEXT,    -- all NULL for a tombstone
            PRIMARY KEY (name, node, epoch, counter)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX versions_by_blob ON versions (sha256) WHERE sha256 IS NOT NULL;
        CREATE TABLE groups (
            slot INTEGER NOT NULL, home TEXT NOT NULL,
            high INTEGER NOT NULL, low INTEGER NOT NULL,    -- the digest
            names INTEGER NOT NULL, resources INTEGER NOT NULL, bytes INTEGER NOT NULL,
            PRIMARY KEY (slot, home)
        ) STRICT, WITHOUT ROWID;
        """

    /// Checks that the file is a sound database of a schema that this code knows, or a new one.
    static func verify(_ db: Database, folder: String, path: String) throws {
        let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        if found > number { throw StorageError.newerSchema(folder: folder, found: found, known: number) }
        let answer = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "no answer"
        guard answer == "ok" else { throw StorageError.damaged(path: path, detail: answer) }
        if found == 0, try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") != 0 {
            throw StorageError.damaged(path: path, detail: "it is a database, but not one of Roost's")
        }
    }

    /// Creates the tables of a new database and notes whose it is, in one transaction.
    static func create(_ db: Database, cluster: ClusterName, node: NodeName) throws {
        guard try Int.fetchOne(db, sql: "PRAGMA user_version") == 0 else { return }
        try db.inTransaction(.immediate) {
            try db.execute(sql: tables)
            try save(Array(cluster.text.utf8), for: "cluster", in: db)
            try save(Array(node.text.utf8), for: "node", in: db)
            try db.execute(sql: "PRAGMA user_version = \(number)")
            return .commit
        }
    }

    static func owner(_ db: Database, path: String) throws -> (cluster: ClusterName, node: NodeName) {
        func text(_ key: String) throws -> String { String(decoding: try load(key, in: db) ?? [], as: UTF8.self) }
        guard let cluster = try? ClusterName(text("cluster")), let node = try? NodeName(text("node")) else {
            throw StorageError.damaged(path: path, detail: "it does not say which node wrote it")
        }
        return (cluster, node)
    }

    /// The boot epoch of this start: greater than every earlier one, whatever the machine's clock says.
    static func nextEpoch(_ db: Database, wallMilliseconds: UInt64, path: String) throws -> UInt64 {
        var previous: UInt64 = 0
        if let bytes = try load("epoch", in: db) {
            var reader = ByteReader(bytes)
            guard let value: UInt64 = try? reader.read(), value < .max else {
                throw StorageError.damaged(path: path, detail: "its boot epoch can not be read")
            }
            previous = value
        }
        let epoch = max(previous + 1, wallMilliseconds)
        var writer = ByteWriter(capacity: 8)
        writer.write(epoch)
        try save(writer.bytes, for: "epoch", in: db)
        return epoch
    }

    static func save(_ value: [UInt8]?, for key: String, in db: Database) throws {
        if let value {
            try db.cachedStatement(
                sql: "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
            ).execute(arguments: [key, Data(value)])
        } else {
            try db.cachedStatement(sql: "DELETE FROM meta WHERE key = ?").execute(arguments: [key])
        }
    }

    static func load(_ key: String, in db: Database) throws -> [UInt8]? {
        try Data.fetchOne(db, sql: "SELECT value FROM meta WHERE key = ?", arguments: [key]).map { Array($0) }
    }
}
