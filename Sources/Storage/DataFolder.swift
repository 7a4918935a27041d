import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where everything is in a data folder:
///
///     lock                one agent at a time (flock); holds its process id
///     ballast             room that nobody else can take, for a full disk
///     catalogue.sqlite    names, versions, groups, what else the agent keeps (with -wal and -shm beside it)
///     blobs/ab/cdef…      the bytes, by SHA-256
///     rotten/cdef…        files that did not hold what they were named for, by that SHA-256, and empty ones for those that
///                         were gone; kept to a bound once healed
///     incoming/*.tmp      streams on their way; removed at the next start
///     incoming/*.partial  pulls that can be resumed; removed when a day old
///     incoming/*.gone     blobs that nothing references, about to be unlinked
struct DataFolder: Sendable {
    let path: String

    var lock: String { path + "/lock" }
    var catalogue: String { path + "/catalogue.sqlite" }
    var ballast: String { path + "/ballast" }
    var blobs: String { path + "/blobs" }
    var incoming: String { path + "/incoming" }
    var rotten: String { path + "/rotten" }

    func shelf(_ digest: ContentDigest) -> String { blobs + "/" + digest.hex.prefix(2) }
    func blob(_ digest: ContentDigest) -> String { shelf(digest) + "/" + digest.hex.dropFirst(2) }
    func rotten(_ digest: ContentDigest) -> String { "\(rotten)/\(digest.hex)" }
    func partial(_ digest: ContentDigest) -> String { "\(incoming)/\(digest.hex).partial" }

    /// The folders of blobs that there are; each was made for its first one. Made beforehand, the 256 of them would be
    /// most of what a first start costs.
    func shelves() throws(StorageError) -> [String] {
        try Files.names(in: blobs).filter { name in
            name.utf8.count == 2 && name.utf8.allSatisfy { Self.digits.contains($0) }
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)

    /// Creates what is missing, refuses what is not ours, and takes the lock, which lasts as long as the result.
    func prepare() throws(StorageError) -> OpenFile {
        try Files.makeFolder(path)
        let user = geteuid()
        for place in [path, lock, catalogue, blobs, incoming, rotten] {
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
        try Files.makeFolder(rotten)
        return held
    }

    /// Whether any blob is here: a catalogue that is gone or empty beside blobs is damage, not a fresh start.
    func hasBlobs() throws(StorageError) -> Bool {
        for shelf in try shelves() where try !Files.names(in: "\(blobs)/\(shelf)").isEmpty { return true }
        return false
    }

    private static func pid(in lock: OpenFile) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = bytes.withUnsafeMutableBytes { raw in (try? lock.read(at: 0, into: raw)) ?? 0 }
        return Int32(String(decoding: bytes.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}
