import NIOConcurrencyHelpers
import Vocabulary

/// Who brings bytes now, and the space that was promised to them (law 9).
///
/// Uploads and pulls have allowances of their own: however many clients upload, and however slowly, other nodes'
/// copies still arrive. What a stream has announced and not yet written counts as taken, so that streams which only
/// fit one by one are refused before their first byte and not at their last. One caller's uploads are promised three quarters
/// of what others leave free, at most, as they are of the places: what else it announces waits, and others' puts fit.
final class Streams: Sendable {
    struct Limits: Sendable {
        let uploadsMax: Int
        let uploadsPerOwnerMax: Int
        let pullsMax: Int
        let reserveBytes: UInt64
    }

    enum Kind: Sendable, Hashable {
        /// Bytes that nobody knows yet, and whose they are.
        case upload(owner: String)
        case pull(ContentDigest)
    }

    /// What one caller's uploads have taken.
    private struct Own {
        var count = 0
        /// Announced and not yet written, in bytes.
        var promisedBytes: UInt64 = 0
    }

    private struct State {
        var uploads: [String: Own] = [:]
        var uploadCount = 0
        var receiving: Set<ContentDigest> = []
        /// Announced by open streams and not yet written, in bytes.
        var promisedBytes: UInt64 = 0
        var serial: UInt64 = 0
    }

    let limits: Limits
    private let folder: DataFolder
    private let state = NIOLockedValueBox(State())
    /// One partial file is read again at a time, whoever asks.
    let rehashing = Turns()

    init(folder: DataFolder, limits: Limits) {
        self.folder = folder
        self.limits = limits
    }

    /// The digests that pulls are bringing.
    var receiving: Set<ContentDigest> { state.withLockedValue { $0.receiving } }
    var promisedBytes: UInt64 { state.withLockedValue { $0.promisedBytes } }

    /// Refuses what could not begin now, and takes nothing: so that a client hears it before it sends a byte. Blocks.
    func expect(_ kind: Kind, announcing size: UInt64?) throws(StorageError) {
        let (no, promised, own) = state.withLockedValue { (refusal(kind, $0), $0.promisedBytes, uploads(of: kind, $0)) }
        if let no { throw no }
        try checkSpace(for: size ?? 0, promised: promised, ofOwn: own)
    }

    /// Counts a stream in and gives its file a path.
    func begin(_ kind: Kind) throws(StorageError) -> String {
        let outcome: Result<String, StorageError> = state.withLockedValue { state in
            if let refusal = refusal(kind, state) { return .failure(refusal) }
            switch kind {
            case .upload(let owner):
                state.uploads[owner, default: Own()].count += 1
                state.uploadCount += 1
                state.serial &+= 1
                return .success("\(folder.incoming)/\(state.serial).tmp")
            case .pull(let digest):
                state.receiving.insert(digest)
                return .success(folder.partial(digest))
            }
        }
        return try outcome.get()
    }

    /// Keeps space free for what a stream that has begun still brings. Blocks.
    ///
    /// - Throws: `.full` or `.shareTaken`, with nothing promised, when it does not fit beside what others were promised, or beside
    ///   the same caller's other uploads in its share.
    func promise(_ bytes: UInt64, to kind: Kind) throws(StorageError) {
        // Counted first: two that ask at once see each other, and at worst both are refused.
        let before: (promised: UInt64, own: Own?)? = state.withLockedValue { state in
            let (sum, overflow) = state.promisedBytes.addingReportingOverflow(bytes)
            if overflow { return nil }
            var own = uploads(of: kind, state)
            own?.count -= 1
            defer {
                state.promisedBytes = sum
                if case .upload(let owner) = kind { state.uploads[owner]?.promisedBytes += bytes }
            }
            return (state.promisedBytes, own)
        }
        guard let before else { throw .full(folder: folder.path, freeBytes: Files.space(at: folder.path)?.free ?? 0) }
        do throws(StorageError) { try checkSpace(for: bytes, promised: before.promised, ofOwn: before.own) } catch {
            wrote(bytes, of: kind)
            throw error
        }
    }

    /// Some of what was promised is on disk now, or is not wanted any more.
    func wrote(_ bytes: UInt64, of kind: Kind) { state.withLockedValue { takeBack(bytes, from: kind, &$0) } }

    /// - Parameter bytes: what was promised and never written.
    func end(_ kind: Kind, missing bytes: UInt64) {
        state.withLockedValue { state in
            takeBack(bytes, from: kind, &state)
            switch kind {
            case .upload(let owner):
                state.uploadCount -= 1
                state.uploads[owner]?.count -= 1
                if state.uploads[owner]?.count == 0 { state.uploads[owner] = nil }
            case .pull(let digest): state.receiving.remove(digest)
            }
        }
    }

    private func takeBack(_ bytes: UInt64, from kind: Kind, _ state: inout State) {
        state.promisedBytes -= min(state.promisedBytes, bytes)
        guard case .upload(let owner) = kind, let own = state.uploads[owner] else { return }
        state.uploads[owner]?.promisedBytes -= min(own.promisedBytes, bytes)
    }

    private func uploads(of kind: Kind, _ state: State) -> Own? {
        guard case .upload(let owner) = kind else { return nil }
        return state.uploads[owner] ?? Own()
    }

    private func refusal(_ kind: Kind, _ state: State) -> StorageError? {
        switch kind {
        case .upload(let owner):
            if state.uploadCount >= limits.uploadsMax { return .tooManyStreams(count: limits.uploadsMax) }
            let own = state.uploads[owner]?.count ?? 0
            return own >= limits.uploadsPerOwnerMax ? .tooManyStreams(count: limits.uploadsPerOwnerMax) : nil
        case .pull(let digest):
            if state.receiving.contains(digest) { return .alreadyReceiving(digest) }
            return state.receiving.count >= limits.pullsMax ? .tooManyStreams(count: limits.pullsMax) : nil
        }
    }

    /// Whether so many bytes would fit now beside what was promised. Blocks.
    ///
    /// - Throws: `.full`.
    func checkRoom(for bytes: UInt64) throws(StorageError) {
        try checkSpace(for: bytes, promised: promisedBytes, ofOwn: nil)
    }

    /// - Parameters:
    ///   - promised: to all streams, in bytes.
    ///   - own: what the caller's other uploads have of it; nil for what is nobody's upload.
    private func checkSpace(for bytes: UInt64, promised: UInt64, ofOwn own: Own?) throws(StorageError) {
        // A file system that does not tell is found full when it is.
        guard bytes > 0, let free = Files.space(at: folder.path)?.free else { return }
        let taken = limits.reserveBytes.addingReportingOverflow(promised)
        guard !taken.overflow, taken.partialValue <= free, bytes <= free - taken.partialValue else {
            throw .full(folder: folder.path, freeBytes: free)
        }
        guard let own, own.count > 0 else { return }
        // Neither sum can overflow: all of it was found to be within what is free.
        let left = free - taken.partialValue + own.promisedBytes
        let share = left - left / 4
        guard own.promisedBytes + bytes <= share else {
            throw .shareTaken(promisedBytes: own.promisedBytes, shareBytes: share)
        }
    }
}

/// One at a time, in the order of asking. Who waits is bounded by whoever asks (here: by the streams).
final class Turns: Sendable {
    private let state = NIOLockedValueBox((isTaken: false, waiting: [CheckedContinuation<Void, Never>]()))

    func take() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLockedValue { state in
                if state.isTaken { state.waiting.append(continuation) }
                defer { state.isTaken = true }
                return !state.isTaken
            }
            if isFree { continuation.resume() }
        }
    }

    func give() {
        let next: CheckedContinuation<Void, Never>? = state.withLockedValue { state in
            if state.waiting.isEmpty {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
