import NIOConcurrencyHelpers
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The files of bytes by SHA-256, and who still needs them.
///
/// A blob is needed while a version names it or while someone holds a lease on it: a stream that finished and is not
/// yet a version, a write that is being committed. Removal (`Collector`) runs on the catalogue's one writer, asks for
/// both, and moves the file away under the same lock that leases are taken with; so a put of the bytes that a drop is
/// removing either keeps the old file or brings its own.
final class Blobs: Sendable {
    let folder: DataFolder
    let threads: Threads
    /// Bytes on their way in.
    let streams: Streams
    private let state = NIOLockedValueBox(State())
    /// Called, outside the lock, when blobs may have become unneeded.
    private let onCandidates = NIOLockedValueBox<Listener?>(nil)

    /// A struct around the closure, since a box of a bare one wraps it anew each time that it is looked at (a
    /// reabstraction thunk in, one out): after 17,000 puts a call went through 35,000 of them, which took most of the
    /// processor, and would have ended with the stack.
    private struct Listener: Sendable { let hear: @Sendable () -> Void }

    private struct State {
        var leases: [ContentDigest: Int] = [:]
        /// Leased ones that are durable, and were read or made here since somebody first leased them.
        var proven: Set<ContentDigest> = []
        /// To be looked at by the collector; bounded by what is on disk.
        var candidates: Set<ContentDigest> = []
        var serial: UInt64 = 0
        /// Known to be durable; at most 256.
        var shelves: Set<String> = []
    }

    init(folder: DataFolder, threads: Threads, streams: Streams) {
        self.folder = folder
        self.threads = threads
        self.streams = streams
    }

    func whenCandidates(_ body: (@Sendable () -> Void)?) {
        let listener = body.map { Listener(hear: $0) }
        onCandidates.withLockedValue { $0 = listener }
    }

    // MARK: Leases

    /// Keeps the bytes, if they are here, from being removed until the lease is gone.
    func lease(_ digest: ContentDigest, size: UInt64) -> BlobLease {
        state.withLockedValue { $0.leases[digest, default: 0] += 1 }
        return BlobLease(digest: digest, size: size, blobs: self)
    }

    /// Whether the bytes are known to be what they should be, and durable. For who holds a lease on them.
    func isProven(_ digest: ContentDigest) -> Bool { state.withLockedValue { $0.proven.contains(digest) } }

    /// Makes that a file of right bytes is there durable, whoever put it there: who made it may be about to, or was ended
    /// before it could. Blocks. For who holds a lease on them.
    func prove(_ digest: ContentDigest) throws(StorageError) {
        try prepareShelf(of: digest)
        try Files.syncFolder(folder.shelf(digest))
        state.withLockedValue { state in
            if state.leases[digest] != nil { state.proven.insert(digest) }
        }
    }

    func release(_ digest: ContentDigest, check: Bool) {
        let wake = state.withLockedValue { state in
            let left = (state.leases[digest] ?? 1) - 1
            state.leases[digest] = left > 0 ? left : nil
            if left <= 0 { state.proven.remove(digest) }
            if check { state.candidates.insert(digest) }
            return left <= 0 && state.candidates.contains(digest)
        }
        if wake { notify() }
    }

    func suspectUnneeded(_ digests: some Sequence<ContentDigest>) {
        let wake = state.withLockedValue { state in
            state.candidates.formUnion(digests)
            return !state.candidates.isEmpty
        }
        if wake { notify() }
    }

    /// Those to look at that nobody holds a lease on, at most `count`. Leased ones wait for their release.
    func takeCandidates(_ count: Int) -> [ContentDigest] {
        state.withLockedValue { state in
            var taken: [ContentDigest] = []
            for digest in state.candidates where taken.count < count && state.leases[digest] == nil {
                taken.append(digest)
            }
            state.candidates.subtract(taken)
            return taken
        }
    }

    /// Puts back what could not be looked at now; the next occasion will.
    func keepCandidates(_ digests: [ContentDigest]) {
        state.withLockedValue { $0.candidates.formUnion(digests) }
    }

    var hasCandidates: Bool {
        state.withLockedValue { state in state.candidates.contains { state.leases[$0] == nil } }
    }

    private func notify() { onCandidates.withLockedValue { $0 }?.hear() }

    // MARK: Files

    /// Whether the bytes are here in full. Blocks.
    func has(_ digest: ContentDigest, size: UInt64?) throws(StorageError) -> Bool {
        guard let facts = try Files.facts(folder.blob(digest)) else { return false }
        return size.map { $0 == facts.size } ?? true
    }

    /// Makes the folder of a blob, durably, before the first one comes into it. Blocks.
    ///
    /// One that is there already may have been made by another thread a moment ago, or right before a crash: only what was
    /// synced since this start counts as durable.
    func prepareShelf(of digest: ContentDigest) throws(StorageError) {
        let shelf = folder.shelf(digest)
        if state.withLockedValue({ $0.shelves.contains(shelf) }) { return }
        try Files.makeOrSyncFolder(shelf)
        state.withLockedValue { _ = $0.shelves.insert(shelf) }
    }

    /// Makes a synced temporary file the blob and returns the lease that keeps it. Blocks.
    ///
    /// An older file of the same bytes is replaced: still one blob, its readers keep theirs, and one that has rotten
    /// is healed. The folder is synced always, as an earlier rename there may not have been.
    func adopt(_ temporary: String, as digest: ContentDigest, size: UInt64) throws(StorageError) -> BlobLease {
        let lease = lease(digest, size: size)
        // Under the lock, so that whoever sets the older file aside does not take the new one.
        let moved: Result<Void, StorageError> = state.withLockedValue { _ in
            Result { () throws(StorageError) in try Files.move(temporary, to: folder.blob(digest)) }
        }
        try moved.get()
        try prove(digest)
        return lease
    }

    /// Moves the file of an unreferenced blob out of sight; `nil` when it is leased or gone. Only the collector, on the
    /// catalogue's writer, calls this. A rename under the lock is short; the unlinking, which may not be, comes later.
    func retire(_ digest: ContentDigest) throws(StorageError) -> String? {
        let outcome: Result<String?, StorageError> = state.withLockedValue { state in
            guard state.leases[digest] == nil else {
                state.candidates.insert(digest)
                return .success(nil)
            }
            state.serial &+= 1
            let away = "\(folder.incoming)/\(digest.hex)-\(state.serial).gone"
            if rename(folder.blob(digest), away) == 0 {
                FileWatch.note(.renamed(from: folder.blob(digest), to: away))
                return .success(away)
            }
            return errno == ENOENT ? .success(nil) : .failure(.posix("rename to", away, errno))
        }
        return try outcome.get()
    }
}

extension Blobs {
    /// Takes the file of a blob that a version names out of the way, so that it counts as missing: nobody reads it, no
    /// new version is committed on it, and `rotten` keeps it for whoever wants to look. Only on the catalogue's writer:
    /// no commit comes between its look at the file and the file's going. A lease does not hold it back, for it keeps
    /// good bytes from being removed and makes no bad ones good; the commit that it was for is refused.
    ///
    /// - Parameter file: the one that was found wrong; nil for one that was not there.
    /// - Returns: false, with nothing changed, when another is in its place by now.
    func setAside(_ digest: ContentDigest, _ file: FileIdentity?) throws(StorageError) -> Bool {
        let outcome: Result<Bool, StorageError> = state.withLockedValue { state in
            Result { () throws(StorageError) in
                guard try Files.identity(folder.blob(digest)) == file else { return false }
                state.proven.remove(digest)
                if file != nil { try Files.move(folder.blob(digest), to: folder.rotten(digest)) }
                return true
            }
        }
        return try outcome.get()
    }
}

/// Keeps a blob that is durable on disk from being removed, until a version names it. Give it to `Store.write` or
/// `Store.merge`; when the last reference goes first, bytes that no version names are removed.
public final class BlobLease: Sendable {
    public let digest: ContentDigest
    /// Bytes.
    public let size: UInt64
    private let blobs: Blobs
    private let isCommitted = NIOLockedValueBox(false)

    init(digest: ContentDigest, size: UInt64, blobs: Blobs) {
        self.digest = digest
        self.size = size
        self.blobs = blobs
    }

    /// A version names the bytes now: nothing is left to look at when the lease goes.
    func commit() { isCommitted.withLockedValue { $0 = true } }

    deinit { blobs.release(digest, check: !isCommitted.withLockedValue { $0 }) }
}
