// Every system call that changes or reads the data folder, outside SQLite's own. One place, so that a recorder of
// writes, syncs and renames (power loss, law 1) has one place to listen. All of these block: call them on the store's
// threads only.

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A file descriptor that closes itself with its last reference.
final class OpenFile: Sendable {
    let descriptor: CInt
    let path: String

    init(descriptor: CInt, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Files.system.write(descriptor, rest.baseAddress, rest.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw .posix("write", path, errno)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
        FileWatch.note(.wrote(path))
    }

    /// Fills as much of `bytes` as the file has from `offset` on; returns how much that was.
    func read(at offset: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: bytes.dropFirst(done))
            let position = off_t(clamping: offset.addingReportingOverflow(UInt64(done)).partialValue)
            let count = pread(descriptor, rest.baseAddress, rest.count, position)
            if count < 0 {
                if errno == EINTR { continue }
                throw .posix("read", path, errno)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func sync() throws(StorageError) {
        try flush()
        FileWatch.note(.synced(path))
    }

    fileprivate func flush() throws(StorageError) {
        while fsync(descriptor) != 0 {
            guard errno == EINTR else { throw .posix("sync", path, errno) }
        }
    }

    /// Writes the first byte anew as it is, where there is one: nothing changes, and no room is needed.
    func writeFirstByteAgain() throws(StorageError) {
        var byte: UInt8 = 0
        guard try withUnsafeMutableBytes(of: &byte, { bytes throws(StorageError) in try read(at: 0, into: bytes) }) == 1
        else { return }
        while pwrite(descriptor, &byte, 1, 0) < 0 {
            guard errno == EINTR else { throw .posix("write", path, errno) }
        }
        FileWatch.note(.wrote(path))
    }

    /// Which file this is, whatever its path leads to by now.
    func identity() throws(StorageError) -> FileIdentity {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw .posix("look at", path, errno) }
        return FileIdentity(info)
    }

    /// Has the next read of the range come from the disk: what memory still has of it says nothing of the disk.
    func forgetCached(from offset: UInt64, count: UInt64) {
        #if canImport(Glibc)
            // Advice: where it is not taken, the read is as good as any other.
            _ = posix_fadvise(descriptor, off_t(clamping: offset), off_t(clamping: count), POSIX_FADV_DONTNEED)
        #endif
    }

    func size() throws(StorageError) -> UInt64 {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw .posix("look at", path, errno) }
        return UInt64(clamping: info.st_size)
    }

    func truncate(to size: UInt64) throws(StorageError) {
        let before = try self.size()
        guard ftruncate(descriptor, off_t(clamping: size)) == 0 else { throw .posix("shorten", path, errno) }
        if before != size { FileWatch.note(.wrote(path)) }
        guard lseek(descriptor, 0, SEEK_END) >= 0 else { throw .posix("seek in", path, errno) }
    }
}

enum Files {
    /// The C function under the name that `OpenFile.write` hides.
    enum system {
        static func write(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
            #if canImport(Glibc)
                Glibc.write(descriptor, bytes, count)
            #else
                Darwin.write(descriptor, bytes, count)
            #endif
        }
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func open(_ path: String, _ flags: CInt, mode: mode_t = 0o600) throws(StorageError) -> OpenFile {
        guard let file = try openIfPresent(path, flags, mode: mode) else { throw .posix("open", path, ENOENT) }
        return file
    }

    /// `nil` when there is no such file.
    static func openIfPresent(_ path: String, _ flags: CInt, mode: mode_t = 0o600) throws(StorageError) -> OpenFile? {
        while true {
            #if canImport(Glibc)
                let descriptor = Glibc.open(path, flags | O_CLOEXEC, mode)
            #else
                let descriptor = Darwin.open(path, flags | O_CLOEXEC, mode)
            #endif
            if descriptor >= 0 { return OpenFile(descriptor: descriptor, path: path) }
            switch errno {
            case EINTR: continue
            case ENOENT: return nil
            default: throw .posix("open", path, errno)
            }
        }
    }

    /// Creates the folder and those above it, each synced into its parent.
    static func makeFolder(_ path: String) throws(StorageError) {
        if mkdir(path, 0o700) == 0 {
            FileWatch.note(.made(path))
            return try syncFolder(parent(of: path))
        }
        switch errno {
        case EEXIST: return
        case ENOENT where parent(of: path) != path:
            try makeFolder(parent(of: path))
            try makeOrSyncFolder(path)
        default: throw .posix("create the folder", path, errno)
        }
    }

    /// Creates the folder in one that is there, and has it synced there also when it is there already: somebody may have
    /// made it a moment ago, and not come to that.
    static func makeOrSyncFolder(_ path: String) throws(StorageError) {
        if mkdir(path, 0o700) == 0 {
            FileWatch.note(.made(path))
        } else if errno != EEXIST {
            throw .posix("create the folder", path, errno)
        }
        try syncFolder(parent(of: path))
    }

    /// Makes the folder's entries (what was created, renamed or removed in it) durable.
    static func syncFolder(_ path: String) throws(StorageError) {
        try open(path, O_RDONLY | O_DIRECTORY).flush()
        FileWatch.note(.syncedFolder(path))
    }

    /// Creates an empty file, durable once its folder is synced; one that is there stays as it is.
    static func makeEmpty(_ path: String) throws(StorageError) {
        let file = try open(path, O_WRONLY | O_CREAT)
        FileWatch.note(.wrote(path))
        try file.sync()
    }

    static func move(_ from: String, to target: String) throws(StorageError) {
        guard rename(from, target) == 0 else { throw .posix("rename to", target, errno) }
        FileWatch.note(.renamed(from: from, to: target))
    }

    /// A file that is not there is as good as removed.
    static func remove(_ path: String) throws(StorageError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw .posix("remove", path, errno) }
        FileWatch.note(.removed(path))
    }

    /// Removes a file, or a folder that is empty: whatever stood in a file's place.
    static func removeAny(_ path: String) throws(StorageError) {
        if rmdir(path) == 0 { return FileWatch.note(.removed(path)) }
        guard errno == ENOTDIR else {
            if errno == ENOENT { return }
            throw .posix("remove", path, errno)
        }
        try remove(path)
    }

    /// `nil` when there is no such file.
    static func identity(_ path: String) throws(StorageError) -> FileIdentity? {
        var info = stat()
        guard stat(path, &info) == 0 else {
            if errno == ENOENT { return nil }
            throw .posix("look at", path, errno)
        }
        return FileIdentity(info)
    }

    struct Facts {
        var size: UInt64
        var owner: UInt32
        /// Seconds since 1970.
        var modified: Int64
    }

    /// `nil` when there is no such file.
    static func facts(_ path: String) throws(StorageError) -> Facts? {
        var info = stat()
        guard stat(path, &info) == 0 else {
            if errno == ENOENT { return nil }
            throw .posix("look at", path, errno)
        }
        #if canImport(Glibc)
            let modified = Int64(info.st_mtim.tv_sec)
        #else
            let modified = Int64(info.st_mtimespec.tv_sec)
        #endif
        return Facts(size: UInt64(clamping: info.st_size), owner: info.st_uid, modified: modified)
    }

    /// The names in a folder, sorted; those that are not UTF-8 are not ours and are left out.
    static func names(in folder: String) throws(StorageError) -> [String] {
        guard let stream = opendir(folder) else { throw .posix("list", folder, errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: field.pointee)) {
                    String(validatingCString: $0)
                }
            }
            if let name, name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Bytes that an unprivileged user may still write, and bytes in all, of the file system that holds `path`.
    static func space(at path: String) -> (free: UInt64, total: UInt64)? {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { return nil }
        let unit = UInt64(info.f_frsize)
        return (
            unit.multipliedReportingOverflow(by: UInt64(info.f_bavail)).partialValue,
            unit.multipliedReportingOverflow(by: UInt64(info.f_blocks)).partialValue
        )
    }
}

extension FileIdentity {
    fileprivate init(_ info: stat) {
        device = UInt64(truncatingIfNeeded: info.st_dev)
        inode = UInt64(truncatingIfNeeded: info.st_ino)
    }
}
