import NIOCore
import Node
import Relocation
import Storage
import Vocabulary

/// Small blobs that are wanted from one holder at the same time come in one request, and are made durable in one visit to
/// the disk's threads: over a link of 150 ms four at a time would be 27 names a second.
///
/// The first goes at once; what is asked for while a request is under way goes in the next. A full one does not wait for
/// the one before it.
actor SmallPulls {
    /// The answer to one request: as many as were asked for, nil for what is not there.
    typealias Source =
        @Sendable (_ holder: NodeName, _ digests: [ContentDigest], _ purpose: Puller.Purpose) async throws ->
        [ByteBuffer?]

    /// One blob that somebody waits for.
    private struct Wish {
        let number: UInt64
        let digest: ContentDigest
        let size: UInt64
        let purpose: @Sendable () async -> Puller.Purpose
        let continuation: CheckedContinuation<BlobLease, any Error>
    }

    private struct Holder {
        var wishes: [Wish] = []
        var workers: [UInt64: Task<Void, Never>] = [:]
    }

    /// Blobs in one request while this node is asked for others: a query waits for no more than these. At half, a round trip
    /// carries half of what it may; at double, 32 milliseconds of a slow core are in a query's way.
    private static let countBesideQueries = 8
    /// Requests to one holder at once, each on a connection of its own: as many as there may be moves, and no more than
    /// this. At half, a link of 150 ms carries half as many; at double, more wait for their turn there than are needed to
    /// use it.
    private static let requestsMax = 4

    private let store: Store
    private let traffic: Traffic
    private let rate: MoveRate
    private let throttle: MoveThrottle
    private let requestsMax: Int
    private let source: Source
    private var holders: [NodeName: Holder] = [:]
    /// Those in a request, by number: each is resumed once.
    private var asked: [UInt64: Wish] = [:]
    private var nextNumber: UInt64 = 1
    private var isStopped = false

    init(store: Store, traffic: Traffic, rate: MoveRate, throttle: MoveThrottle, source: @escaping Source) {
        self.store = store
        self.traffic = traffic
        self.rate = rate
        self.throttle = throttle
        requestsMax = min(throttle.streams, Self.requestsMax)
        self.source = source
    }

    /// Makes the blob durable here.
    ///
    /// - Parameter purpose: looked at again while the request waits for its turn.
    /// - Throws: what became of the request; a `StorageError`; `PullError.refused` with 404 when the holder has it not;
    ///   `CancellationError`, at once.
    func obtain(
        _ digest: ContentDigest, size: UInt64, from holder: NodeName,
        for purpose: @escaping @Sendable () async -> Puller.Purpose
    ) async throws -> BlobLease {
        try Task.checkCancellation()
        guard !isStopped else { throw PullError.stopping }
        let number = nextNumber
        nextNumber &+= 1
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // Cancelled before it came here: `giveUp` found nobody.
                if Task.isCancelled { return continuation.resume(throwing: CancellationError()) }
                let wish = Wish(
                    number: number, digest: digest, size: size, purpose: purpose, continuation: continuation)
                holders[holder, default: Holder()].wishes.append(wish)
                employ(for: holder)
            }
        } onCancel: {
            Task { await self.giveUp(number, holder) }
        }
    }

    /// Ends every request and refuses later ones; returns when none is under way.
    func stop() async {
        isStopped = true
        for (holder, state) in holders {
            for wish in state.wishes { wish.continuation.resume(throwing: PullError.stopping) }
            holders[holder]?.wishes = []
            for worker in state.workers.values { worker.cancel() }
        }
        for worker in holders.values.flatMap(\.workers.values) { await worker.value }
    }

    private func giveUp(_ number: UInt64, _ holder: NodeName) {
        if let wish = asked.removeValue(forKey: number) {
            return wish.continuation.resume(throwing: CancellationError())
        }
        guard let index = holders[holder]?.wishes.firstIndex(where: { $0.number == number }),
            let wish = holders[holder]?.wishes.remove(at: index)
        else { return }
        wish.continuation.resume(throwing: CancellationError())
    }

    // MARK: Requests

    private func employ(for holder: NodeName) {
        guard let state = holders[holder] else { return }
        let isOneMoreOfUse = state.wishes.count >= BlobFrames.countMax && state.workers.count < requestsMax
        guard state.workers.isEmpty || isOneMoreOfUse else { return }
        let number = nextNumber
        nextNumber &+= 1
        holders[holder]?.workers[number] = Task { await self.work(number, holder) }
    }

    private func work(_ number: UInt64, _ holder: NodeName) async {
        while !Task.isCancelled, let batch = take(from: holder) { await fetch(batch, from: holder) }
        holders[holder]?.workers[number] = nil
        if let state = holders[holder], state.wishes.isEmpty, state.workers.isEmpty { holders[holder] = nil }
    }

    private func take(from holder: NodeName) -> [Wish]? {
        let count = throttle.share == nil ? BlobFrames.countMax : Self.countBesideQueries
        guard let wishes = holders[holder]?.wishes.prefix(count), !wishes.isEmpty else { return nil }
        holders[holder]?.wishes.removeFirst(wishes.count)
        for wish in wishes { asked[wish.number] = wish }
        return Array(wishes)
    }

    private func fetch(_ batch: [Wish], from holder: NodeName) async {
        do {
            for (wish, result) in zip(batch, try await leases(of: batch, from: holder)) { end(wish, result) }
        } catch {
            for wish in batch { end(wish, .failure(error)) }
        }
    }

    private func end(_ wish: Wish, _ result: Result<BlobLease, any Error>) {
        asked.removeValue(forKey: wish.number)?.continuation.resume(with: result)
    }

    private nonisolated func leases(
        of batch: [Wish], from holder: NodeName
    ) async throws -> [Result<BlobLease, any Error>] {
        let turn = try await throttle.turn { await Self.mayHurry(batch) }
        defer { turn?.end() }
        // Else a full disk would be sent the same bytes again and again.
        try await store.checkRoom(for: batch.map(\.size).min() ?? 0)
        var bytes: UInt64 = 0
        rate.began()
        defer { rate.ended(bytes: bytes) }
        let answer = try await source(holder, batch.map(\.digest), turn == nil ? .handover : .move)
        guard answer.count == batch.count else { throw PullError.unreadable(holder) }
        var results: [Result<BlobLease, any Error>] = []
        var arrived: [(index: Int, digest: ContentDigest, bytes: ByteBuffer)] = []
        for (index, (wish, blob)) in zip(batch, answer).enumerated() {
            results.append(.failure(PullError.refused(holder, wish.digest, status: 404)))
            guard let blob else { continue }
            traffic.received(blob.readableBytes)
            bytes &+= UInt64(blob.readableBytes)
            guard UInt64(blob.readableBytes) == wish.size else {
                results[index] = .failure(
                    StorageError.sizeMismatch(expected: wish.size, actual: UInt64(blob.readableBytes)))
                continue
            }
            arrived.append((index, wish.digest, blob))
        }
        let kept = try await MoveThrottle.work(in: turn) {
            try await store.keepSmall(arrived.map { ($0.digest, $0.bytes) })
        }
        for (arrival, result) in zip(arrived, kept) { results[arrival.index] = result.mapError { $0 } }
        return results
    }

    private static func mayHurry(_ batch: [Wish]) async -> Bool {
        for wish in batch where await wish.purpose() != .move { return true }
        return false
    }
}
