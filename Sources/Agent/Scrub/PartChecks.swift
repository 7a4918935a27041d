import NIOConcurrencyHelpers
import Storage
import Vocabulary

/// Blobs that are read whole beside the requests, so that parts of them can be given out checked.
final class PartChecks: Sendable {
    /// They take turns; more would only wait.
    private static let underWayMax = 16

    private let store: Store
    private let repairs: BlobRepairs
    private let underWay = NIOLockedValueBox<Set<ContentDigest>>([])

    init(store: Store, repairs: BlobRepairs) {
        self.store = store
        self.repairs = repairs
    }

    /// Begins, unless it has begun.
    func begin(_ reader: BlobReader) {
        let digest = reader.digest
        let isNew = underWay.withLockedValue { $0.count < Self.underWayMax && $0.insert(digest).inserted }
        guard isNew else { return }
        Task { [self] in
            defer { underWay.withLockedValue { _ = $0.remove(digest) } }
            do throws(StorageError) { try await store.learnBlocks(of: reader) } catch {
                repairs.met(digest, error, reader)
            }
        }
    }
}
