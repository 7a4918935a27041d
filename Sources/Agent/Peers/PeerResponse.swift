import Client
import NIOConcurrencyHelpers
import NIOCore

/// A peer's answer. Its place in the table stays taken until the body has been read to its end or dropped.
public struct PeerResponse: Sendable {
    public let status: Int
    public let headers: HeaderFields
    public let contentLength: UInt64?
    public let body: PeerBody
}

/// The body of a peer's answer, read once by one task.
public struct PeerBody: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer

    private let body: Client.ResponseBody
    private let holder: PlaceHolder

    init(_ body: Client.ResponseBody, _ holder: PlaceHolder) {
        self.body = body
        self.holder = holder
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: Client.ResponseBody.AsyncIterator
        let holder: PlaceHolder

        public mutating func next() async throws -> ByteBuffer? {
            guard let buffer = try await base.next() else {
                await holder.release()
                return nil
            }
            return buffer
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: body.makeAsyncIterator(), holder: holder)
    }

    /// The whole body, when it has at most `limit` bytes.
    public func collect(upTo limit: Int) async throws -> ByteBuffer {
        var whole = ByteBuffer()
        for try await var part in self {
            guard part.readableBytes <= limit - whole.readableBytes else {
                throw ClientError.badRequest(reason: "the answer has more than \(limit) bytes")
            }
            whole.writeBuffer(&part)
        }
        return whole
    }

    /// Reads and forgets a small rest, so that the connection can serve again.
    public func discard(upTo limit: Int = 1 << 16) async {
        await body.discard(upTo: limit)
        await holder.release()
    }
}

/// Gives a lease back exactly once: at the end of the body, or when the last reference to it goes.
final class PlaceHolder: Sendable {
    private let table: PeersTable
    private let lease: NIOLockedValueBox<Lease?>

    init(table: PeersTable, lease: Lease) {
        self.table = table
        self.lease = NIOLockedValueBox(lease)
    }

    private func take() -> Lease? {
        lease.withLockedValue { lease in
            defer { lease = nil }
            return lease
        }
    }

    func release() async {
        if let lease = take() { await table.giveBack(lease) }
    }

    deinit {
        guard let lease = take() else { return }
        let table = table
        Task {
            // Dropped before its end: what is left of the answer makes the connection useless.
            await lease.connection.close()
            await table.giveBack(lease)
        }
    }
}
