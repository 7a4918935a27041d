import Client
import NIOCore
import Resources
import Node
import Storage
import Vocabulary

/// Fetches blobs that this node lacks from other nodes: resumable, verified by SHA-256, durable when it returns.
/// However many ask for the same blob at once, it crosses the wire once; the holders that each of them knows are tried
/// before any of them hears that there is none.
actor Puller {
    /// One request for bytes from `offset` on; a test puts its own in the place of the peers table.
    typealias Source =
        @Sendable (
            _ holder: NodeName, _ digest: ContentDigest, _ offset: UInt64, _ size: UInt64, _ purpose: Purpose
        ) async throws -> (status: Int, body: any AsyncSequence<ByteBuffer, any Error> & Sendable)

    /// Why bytes are fetched.
    enum Purpose: String, Sendable {
        /// Convergence or a repair: it takes its turns with queries, here and at the holder.
        case move
        /// The same from who leaves: it has not much time.
        case handover
        /// Somebody waits for it: a client for the copies of its write.
        case write

        /// Of the connection that it is fetched on.
        var kind: PeersTable.Kind { self == .move ? .move : .bulk }

        func hurried(by other: Purpose) -> Purpose {
            switch (self, other) {
            case (.write, _), (_, .write): .write
            case (.handover, _), (_, .handover): .handover
            case (.move, .move): .move
            }
        }
    }

    private let store: Store
    private let traffic: Traffic
    private let rate: MoveRate
    private let throttle: MoveThrottle
    private let source: Source
    private let small: SmallPulls
    private var underWay: [ContentDigest: Fetch] = [:]
    private var nextAsker: UInt64 = 1
    private var isStopped = false

    /// One blob on its way. Its end is noted before its last asker hears of it, in one step of the actor.
    private struct Fetch {
        let task: Task<Void, Never>
        /// Not asked yet, in order.
        var holders: [NodeName]
        var tried: Set<NodeName> = []
        var askers: [UInt64: CheckedContinuation<BlobLease, any Error>] = [:]
        /// That of the most urgent of the askers.
        var purpose = Purpose.move
        /// Nobody waits for it any more: it is ending, and takes no new asker.
        var isAbandoned = false
    }

    init(
        store: Store, traffic: Traffic, rate: MoveRate, throttle: MoveThrottle, source: @escaping Source,
        sourceOfMany: @escaping SmallPulls.Source
    ) {
        self.store = store
        self.traffic = traffic
        self.rate = rate
        self.throttle = throttle
        self.source = source
        small = SmallPulls(store: store, traffic: traffic, rate: rate, throttle: throttle, source: sourceOfMany)
    }

    init(store: Store, calls: PeerCalls, traffic: Traffic, rate: MoveRate, throttle: MoveThrottle) {
        self.init(store: store, traffic: traffic, rate: rate, throttle: throttle) {
            holder, digest, offset, size, purpose in
            var headers: HeaderFields = [Self.purposeHeader: purpose.rawValue]
            if offset > 0 { headers["Range"] = "bytes=\(offset)-" }
            let response = try await calls.peers.request(
                to: holder, at: try calls.endpoint(of: holder),
                ClientRequest("GET", "/v1/peer/blobs/\(digest.hex)", headers: headers), idempotent: true,
                kind: purpose.kind, timeouts: ClientTimeouts(idle: .seconds(20), total: Self.limit(of: purpose, size)))
            throttle.told(by: response.headers)
            return (response.status, response.body)
        } sourceOfMany: { holder, digests, purpose in
            let (blobs, headers) = try await calls.blobs(digests, from: holder, purpose)
            throttle.told(by: headers)
            return blobs
        }
    }

    /// A move's pieces wait for queries at the other end, each for up to `MovePace.Settings.patience`.
    private static func limit(of purpose: Purpose, _ size: UInt64) -> Duration {
        purpose == .move ? TransferTime.longest : TransferTime.limit(bytes: size)
    }

    /// Of a request for a blob: a holder without it takes each for a write's.
    static let purposeHeader = "Roost-Purpose"

    /// Makes the blob durable here and keeps it so for as long as the lease lives.
    ///
    /// - Parameters:
    ///   - holders: tried in order, each from the byte that the one before reached.
    ///   - purpose: a fetch that was begun for a move hurries when a write joins it.
    /// - Throws: the last holder's failure, a `StorageError`, `PullError.stopping`, or `CancellationError` as soon as
    ///   the caller's task is cancelled; the fetch goes on while somebody else waits for it.
    func obtain(
        _ digest: ContentDigest, size: UInt64, from holders: [NodeName], for purpose: Purpose
    ) async throws -> BlobLease {
        // A new version is about to count on them, and another node to drop its copy because of that: bytes that lie here
        // since long are read before. What comes in the place of wrong ones heals those.
        if let lease = try await store.checkedLease(digest, size: size) { return lease }
        while let ending = underWay[digest], ending.isAbandoned { await ending.task.value }
        try Task.checkCancellation()
        guard !isStopped else { throw PullError.stopping }
        let asker = nextAsker
        nextAsker += 1
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                join(digest, size: size, holders: holders, purpose, asker: asker, continuation)
            }
        } onCancel: {
            Task { await self.leave(digest, asker) }
        }
    }

    /// Ends every fetch, keeping what came, and refuses later ones; returns when none is left.
    func stop() async {
        isStopped = true
        for digest in Array(underWay.keys) { abandon(digest, because: PullError.stopping) }
        for fetch in Array(underWay.values) { await fetch.task.value }
        await small.stop()
    }

    /// How many wait for the blob.
    func askers(of digest: ContentDigest) -> Int { underWay[digest]?.askers.count ?? 0 }

    // MARK: Askers

    private func join(
        _ digest: ContentDigest, size: UInt64, holders: [NodeName], _ purpose: Purpose, asker: UInt64,
        _ continuation: CheckedContinuation<BlobLease, any Error>
    ) {
        // Cancelled before it came here: `leave` found nobody.
        if Task.isCancelled { return continuation.resume(throwing: CancellationError()) }
        var fetch =
            underWay[digest]
            ?? Fetch(task: Task { await self.fetch(digest, size: size) }, holders: [])
        for holder in holders where !fetch.tried.contains(holder) && !fetch.holders.contains(holder) {
            fetch.holders.append(holder)
        }
        fetch.askers[asker] = continuation
        fetch.purpose = fetch.purpose.hurried(by: purpose)
        underWay[digest] = fetch
    }

    private func leave(_ digest: ContentDigest, _ asker: UInt64) {
        guard let continuation = underWay[digest]?.askers.removeValue(forKey: asker) else { return }
        continuation.resume(throwing: CancellationError())
        if underWay[digest]?.askers.isEmpty == true { abandon(digest, because: CancellationError()) }
    }

    private func abandon(_ digest: ContentDigest, because error: any Error) {
        guard let askers = underWay[digest]?.askers else { return }
        underWay[digest]?.askers = [:]
        underWay[digest]?.isAbandoned = true
        underWay[digest]?.task.cancel()
        for asker in askers.values { asker.resume(throwing: error) }
    }

    // MARK: One fetch

    private func fetch(_ digest: ContentDigest, size: UInt64) async {
        var failure: any Error = PullError.noHolder(digest)
        while let holder = nextHolder(of: digest) {
            do {
                let lease = try await fetch(digest, size: size, from: holder)
                return end(digest, .success(lease))
            } catch let error as StorageError {
                failure = error
                // Our own disk: another holder does not help, unless this one's bytes were wrong, or too many or few.
                guard error.isOfBytesThatCame else { break }
            } catch {
                failure = error
            }
            if Task.isCancelled { break }
        }
        end(digest, .failure(failure))
    }

    private func nextHolder(of digest: ContentDigest) -> NodeName? {
        guard let holder = underWay[digest]?.holders.first else { return nil }
        underWay[digest]?.holders.removeFirst()
        underWay[digest]?.tried.insert(holder)
        return holder
    }

    private func end(_ digest: ContentDigest, _ result: Result<BlobLease, any Error>) {
        guard let fetch = underWay.removeValue(forKey: digest) else { return }
        for asker in fetch.askers.values { asker.resume(with: result) }
    }

    private func purpose(of digest: ContentDigest) -> Purpose { underWay[digest]?.purpose ?? .move }

    private nonisolated func turn(for digest: ContentDigest) async throws -> MoveThrottle.Turn? {
        try await throttle.turn(unless: { await self.purpose(of: digest) != .move })
    }

    /// Bytes of a large blob that are fetched in one turn, as the holder reads them.
    private static let bytesPerTurn = BlobBytes.pieceBytes

    private nonisolated func fetch(
        _ digest: ContentDigest, size: UInt64, from holder: NodeName
    ) async throws -> BlobLease {
        // What a client waits for goes at once, and alone.
        if size <= BlobFrames.bytesMax, await purpose(of: digest) != .write {
            do {
                return try await small.obtain(digest, size: size, from: holder) { await self.purpose(of: digest) }
            } catch PeerCallError.refused(_, _, status: 404, _) {
                // An agent of before 2026-11-28, which gives one at a time.
            }
        }
        var turn = try await turn(for: digest)
        defer { turn?.end() }
        let incoming = try await store.resume(digest, size: size)
        var bytes: UInt64 = 0
        rate.began()
        defer { rate.ended(bytes: bytes) }
        do {
            if incoming.offset < size {
                let answer = try await source(holder, digest, incoming.offset, size, await purpose(of: digest))
                guard answer.status == (incoming.offset > 0 ? 206 : 200) else {
                    throw PullError.refused(holder, digest, status: answer.status)
                }
                var inTurn = 0
                for try await part in answer.body {
                    if turn != nil, inTurn >= Self.bytesPerTurn {
                        turn?.end()
                        turn = nil
                        turn = try await self.turn(for: digest)
                        inTurn = 0
                    }
                    inTurn += part.readableBytes
                    traffic.received(part.readableBytes)
                    bytes &+= UInt64(part.readableBytes)
                    try await MoveThrottle.work(in: turn) { try await incoming.write(part) }
                }
            }
            return try await MoveThrottle.work(in: turn) { try await incoming.finish(expecting: digest) }
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
enum PullError: Error, Hashable, CustomStringConvertible {
    case noHolder(ContentDigest)
    case refused(NodeName, ContentDigest, status: Int)
    /// Its answer is not what an agent gives.
    case unreadable(NodeName)
    case stopping

    var description: String {
        switch self {
        case .noHolder(let digest): "no node is known that holds the bytes \(digest)"
        case .refused(let node, let digest, let status): "\(node) answered \(status) for the bytes \(digest)"
        case .unreadable(let node): "what \(node) answered to a request for several blobs can not be read"
        case .stopping: "the agent is stopping and fetches nothing any more"
        }
    }
}
