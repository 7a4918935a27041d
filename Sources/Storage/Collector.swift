import NIOConcurrencyHelpers
import Vocabulary

/// Removes blobs that no version names and nobody leases: those that drops and prunes let go, and, after a start,
/// whatever a crash between the rename of a blob and its commit left behind.
///
/// The question "does a version name it?" and the move out of sight both happen on the catalogue's writer, so no
/// commit comes between them; a commit that is on its way holds a lease.
final class Collector: Sendable {
    private let catalogue: Catalogue
    private let blobs: Blobs
    private let state = NIOLockedValueBox(State())

    /// So many index look-ups take the writer about a millisecond.
    static let batch = 256
    /// Between batches of the sweep at the start, which is never urgent.
    static let pause = Duration.milliseconds(20)

    private struct State {
        var running: Task<Void, Never>?
        var sweep: Task<Void, Never>?
        var isStopped = false
    }

    init(catalogue: Catalogue, blobs: Blobs) {
        self.catalogue = catalogue
        self.blobs = blobs
    }

    /// Begins to collect soon, once for all who ask meanwhile.
    func wake() {
        state.withLockedValue { state in
            guard state.running == nil, !state.isStopped else { return }
            state.running = Task {
                // What fails now (a full disk, a shutdown) is found again by the sweep of the next start.
                let isDone = (try? await self.collect()) != nil
                self.state.withLockedValue { $0.running = nil }
                // One that came between the last look and here woke nobody.
                if isDone, self.blobs.hasCandidates { self.wake() }
            }
        }
    }

    /// Waits for what is being collected, then collects the rest.
    func settle() async throws(StorageError) {
        await state.withLockedValue { $0.running }?.value
        try await collect()
    }

    /// Goes through all candidates that there are now.
    private func collect() async throws(StorageError) {
        while true {
            let digests = blobs.takeCandidates(Self.batch)
            if digests.isEmpty { return }
            do throws(StorageError) { try await remove(digests) } catch {
                blobs.keepCandidates(digests)
                throw error
            }
        }
    }

    private func remove(_ digests: [ContentDigest]) async throws(StorageError) {
        let blobs = blobs
        let path = catalogue.path
        let retired = try await catalogue.onWriter("look for unneeded blobs") { db in
            let queries = CatalogueQueries(db: db, path: path)
            return try digests.compactMap { digest in
                try queries.isReferenced(digest) ? nil : try blobs.retire(digest)
            }
        }
        if retired.isEmpty { return }
        let ballast = catalogue.ballast
        try await blobs.threads.run { () throws(StorageError) in
            for file in retired { try Files.remove(file) }
            ballast.take()
        }
    }

    /// Looks through all blobs once, gently.
    func beginSweep() {
        state.withLockedValue { state in
            guard !state.isStopped else { return }
            state.sweep = Task { try? await self.sweep() }
        }
    }

    private func sweep() async throws {
        let (blobs, folder, path) = (blobs, blobs.folder, catalogue.path)
        for shelf in try await blobs.threads.run({ () throws(StorageError) in try folder.shelves() }) {
            let found = try await blobs.threads.run { () throws(StorageError) in
                try Files.names(in: "\(folder.blobs)/\(shelf)").compactMap { ContentDigest(hex: shelf + $0) }
            }
            var rest = found[...]
            while !rest.isEmpty {
                let batch = Array(rest.prefix(Self.batch))
                rest = rest.dropFirst(Self.batch)
                let unneeded = try await catalogue.read("look for unneeded blobs") { db in
                    let queries = CatalogueQueries(db: db, path: path)
                    return try batch.filter { try !queries.isReferenced($0) }
                }
                // A reader may see an older state: the collector asks again where it counts.
                blobs.suspectUnneeded(unneeded)
                try await Task.sleep(for: Self.pause)
            }
        }
    }

    /// Waits until the sweep of this start is through.
    func sweepEnd() async { await state.withLockedValue { $0.sweep }?.value }

    func stop() async {
        let tasks = state.withLockedValue { state in
            state.isStopped = true
            return [state.sweep, state.running]
        }
        for task in tasks {
            task?.cancel()
            await task?.value
        }
    }
}
