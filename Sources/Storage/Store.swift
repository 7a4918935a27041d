import NIOConcurrencyHelpers
import NIOPosix
import Resources
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What one node keeps on its disk: the catalogue of versions and the blobs that they name (DESIGN.md §3, `Storage`).
///
/// It keeps law 1 for this node: what a call has returned survives a kill and a power cut at any instant. It decides
/// nothing about merging or ownership; the pure cores do. Files, SQLite and hashing run on its own threads.
public final class Store: Sendable {
    public let folder: String
    public let cluster: ClusterName
    public let node: NodeName
    /// Milliseconds since 1970 at this start, made to grow from one start to the next; durable before `open` returns.
    public let epoch: UInt64

    let settings: Settings
    let data: DataFolder
    let threads: Threads
    let catalogue: Catalogue
    let blobs: Blobs
    let collector: Collector
    let sums = BlockSums()
    let stamp: NIOLockedValueBox<Stamp>
    private let lock: NIOLockedValueBox<OpenFile?>

    /// What the next version of this node is stamped with.
    struct Stamp {
        var clock = HybridClock()
        /// The one that the last start took, or a greater one.
        var epoch: UInt64
        /// A name was dropped that had been written in this epoch.
        var hasForgotten = false
        /// Writes of this boot so far.
        var counter: UInt64 = 0

        mutating func forgets(_ set: VersionSet, writtenBy node: NodeName) {
            if set.tells(ofWritesBy: node, in: epoch) { hasForgotten = true }
        }

        mutating func begin(_ epoch: UInt64) {
            guard epoch > self.epoch else { return }
            self.epoch = epoch
            hasForgotten = false
        }
    }

    public struct Settings: Sendable {
        /// Threads for files and hashing: as many streams write, hash or read at the same instant.
        public var threadCount = 4
        /// Readers of the catalogue that do not wait for each other.
        public var readerCount = 4
        /// Uploads that bring bytes at once; each holds a file and up to 256 KiB.
        public var uploadsMax = 256
        /// Of those, what one caller may have. One script with a hundred parallel puts is everyday life; with a quarter
        /// left over, it keeps nobody else out.
        public var uploadsPerOwnerMax = 192
        /// Pulls from other nodes at once, never taken from by uploads: each upload elsewhere may end as one here.
        public var pullsMax = 128
        public var partials = PartialLimits()
        /// Space that incoming bytes leave free, so that the catalogue can still commit: a delete works on a full
        /// disk. On a small file system a 64th of it.
        public var reserveBytes: UInt64 = 16 * 1_024 * 1_024

        public init() {}
    }

    private init(opened: Opened, settings: Settings) {
        folder = opened.data.path
        cluster = opened.catalogue.cluster
        node = opened.node
        epoch = opened.epoch
        stamp = NIOLockedValueBox(Stamp(epoch: opened.epoch))
        self.settings = settings
        data = opened.data
        threads = opened.threads
        catalogue = opened.catalogue
        let total = Files.space(at: opened.data.path)?.total ?? .max
        let limits = Streams.Limits(
            uploadsMax: settings.uploadsMax, uploadsPerOwnerMax: settings.uploadsPerOwnerMax,
            pullsMax: settings.pullsMax,
            reserveBytes: min(settings.reserveBytes, max(total / 64, Ballast.share(of: total))))
        blobs = Blobs(
            folder: opened.data, threads: opened.threads, streams: Streams(folder: opened.data, limits: limits))
        collector = Collector(catalogue: catalogue, blobs: blobs)
        lock = NIOLockedValueBox(opened.lock)
        let collector = collector
        blobs.whenCandidates { collector.wake() }
    }

    private struct Opened: Sendable {
        let data: DataFolder
        let node: NodeName
        let threads: Threads
        let lock: OpenFile
        let catalogue: Catalogue
        let epoch: UInt64
    }

    /// Opens the data folder, creating what is missing; the folder is this store's alone until `shutdown`.
    ///
    /// - Parameter wallMilliseconds: the time for the boot epoch; by default the machine's clock.
    /// - Throws: `.inUse`, `.notOurs`, `.belongsTo`, `.newerSchema`, `.damaged`, `.full` or `.io`, with nothing changed.
    public static func open(
        folder: String, cluster: ClusterName, node: NodeName, wallMilliseconds: UInt64? = nil,
        settings: Settings = Settings()
    ) async throws(StorageError) -> Store {
        var path = folder
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        let data = DataFolder(path: path)
        let pool = NIOThreadPool(numberOfThreads: max(1, settings.threadCount))
        pool.start()
        let threads = Threads(pool: pool, folder: path)
        do throws(StorageError) {
            let opened = try await threads.run { () throws(StorageError) in
                let lock = try data.prepare()
                let wall = wallMilliseconds ?? Self.wallMilliseconds()
                try Partials.sweepAtStart(
                    data, limits: settings.partials, nowSeconds: Int64(Self.wallMilliseconds() / 1_000))
                let catalogue = try Catalogue(
                    folder: data, cluster: cluster, node: node, readerCount: max(1, settings.readerCount))
                let epoch = try catalogue.nextEpoch(wallMilliseconds: wall)
                catalogue.ballast.take()
                return Opened(
                    data: data, node: node, threads: threads, lock: lock, catalogue: catalogue, epoch: epoch)
            }
            let store = Store(opened: opened, settings: settings)
            store.collector.beginSweep()
            return store
        } catch {
            try? await pool.shutdownGracefully()
            throw error
        }
    }

    // Without `shutdown` the threads must still end; the catalogue and the lock go with their last reference.
    deinit { threads.pool.shutdownGracefully { _ in } }

    /// Returns when the catalogue's writer and the disk under the folder have answered, with nothing changed: whoever waits
    /// for long waits for a commit or a disk that hangs.
    public func pulse() async throws(StorageError) {
        // Between two transactions: after the commit that is under way.
        try await catalogue.onWriter("look at the writer") { _ in }
        guard let file = lock.withLockedValue({ $0 }) else { throw .closed(folder: folder) }
        // A file system that is frozen, or whose server is gone, syncs at once what is clean: only a write waits for it.
        try await threads.run { () throws(StorageError) in
            try file.writeFirstByteAgain()
            try file.sync()
        }
    }

    static func wallMilliseconds() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(clamping: now.tv_sec) &* 1_000 &+ UInt64(clamping: now.tv_nsec) / 1_000_000
    }

    /// Ends everything: waits for work on its way, closes the catalogue, gives the folder's lock back. Calls after it
    /// throw `.closed`; a second call does nothing.
    public func shutdown() async {
        blobs.whenCandidates(nil)
        await collector.stop()
        let (catalogue, lock) = (catalogue, lock)
        try? await threads.run { () throws(StorageError) in
            catalogue.close()
            lock.withLockedValue { $0 = nil }
        }
        try? await threads.pool.shutdownGracefully()
    }
}
