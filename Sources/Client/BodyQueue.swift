import NIOConcurrencyHelpers
import NIOCore

/// The bytes of one answer between the event loop that reads them and the task that takes them.
///
/// Bounded: past `highWater` bytes the connection stops reading until the task has taken all but `lowWater`. Taking a
/// buffer that is there costs one lock and no change of thread.
final class BodyQueue: Sendable {
    /// Four TLS records' worth of overlap at each end keeps a fast link busy; ten times as much gained nothing.
    static let highWater = 1 << 20
    static let lowWater = 1 << 18

    private struct State {
        var buffers = CircularBuffer<ByteBuffer>()
        var bytes = 0
        var paused = false
        var end: Result<Void, any Error>?
        var waiter: CheckedContinuation<ByteBuffer?, any Error>?
    }

    private let state = NIOLockedValueBox(State())
    /// Called (from any thread) when reading may go on.
    private let resume: @Sendable () -> Void
    /// Called when the taker is gone before the end.
    private let abandon: @Sendable (any Error) -> Void

    init(resume: @escaping @Sendable () -> Void, abandon: @escaping @Sendable (any Error) -> Void) {
        self.resume = resume
        self.abandon = abandon
    }

    /// Whether the connection must not read on now.
    var isPaused: Bool { state.withLockedValue { $0.paused } }

    func push(_ buffer: ByteBuffer) {
        let waiter = state.withLockedValue { state -> CheckedContinuation<ByteBuffer?, any Error>? in
            guard state.end == nil else { return nil }
            if let waiter = state.waiter {
                state.waiter = nil
                return waiter
            }
            state.buffers.append(buffer)
            state.bytes += buffer.readableBytes
            if state.bytes >= Self.highWater { state.paused = true }
            return nil
        }
        waiter?.resume(returning: buffer)
    }

    /// The first end counts; what was pushed before it is still delivered.
    func finish(_ result: Result<Void, any Error>) {
        let waiter = state.withLockedValue { state -> CheckedContinuation<ByteBuffer?, any Error>? in
            guard state.end == nil else { return nil }
            state.end = result
            defer { state.waiter = nil }
            return state.waiter
        }
        guard let waiter else { return }
        switch result {
        case .success: waiter.resume(returning: nil)
        case .failure(let error): waiter.resume(throwing: error)
        }
    }

    /// The next buffer, or `nil` at the end. One task at a time.
    func next() async throws -> ByteBuffer? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                var resumesReading = false
                let answer = state.withLockedValue { state -> Result<ByteBuffer?, any Error>? in
                    if let buffer = state.buffers.popFirst() {
                        state.bytes -= buffer.readableBytes
                        if state.paused && state.bytes <= Self.lowWater {
                            state.paused = false
                            resumesReading = true
                        }
                        return .success(buffer)
                    }
                    if let end = state.end { return end.map { nil } }
                    guard state.waiter == nil else {
                        return .failure(ClientError.badRequest(reason: "two tasks read one answer's body"))
                    }
                    state.waiter = continuation
                    return nil
                }
                if resumesReading { resume() }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            cancel(CancellationError())
        }
    }

    /// Ends the body for its taker and closes the connection unless the end had come.
    func cancel(_ error: any Error) {
        let (waiter, wasOpen) = state.withLockedValue {
            state -> (CheckedContinuation<ByteBuffer?, any Error>?, Bool) in
            let wasOpen = state.end == nil
            if wasOpen {
                state.end = .failure(error)
                state.buffers.removeAll()
                state.bytes = 0
            }
            defer { state.waiter = nil }
            return (state.waiter, wasOpen)
        }
        waiter?.resume(throwing: error)
        if wasOpen { abandon(error) }
    }
}

/// An answer's body: bytes as they come, read once by one task. A body that is dropped before its end closes the
/// connection, since what is left of it could not be told from the next answer.
public struct ResponseBody: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer

    /// Its end of life is the end of interest in the body.
    fileprivate final class Owner: Sendable {
        let queue: BodyQueue
        init(queue: BodyQueue) { self.queue = queue }
        deinit { queue.cancel(CancellationError()) }
    }

    private let owner: Owner

    init(queue: BodyQueue) { owner = Owner(queue: queue) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let owner: Owner

        public mutating func next() async throws -> ByteBuffer? { try await owner.queue.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(owner: owner) }

    /// The whole body, when it has at most `limit` bytes.
    ///
    /// - Throws: `ClientError.badRequest` past the limit; the connection is closed then.
    public func collect(upTo limit: Int) async throws -> ByteBuffer {
        var whole = ByteBuffer()
        for try await var part in self {
            guard part.readableBytes <= limit - whole.readableBytes else {
                let error = ClientError.badRequest(reason: "the answer has more than \(limit) bytes")
                owner.queue.cancel(error)
                throw error
            }
            whole.writeBuffer(&part)
        }
        return whole
    }

    /// Reads and forgets at most `limit` bytes, so that the connection can serve again; closes it past that.
    public func discard(upTo limit: Int = 1 << 16) async {
        var seen = 0
        do {
            for try await part in self {
                seen += part.readableBytes
                if seen > limit { return owner.queue.cancel(CancellationError()) }
            }
        } catch {
            // The connection has closed, and `isIdle` says so: there is nobody to tell.
        }
    }
}
