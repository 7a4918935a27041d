// The steps on the disk that `NewFiles` and `IssueLog` are made of: durable, exclusive, with typed errors.
import Foundation

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

enum DurableFiles {
    /// Writes a new file. Its bytes are durable afterwards; its name is once the folder is synced.
    ///
    /// - Parameter shown: the path that an error names.
    static func create(_ path: String, _ bytes: [UInt8], mode: mode_t, shown: String) throws(AuthorityError) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard file >= 0 else {
            throw errno == EEXIST ? .exists(path: shown) : .cannotWrite(path: shown, reason: .init(errno: errno))
        }
        defer { close(file) }
        // The process's umask may have taken rights away; it can not have added any.
        guard fchmod(file, mode) == 0, writeAll(bytes, to: file), fsync(file) == 0 else {
            let reason = SystemReason(errno: errno)
            unlink(path)
            throw .cannotWrite(path: shown, reason: reason)
        }
    }

    private static func writeAll(_ bytes: [UInt8], to file: Int32) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
                let count = write(file, rest.baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
    }

    /// Gives the file another name in the same folder, which must be free.
    static func place(_ path: String, as target: String) throws(AuthorityError) {
        // Unlike a rename, a second name for the same file is refused where the name is taken.
        if link(path, target) == 0 {
            unlink(path)
            return
        }
        if errno == EEXIST { throw .exists(path: target) }
        // A memory stick's file system has no second names: the lock keeps our own processes away, a look all others.
        if [EPERM, EOPNOTSUPP, ENOSYS, EMLINK].contains(errno) {
            if exists(target) { throw .exists(path: target) }
            if rename(path, target) == 0 { return }
        }
        throw .cannotWrite(path: target, reason: .init(errno: errno))
    }

    /// See `DurableText.rewrite`.
    static func rewrite(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(AuthorityError) {
        var (place, present) = (path, stat())
        if let pointer = realpath(path, nil) {
            place = String(cString: pointer)
            free(pointer)
        }
        let isThere = stat(place, &present) == 0
        try replace(place, bytes, mode: isThere ? present.st_mode & 0o777 : mode)
        // Nobody else than root may give a file away, and what others write is theirs.
        guard isThere, geteuid() == 0 else { return }
        let file = open(place, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        defer { close(file) }
        // Whoever has its folder may have put another's file there since, by a second name of that.
        var made = stat()
        guard file >= 0, fstat(file, &made) == 0, made.st_nlink == 1,
            fchown(file, present.st_uid, present.st_gid) == 0
        else { throw .cannotWrite(path: place, reason: .init(errno: errno)) }
    }

    static func exists(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0
    }

    static func sync(folder: String) throws(AuthorityError) {
        let file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw .cannotWrite(path: folder, reason: .init(errno: errno)) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw .cannotWrite(path: folder, reason: .init(errno: errno)) }
    }

    /// Keeps other processes of ours out of the folder until the descriptor is closed.
    ///
    /// - Parameter isOurs: whether it must be a folder of this user, and no link to one: nobody else may have made it
    ///   to get at what is put there.
    static func lock(folder: String, isOurs: Bool = false, shown: String) throws(AuthorityError) -> Int32 {
        let file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (isOurs ? O_NOFOLLOW : 0))
        guard file >= 0 else { throw .cannotWrite(path: shown, reason: .init(errno: errno)) }
        var (opened, named) = (stat(), stat())
        if isOurs {
            guard fstat(file, &opened) == 0, opened.st_uid == geteuid(), opened.st_mode & 0o022 == 0 else {
                close(file)
                throw .exists(path: folder)
            }
        }
        // Whoever had the lock before may have given the folder its final name in the meantime.
        guard flock(file, LOCK_EX | LOCK_NB) == 0, fstat(file, &opened) == 0, stat(folder, &named) == 0,
            opened.st_ino == named.st_ino, opened.st_dev == named.st_dev
        else {
            close(file)
            throw .busy(path: shown)
        }
        return file
    }

    /// Creates what is missing of the folder and above it; returns what it created, outermost first.
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
            if mkdir(path, 0o755) == 0 {
                made.append(path)
            } else if errno != EEXIST {
                let reason = SystemReason(errno: errno)
                for path in made.reversed() { rmdir(path) }
                throw .cannotWrite(path: path, reason: reason)
            }
        }
        return made
    }

    static func parent(of path: String) -> String {
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
