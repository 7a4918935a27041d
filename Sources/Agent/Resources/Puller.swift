import Client
import NIOCore
import Resources
import Storage
import Vocabulary

/// Fetches blobs that this node lacks from other nodes: resumable, verified by SHA-256, durable when it returns.
/// However many ask for the same blob at once, it crosses the wire once.
actor Puller {
    private let store: Store
    private let calls: PeerCalls
    private let traffic: Traffic
    private var underWay: [ContentDigest: Task<BlobLease, any Error>] = [:]

    init(store: Store, calls: PeerCalls, traffic: Traffic) {
        self.store = store
        self.calls = calls
        self.traffic = traffic
    }

    /// Makes the blob durable here and keeps it so for as long as the lease lives.
    ///
    /// - Parameter holders: tried in order, each from the byte that the one before reached.
    /// - Throws: the last holder's failure, or a `StorageError`.
    func obtain(_ digest: ContentDigest, size: UInt64, from holders: [NodeName]) async throws -> BlobLease {
        if let lease = try await store.lease(digest, size: size) { return lease }
        if let task = underWay[digest] { return try await task.value }
        let task = Task { try await self.fetch(digest, size: size, from: holders) }
        underWay[digest] = task
        defer { underWay[digest] = nil }
        return try await task.value
    }

    private nonisolated func fetch(
        _ digest: ContentDigest, size: UInt64, from holders: [NodeName]
    ) async throws -> BlobLease {
        var failure: any Error = PullError.noHolder(digest)
        for holder in holders {
            do {
                return try await fetch(digest, size: size, from: holder)
            } catch let error as StorageError {
                // Our own disk: another holder does not help, unless its bytes were wrong.
                guard case .digestMismatch = error else { throw error }
                failure = error
            } catch {
                failure = error
            }
            try Task.checkCancellation()
        }
        throw failure
    }

    private nonisolated func fetch(
        _ digest: ContentDigest, size: UInt64, from holder: NodeName
    ) async throws -> BlobLease {
        let incoming = try await store.resume(digest, size: size)
        do {
            if incoming.offset < size {
                var headers: HeaderFields = [:]
                if incoming.offset > 0 { headers["Range"] = "bytes=\(incoming.offset)-" }
                let response = try await calls.peers.request(
                    to: holder, at: try calls.endpoint(of: holder),
                    ClientRequest("GET", "/v1/peer/blobs/\(digest.hex)", headers: headers), idempotent: true,
                    timeouts: ClientTimeouts(idle: .seconds(20), total: TransferTime.limit(bytes: size)))
                guard response.status == (incoming.offset > 0 ? 206 : 200) else {
                    throw PullError.refused(holder, digest, status: response.status)
                }
                for try await part in response.body {
                    traffic.received(part.readableBytes)
                    try await incoming.write(part)
                }
            }
            return try await incoming.finish(expecting: digest)
        } catch let error as StorageError {
            await incoming.abort()
            throw error
        } catch {
            // What came so far is kept: the next holder, or the next attempt, goes on from there.
            do { try await incoming.suspend() } catch { await incoming.abort() }
            throw error
        }
    }
}

/// Why no holder gave a blob.
enum PullError: Error, CustomStringConvertible {
    case noHolder(ContentDigest)
    case refused(NodeName, ContentDigest, status: Int)

    var description: String {
        switch self {
        case .noHolder(let digest): "no node is known that holds the bytes \(digest)"
        case .refused(let node, let digest, let status): "\(node) answered \(status) for the bytes \(digest)"
        }
    }
}
