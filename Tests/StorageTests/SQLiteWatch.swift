import Foundation
import GRDBSQLite

@testable import Storage

/// Hears every change that SQLite makes to its files, as `FileWatch` does of the store's own: a VFS in front of the system's
/// (https://www.sqlite.org/vfs.html) that passes everything on and tells of writes, syncs and removals.
///
/// The shared memory beside the log (`-shm`) is not told of: it says nothing that the log does not, and SQLite makes it anew
/// after a restart of the machine (https://www.sqlite.org/walformat.html, 2.2).
enum SQLiteWatch {
    private static let listeners = FileWatch.Listeners()

    /// Called on the thread that made the change, before SQLite goes on. Of what is opened from now on.
    static func listen(_ body: @escaping @Sendable (FileWatch.Change) -> Void) -> UInt64 {
        precondition(isInstalled)
        return listeners.add(body)
    }

    static func end(_ id: UInt64) { listeners.remove(id) }
    fileprivate static func note(_ change: FileWatch.Change) { listeners.note(change) }

    /// Makes the VFS the one of whatever is opened without another's name, once for the process.
    private static let isInstalled: Bool = {
        guard let system = sqlite3_vfs_find(nil) else { return false }
        let name = "roost-watch"
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: name.utf8.count + 1)
        for (index, byte) in name.utf8.enumerated() { copy[index] = CChar(bitPattern: byte) }
        copy[name.utf8.count] = 0
        let watch = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        // What is not replaced here knows nothing of the files that it opened, and works with either.
        watch.initialize(to: system.pointee)
        watch.pointee.pNext = nil
        watch.pointee.zName = UnsafePointer(copy)
        watch.pointee.pAppData = UnsafeMutableRawPointer(system)
        watch.pointee.szOsFile += Int32(MemoryLayout<WatchedFile>.stride)
        watch.pointee.xOpen = { vfs, path, file, flags, outFlags in
            guard let file, let system = Self.system(of: vfs) else { return SQLITE_CANTOPEN }
            return WatchedFile.open(file, path, system, flags, outFlags)
        }
        watch.pointee.xDelete = { vfs, path, syncsFolder in
            guard let system = Self.system(of: vfs), let delete = system.pointee.xDelete else { return SQLITE_IOERR }
            let status = delete(system, path, syncsFolder)
            if status == SQLITE_OK, let path {
                note(.removed(String(cString: path)))
                if syncsFolder != 0 { note(.syncedFolder(Files.parent(of: String(cString: path)))) }
            }
            return status
        }
        return sqlite3_vfs_register(watch, 1) == SQLITE_OK
    }()

    private static func system(of vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> UnsafeMutablePointer<sqlite3_vfs>? {
        vfs?.pointee.pAppData?.assumingMemoryBound(to: sqlite3_vfs.self)
    }
}

/// What SQLite takes for its file. The system's own follows it in the same memory, which SQLite gives for both.
private struct WatchedFile {
    /// SQLite reads this, so it stands first.
    var base = sqlite3_file()
    /// Nil of a temporary file, which nobody looks for after a restart.
    var path: UnsafeMutablePointer<CChar>?
    /// A log or journal of which the system's VFS has yet to sync the folder: it does so with the first sync of the file
    /// (`UNIXFILE_DIRSYNC` in SQLite's os_unix.c).
    var syncsFolder = false

    static func open(
        _ file: UnsafeMutablePointer<sqlite3_file>, _ path: UnsafePointer<CChar>?,
        _ system: UnsafeMutablePointer<sqlite3_vfs>, _ flags: Int32, _ outFlags: UnsafeMutablePointer<Int32>?
    ) -> Int32 {
        let memory = UnsafeMutableRawPointer(file)
        let watched = memory.assumingMemoryBound(to: WatchedFile.self)
        watched.initialize(to: WatchedFile())
        let inner = memory.advanced(by: MemoryLayout<WatchedFile>.stride).assumingMemoryBound(to: sqlite3_file.self)
        var exists: Int32 = 0
        _ = path.map { system.pointee.xAccess(system, $0, SQLITE_ACCESS_EXISTS, &exists) }
        guard let open = system.pointee.xOpen else { return SQLITE_CANTOPEN }
        let status = open(system, path, inner, flags, outFlags)
        // By this SQLite sees that there is nothing to close.
        guard inner.pointee.pMethods != nil else { return status }
        let isLog = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL) != 0
        watched.pointee.path = path.flatMap { strdup($0) }
        watched.pointee.syncsFolder = isLog && flags & SQLITE_OPEN_CREATE != 0
        watched.pointee.base.pMethods = UnsafePointer(methods)
        if status == SQLITE_OK, exists == 0 { wrote(file) }
        return status
    }

    private static func inner(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafeMutablePointer<sqlite3_file>? {
        file.map {
            UnsafeMutableRawPointer($0).advanced(by: MemoryLayout<WatchedFile>.stride)
                .assumingMemoryBound(to: sqlite3_file.self)
        }
    }

    private static func watched(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafeMutablePointer<WatchedFile>? {
        file.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: WatchedFile.self) }
    }

    private static func wrote(_ file: UnsafeMutablePointer<sqlite3_file>?) {
        if let path = watched(file)?.pointee.path { SQLiteWatch.note(.wrote(String(cString: path))) }
    }

    private static func synced(_ file: UnsafeMutablePointer<sqlite3_file>?) {
        guard let watched = watched(file), let cPath = watched.pointee.path else { return }
        let path = String(cString: cPath)
        SQLiteWatch.note(.synced(path))
        guard watched.pointee.syncsFolder else { return }
        watched.pointee.syncsFolder = false
        SQLiteWatch.note(.syncedFolder(Files.parent(of: path)))
    }

    // Filled before the first file is opened, and not changed since.
    private nonisolated(unsafe) static let methods: UnsafeMutablePointer<sqlite3_io_methods> = {
        let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        methods.initialize(to: sqlite3_io_methods())
        methods.pointee.iVersion = 3
        methods.pointee.xClose = { file in
            guard let watched = Self.watched(file), let inner = Self.inner(file) else { return SQLITE_IOERR }
            free(watched.pointee.path)
            watched.pointee.path = nil
            return inner.pointee.pMethods.pointee.xClose(inner)
        }
        methods.pointee.xRead = { file, bytes, count, offset in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            return inner.pointee.pMethods.pointee.xRead(inner, bytes, count, offset)
        }
        methods.pointee.xWrite = { file, bytes, count, offset in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            let status = inner.pointee.pMethods.pointee.xWrite(inner, bytes, count, offset)
            if status == SQLITE_OK { wrote(file) }
            return status
        }
        methods.pointee.xTruncate = { file, size in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            let status = inner.pointee.pMethods.pointee.xTruncate(inner, size)
            if status == SQLITE_OK { wrote(file) }
            return status
        }
        methods.pointee.xSync = { file, flags in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            let status = inner.pointee.pMethods.pointee.xSync(inner, flags)
            if status == SQLITE_OK { synced(file) }
            return status
        }
        methods.pointee.xFileSize = { file, size in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            return inner.pointee.pMethods.pointee.xFileSize(inner, size)
        }
        methods.pointee.xLock = { file, level in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            return inner.pointee.pMethods.pointee.xLock(inner, level)
        }
        methods.pointee.xUnlock = { file, level in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            return inner.pointee.pMethods.pointee.xUnlock(inner, level)
        }
        methods.pointee.xCheckReservedLock = { file, isReserved in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            return inner.pointee.pMethods.pointee.xCheckReservedLock(inner, isReserved)
        }
        methods.pointee.xFileControl = { file, operation, argument in
            guard let inner = Self.inner(file) else { return SQLITE_NOTFOUND }
            return inner.pointee.pMethods.pointee.xFileControl(inner, operation, argument)
        }
        methods.pointee.xSectorSize = { file in
            guard let inner = Self.inner(file) else { return 0 }
            return inner.pointee.pMethods.pointee.xSectorSize(inner)
        }
        methods.pointee.xDeviceCharacteristics = { file in
            guard let inner = Self.inner(file) else { return 0 }
            return inner.pointee.pMethods.pointee.xDeviceCharacteristics(inner)
        }
        methods.pointee.xShmMap = { file, region, size, extends, memory in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            return inner.pointee.pMethods.pointee.xShmMap(inner, region, size, extends, memory)
        }
        methods.pointee.xShmLock = { file, offset, count, flags in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            return inner.pointee.pMethods.pointee.xShmLock(inner, offset, count, flags)
        }
        methods.pointee.xShmBarrier = { file in
            guard let inner = Self.inner(file) else { return }
            inner.pointee.pMethods.pointee.xShmBarrier(inner)
        }
        methods.pointee.xShmUnmap = { file, removes in
            guard let inner = Self.inner(file) else { return SQLITE_OK }
            return inner.pointee.pMethods.pointee.xShmUnmap(inner, removes)
        }
        methods.pointee.xFetch = { file, offset, count, memory in
            guard let inner = Self.inner(file) else { return SQLITE_IOERR }
            return inner.pointee.pMethods.pointee.xFetch(inner, offset, count, memory)
        }
        methods.pointee.xUnfetch = { file, offset, memory in
            guard let inner = Self.inner(file) else { return SQLITE_OK }
            return inner.pointee.pMethods.pointee.xUnfetch(inner, offset, memory)
        }
        return methods
    }()
}
