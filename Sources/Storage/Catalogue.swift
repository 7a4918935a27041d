import GRDB
import NIOConcurrencyHelpers
import Vocabulary

/// The SQLite database of names, versions and groups: one writer, a few readers that never wait for it (WAL), and a
/// sync of the log at every commit, so that what is committed survives a power cut (law 1).
///
/// No merge logic is in SQL: rows are read into a `VersionSet`, the pure cores decide, and the result is written.
final class Catalogue: Sendable {
    let path: String
    let cluster: ClusterName
    private let folder: String
    private let pool: DatabasePool
    private let isClosed = NIOLockedValueBox(false)
    private let commits = GroupCommit()
    let ballast: Ballast

    /// Opens or creates the database and checks it. Blocks.
    init(folder: DataFolder, cluster: ClusterName, node: NodeName, readerCount: Int) throws(StorageError) {
        path = folder.catalogue
        self.folder = folder.path
        self.cluster = cluster
        ballast = Ballast(folder: folder)
        ballast.letGoIfFull()
        var configuration = Configuration()
        configuration.label = "roost.catalogue"
        configuration.maximumReaderCount = readerCount
        // Only a person with sqlite3 can hold the database beside us; five seconds outlast any sane statement.
        configuration.busyMode = .timeout(5)
        let path = path
        do { try Self.rollBackCreation(path: path) } catch {
            throw Self.storageError(error, "open the catalogue", path: path, folder: folder.path)
        }
        let isNew = try Files.facts(path).map { $0.size == 0 } ?? true
        if isNew, try folder.hasBlobs() {
            throw .damaged(path: path, detail: "it is missing or empty, although there are blobs beside it")
        }
        do {
            if !isNew { try Self.verify(path: path, folder: folder.path) }
            pool = try DatabasePool(path: path, configuration: configuration)
            try pool.writeWithoutTransaction { db in
                // GRDB sets NORMAL with WAL, which may lose the last commits in a power cut: law 1 asks for FULL.
                try db.execute(sql: "PRAGMA synchronous = FULL")
                try Schema.create(db, cluster: cluster, node: node)
            }
            let owner = try pool.read { db in try Schema.owner(db, path: path) }
            guard owner.cluster == cluster, owner.node == node else {
                throw StorageError.belongsTo(folder: folder.path, node: owner.node, cluster: owner.cluster)
            }
        } catch { throw Self.storageError(error, "open the catalogue", path: path, folder: folder.path) }
        // SQLite syncs its files; that they are in the folder is ours to sync.
        if isNew { try Files.syncFolder(folder.path) }
    }

    /// There is a rollback journal only until the new database is in WAL mode: the first start ended right there, by a kill
    /// or a power cut. A read has SQLite undo what was begun, which a connection that may not write could not.
    private static func rollBackCreation(path: String) throws {
        guard try Files.facts("\(path)-journal") != nil else { return }
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        _ = try queue.read { db in try Int.fetchOne(db, sql: "PRAGMA user_version") }
        try queue.close()
    }

    /// Looks before anything is written: a damaged or foreign file stays as it is, for whoever repairs it.
    private static func verify(path: String, folder: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.read { db in try Schema.verify(db, folder: folder, path: path) }
        try queue.close()
    }

    /// Takes this start's boot epoch; durable when it returns. Blocks.
    func nextEpoch(wallMilliseconds: UInt64) throws(StorageError) -> UInt64 {
        do {
            return try pool.write { db in
                try Schema.nextEpoch(db, wallMilliseconds: wallMilliseconds, path: self.path)
            }
        } catch { throw storageError(error, "note the start") }
    }

    func close() {
        guard
            !isClosed.withLockedValue({ closed in
                defer { closed = true }; return closed
            })
        else { return }
        // GRDB closes the writer before the readers, so SQLite's own checkpoint at the last close never runs: with it
        // done here the next start has no log to go through, and the one file is the whole catalogue. What is committed
        // is safe without it, and a connection that can not close now closes with the process.
        _ = try? pool.writeWithoutTransaction { db in try db.checkpoint(.truncate) }
        try? pool.close()
    }

    /// Runs `body` in a transaction on the writer, together with others that wait for the writer at the same time. It is not
    /// cancelled half-way: it commits, or it throws and nothing has changed.
    ///
    /// - Parameters:
    ///   - committed: called on the writer right after the commit, before the next transaction begins.
    ///   - body: run again, in a transaction of its own, when another of those together with it failed, or when there was
    ///     no room but the ballast's.
    func write<T: Sendable>(
        _ operation: String, committed: @escaping @Sendable (T) -> Void = { _ in },
        _ body: @escaping @Sendable (Database) throws -> T
    ) async throws(StorageError) -> T {
        let ballast = ballast
        // Of several that find no room at the same time each goes on with what the first of them has let go of.
        let wasHeld = ballast.isHeld
        do throws(StorageError) {
            return try await writeOnce(operation, committed: committed, body)
        } catch {
            guard case .full = error, wasHeld else { throw error }
            try await onWriter("let go of the ballast") { _ in ballast.letGo() }
            return try await writeOnce(operation, committed: committed, body)
        }
    }

    private func writeOnce<T: Sendable>(
        _ operation: String, committed: @escaping @Sendable (T) -> Void,
        _ body: @escaping @Sendable (Database) throws -> T
    ) async throws(StorageError) -> T {
        try checkOpen()
        let outcome = NIOLockedValueBox<T?>(nil)
        let failure: (any Error)? = await withCheckedContinuation { continuation in
            let isFirst = commits.add(
                GroupCommit.Write(
                    run: { db in
                        let result = try body(db)
                        outcome.withLockedValue { $0 = result }
                    },
                    ended: { failure in
                        if failure == nil, let result = outcome.withLockedValue({ $0 }) { committed(result) }
                        continuation.resume(returning: failure)
                    }))
            if isFirst { pool.asyncWriteWithoutTransaction { db in self.commits.carryOut(in: db) } }
        }
        if let failure { throw storageError(failure, operation) }
        guard let result = outcome.withLockedValue({ $0 }) else { throw .closed(folder: folder) }
        return result
    }

    /// Runs `body` on the writer, between transactions.
    func onWriter<T: Sendable>(
        _ operation: String, _ body: @escaping @Sendable (Database) throws -> T
    ) async throws(StorageError) -> T {
        try checkOpen()
        let result: Result<T, StorageError> = await withCheckedContinuation { continuation in
            pool.asyncWriteWithoutTransaction { db in
                do { continuation.resume(returning: .success(try body(db))) } catch {
                    continuation.resume(returning: .failure(self.storageError(error, operation)))
                }
            }
        }
        return try result.get()
    }

    /// Runs `body` on a reader, which sees one state of the database throughout.
    func read<T: Sendable>(
        _ operation: String, _ body: @escaping @Sendable (Database) throws -> T
    ) async throws(StorageError) -> T {
        try checkOpen()
        do { return try await pool.read(body) } catch { throw storageError(error, operation) }
    }

    private func checkOpen() throws(StorageError) {
        if isClosed.withLockedValue({ $0 }) { throw .closed(folder: folder) }
    }

    private func storageError(_ error: any Error, _ operation: String) -> StorageError {
        if isClosed.withLockedValue({ $0 }) { return .closed(folder: folder) }
        return Self.storageError(error, operation, path: path, folder: folder)
    }

    static func storageError(_ error: any Error, _ operation: String, path: String, folder: String) -> StorageError {
        switch error {
        case let error as StorageError: return error
        case is CancellationError: return .cancelled
        case let error as DatabaseError:
            let free = Files.space(at: folder)?.free ?? 0
            let message = error.message ?? "nothing more"
            switch error.resultCode {
            case .SQLITE_FULL: return .full(folder: folder, freeBytes: free)
            // Shared memory and directory syncs report a full disk as an I/O error.
            case .SQLITE_IOERR where free < 1_024 * 1_024: return .full(folder: folder, freeBytes: free)
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .damaged(path: path, detail: message)
            default:
                return .database(
                    operation: operation, path: path, code: error.extendedResultCode.rawValue, message: message)
            }
        default: return .database(operation: operation, path: path, code: 0, message: "\(error)")
        }
    }
}
