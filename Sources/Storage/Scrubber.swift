import NIOConcurrencyHelpers
import NIOCore
import Vocabulary

/// Reads every blob that a version names, in the order of their digests and no faster than it may, and tells of each that
/// is not what it should be. It repairs nothing: whoever hears of a fault does.
///
/// The order is the index's, so a pass needs no list, goes on after a restart where it was, and meets each blob once
/// that was there all along; a digest is as good as random, so what is put during a pass neither hurries nor delays it.
public final class Scrubber: Sendable {
    /// The driver's own: the agent's is the machine's, a test's is its own.
    public struct Clock: Sendable {
        public var now: @Sendable () -> Instant
        /// Milliseconds since 1970.
        public var wall: @Sendable () -> UInt64
        public var pause: @Sendable (Duration) async throws -> Void

        public init(
            now: @escaping @Sendable () -> Instant, wall: @escaping @Sendable () -> UInt64,
            pause: @escaping @Sendable (Duration) async throws -> Void
        ) {
            self.now = now
            self.wall = wall
            self.pause = pause
        }
    }

    /// A fault that was found, and the file that has it; nil where there is none.
    public struct Finding: Sendable {
        public let blob: StoredBlob
        public let fault: BlobFault
        public let reader: BlobReader?
    }

    private static let key = "scrub"
    /// So much work at most is done again after a kill. Each save is a commit, and so a sync.
    static let saveInterval = Duration.seconds(10)
    /// Digests read at once from the catalogue.
    static let batch = 128

    private let store: Store
    private let clock: Clock
    private let state = NIOLockedValueBox(State())

    private struct State {
        var record = ScrubRecord()
        var total: (count: UInt64, bytes: UInt64) = (0, 0)
        var read: (blobs: UInt64, bytes: UInt64) = (0, 0)
    }

    public init(store: Store, clock: Clock) {
        self.store = store
        self.clock = clock
    }

    public var record: ScrubRecord { state.withLockedValue { $0.record } }
    /// What the pass has to check in all, as counted at its start; blobs and bytes.
    public var total: (count: UInt64, bytes: UInt64) { state.withLockedValue { $0.total } }

    /// Since this scrubber was made.
    public var read: (blobs: UInt64, bytes: UInt64) { state.withLockedValue { $0.read } }

    /// Takes up what an earlier life has saved.
    public func load() async throws(StorageError) {
        let stored = try await store.catalogue.read("read the scrub's place") { db in
            try Schema.load(Self.key, in: db)
        }
        guard let record = stored.flatMap({ ScrubRecord(stored: $0) }) else { return }
        state.withLockedValue { $0.record = record }
    }

    /// Goes on with the pass under way, or begins one, and returns at its end. One call at a time.
    ///
    /// - Parameters:
    ///   - anew: a pass under way is given up, and all is checked from here on.
    ///   - bytesPerSecond: above 0.
    ///   - found: called for each fault; the pass waits for it.
    /// - Throws: `CancellationError`, after the place was saved; a `StorageError` of the catalogue.
    public func pass(
        anew: Bool = false, bytesPerSecond: UInt64, found: (Finding) async -> Void
    ) async throws {
        let path = store.catalogue.path
        let total = try await store.catalogue.read("count the blobs") { db in
            try CatalogueQueries(db: db, path: path).blobTotals()
        }
        state.withLockedValue { [clock] state in
            state.total = total
            if anew || state.record.pass == nil {
                state.record.pass = ScrubRecord.Pass(startedAt: clock.wall())
                state.record.cursor = nil
            }
        }
        try await save()
        do { try await check(ScrubPace(bytesPerSecond: bytesPerSecond), found) } catch {
            try? await save()
            throw error
        }
        state.withLockedValue { [clock] state in
            state.record.last = state.record.pass
            state.record.lastEndedAt = clock.wall()
            state.record.pass = nil
            state.record.cursor = nil
        }
        try await save()
    }

    private func check(_ limit: ScrubPace, _ found: (Finding) async -> Void) async throws {
        let path = store.catalogue.path
        var pace = limit
        var savedAt = clock.now()
        while true {
            let after = record.cursor
            let blobs = try await store.catalogue.read("list the blobs") { db in
                try CatalogueQueries(db: db, path: path).blobs(after: after, limit: Self.batch)
            }
            if blobs.isEmpty { return }
            for blob in blobs {
                let finding = try await look(at: blob, &pace)
                state.withLockedValue { state in
                    state.read.blobs &+= 1
                    state.record.cursor = blob.digest
                    state.record.pass?.checkedBlobs += 1
                    state.record.pass?.checkedBytes &+= blob.size
                    if finding != nil { state.record.pass?.faults += 1 }
                }
                if let finding { await found(finding) }
                guard clock.now() - savedAt >= Self.saveInterval else { continue }
                try await save()
                savedAt = clock.now()
            }
        }
    }

    /// - Returns: what is wrong with the blob; nil when nothing is, and when that can not be told now.
    private func look(at blob: StoredBlob, _ pace: inout ScrubPace) async throws -> Finding? {
        var reader: BlobReader?
        var wait = pace.wait(after: ScrubPace.fileBytes, at: clock.now())
        do throws(StorageError) {
            reader = try await store.blob(blob.digest)
            guard let reader else {
                // Its last version may have gone since it was listed, and the file with it.
                guard try await isWanted(blob.digest) else { return nil }
                return Finding(blob: blob, fault: .missing, reader: nil)
            }
            guard reader.size == blob.size else { return Finding(blob: blob, fault: .size, reader: reader) }
            let read = try CheckedRead(reader, pastCache: true)
            while let piece = try await read.next(upTo: BlobReader.readBytesMax) {
                state.withLockedValue { $0.read.bytes &+= UInt64(piece.readableBytes) }
                let more = pace.wait(after: UInt64(piece.readableBytes), at: clock.now())
                wait = max(wait, more)
                if wait > .zero {
                    try await pause(wait)
                    wait = .zero
                }
            }
        } catch {
            if error == .cancelled { throw CancellationError() }
            if case .closed = error { throw error }
            return BlobFault(error).map { Finding(blob: blob, fault: $0, reader: reader) }
        }
        if wait > .zero { try await clock.pause(wait) }
        try Task.checkCancellation()
        return nil
    }

    private func isWanted(_ digest: ContentDigest) async throws(StorageError) -> Bool {
        let path = store.catalogue.path
        return try await store.catalogue.read("look up a blob") { db in
            try CatalogueQueries(db: db, path: path).isReferenced(digest)
        }
    }

    private func pause(_ wait: Duration) async throws(StorageError) {
        do { try await clock.pause(wait) } catch { throw .cancelled }
    }

    private func save() async throws(StorageError) {
        let stored = record.stored
        try await store.catalogue.write("save the scrub's place") { db in
            try Schema.save(stored, for: Self.key, in: db)
        }
    }
}
