import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where everything is in a data folder:
///
///     lock                one agent at a time (flock); holds its process id
///     catalogue.sqlite    names, versions, groups, what else the agent keeps (with -wal and -shm beside it)
///     blobs/ab/cdef…      the bytes, by SHA-256
///     incoming/*.tmp      streams on their way; removed at the next start
///     incoming/*.partial  pulls that can be resumed; removed when a day old
///     incoming/*.gone     blobs that nothing references, about to be unlinked
struct DataFolder: Sendable {
    let path: String

    var lock: String { path + "/lock" }
    var catalogue: String { path + "/catalogue.sqlite" }
    var blobs: String { path + "/blobs" }
    var incoming: String { path + "/incoming" }

    func shelf(_ digest: ContentDigest) -> String { blobs + "/" + digest.hex.prefix(2) }
    func blob(_ digest: ContentDigest) -> String { shelf(digest) + "/" + digest.hex.dropFirst(2) }
    func partial(_ digest: ContentDigest) -> String { "\(incoming)/\(digest.hex).partial" }

    static let shelves: [String] = (0..<256).map { number in
        let digits = String(number, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }

    /// Creates what is missing, refuses what is not ours, and takes the lock, which lasts as long as the result.
    func prepare() throws(StorageError) -> OpenFile {
        try Files.makeFolder(path)
        let user = geteuid()
        for place in [path, lock, catalogue, blobs, incoming] {
            guard let owner = try Files.facts(place)?.owner, owner != user else { continue }
            throw .notOurs(path: place, owner: owner, user: user)
        }
        let held = try Files.open(lock, O_RDWR | O_CREAT)
        guard flock(held.descriptor, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw .posix("lock", lock, errno) }
            throw .inUse(folder: path, pid: Self.pid(in: held))
        }
        // The process id is advice for a message; on a full disk the agent must still come up to free some space.
        if (try? held.truncate(to: 0)) != nil {
            Array("\(getpid())\n".utf8).withUnsafeBytes { bytes in _ = try? held.write(bytes) }
        }
        try Files.makeFolder(blobs)
        try Files.makeFolder(incoming)
        var made = false
        for shelf in Self.shelves where mkdir("\(blobs)/\(shelf)", 0o700) == 0 { made = true }
        if made { try Files.syncFolder(blobs) }
        return held
    }

    /// Whether any blob is here: a catalogue that is gone or empty beside blobs is damage, not a fresh start.
    func hasBlobs() throws(StorageError) -> Bool {
        for shelf in Self.shelves where try !Files.names(in: "\(blobs)/\(shelf)").isEmpty { return true }
        return false
    }

    private static func pid(in lock: OpenFile) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = bytes.withUnsafeMutableBytes { raw in (try? lock.read(at: 0, into: raw)) ?? 0 }
        return Int32(String(decoding: bytes.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}
