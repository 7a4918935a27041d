#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Files written together or not at all, each new: a name that is taken is an error and its file stays as it was.
///
/// A key has its mode from its first byte on, because `open` creates it so; there is no moment to read it in between.
struct NewFiles {
    struct Item {
        let name: String
        let bytes: [UInt8]
        let mode: mode_t
    }

    let folder: String
    let items: [Item]

    /// The first name that is taken, a dangling symbolic link included.
    func firstTaken() -> String? {
        items.map { "\(folder)/\($0.name)" }.first { path in
            var info = stat()
            return lstat(path, &info) == 0
        }
    }

    /// Writes all of them durably, creating the folder (mode 0700) and its missing parents (0755).
    func write() throws(AuthorityError) {
        if let path = firstTaken() { throw .exists(path: path) }
        let made = try Self.makeFolders(folder)
        var written: [String] = []
        do throws(AuthorityError) {
            for item in items {
                let path = "\(folder)/\(item.name)"
                let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, item.mode)
                guard file >= 0 else {
                    throw errno == EEXIST ? .exists(path: path) : .cannotWrite(path: path, reason: .init(errno: errno))
                }
                written.append(path)
                defer { close(file) }
                // The process's umask may have taken rights away; it can not have added any.
                guard fchmod(file, item.mode) == 0, Self.writeAll(item.bytes, to: file), fsync(file) == 0 else {
                    throw .cannotWrite(path: path, reason: .init(errno: errno))
                }
            }
            try Self.sync(folder: folder)
            for path in made { try Self.sync(folder: Self.parent(of: path)) }
        } catch {
            for path in written { unlink(path) }
            // Only folders of our own, innermost first; `rmdir` spares one that somebody else has put a file into.
            for path in made.reversed() { rmdir(path) }
            throw error
        }
    }

    private static func writeAll(_ bytes: [UInt8], to file: Int32) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let count = Self.posixWrite(file, UnsafeRawBufferPointer(rebasing: buffer[done...]))
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
    }

    /// The system's `write`, which the method of this type hides.
    private static func posixWrite(_ file: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.write(file, bytes.baseAddress, bytes.count)
        #else
            Darwin.write(file, bytes.baseAddress, bytes.count)
        #endif
    }

    static func sync(folder: String) throws(AuthorityError) {
        let file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw .cannotWrite(path: folder, reason: .init(errno: errno)) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw .cannotWrite(path: folder, reason: .init(errno: errno)) }
    }

    /// Creates the folder and what is missing above it; returns what it created, outermost first.
    static func makeFolders(_ folder: String) throws(AuthorityError) -> [String] {
        var missing: [String] = []
        var path = folder
        var info = stat()
        while stat(path, &info) != 0 {
            guard errno == ENOENT else { throw .cannotWrite(path: path, reason: .init(errno: errno)) }
            missing.append(path)
            path = parent(of: path)
        }
        var made: [String] = []
        for path in missing.reversed() {
            if mkdir(path, path == folder ? 0o700 : 0o755) == 0 {
                made.append(path)
            } else if errno != EEXIST {
                let reason = SystemReason(errno: errno)
                for path in made.reversed() { rmdir(path) }
                throw .cannotWrite(path: path, reason: reason)
            }
        }
        return made
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Reads a small file whole; also its mode, of the file that was read. Certificates and keys have under 2 kB.
    static func read(_ path: String, countMax: Int = 1 << 20) throws(AuthorityError) -> (bytes: [UInt8], mode: mode_t) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw .cannotRead(path: path, reason: .init(errno: errno)) }
        defer { close(file) }
        var info = stat()
        guard fstat(file, &info) == 0 else { throw .cannotRead(path: path, reason: .init(errno: errno)) }
        guard info.st_mode & S_IFMT == S_IFREG else { throw .notAnAuthority(path: path, reason: "it is not a file") }
        guard info.st_size <= countMax else {
            throw .notAnAuthority(path: path, reason: "it has more than \(countMax) bytes")
        }
        var bytes = [UInt8](repeating: 0, count: Int(info.st_size))
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                pread(file, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(done))
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .cannotRead(path: path, reason: .init(errno: errno)) }
            if count == 0 { break }
            done += count
        }
        return (Array(bytes.prefix(done)), info.st_mode)
    }
}
