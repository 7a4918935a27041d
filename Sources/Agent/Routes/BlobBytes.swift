import NIOCore
import Storage

/// The bytes of a stored blob from an offset on, read ahead by nothing: the next piece is read when the socket took
/// the last, so a slow reader costs one buffer.
struct BlobBytes: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    /// Large enough that OpenSSL and the disk are handed whole pieces (DESIGN §10).
    static let pieceBytes = 512 * 1024

    let reader: BlobReader
    let offset: UInt64
    let count: UInt64
    var onRead: @Sendable (Int) -> Void = { _ in }

    struct AsyncIterator: AsyncIteratorProtocol {
        let bytes: BlobBytes
        var position: UInt64 = 0

        mutating func next() async throws -> ByteBuffer? {
            guard position < bytes.count else { return nil }
            let want = Int(Swift.min(UInt64(BlobBytes.pieceBytes), bytes.count - position))
            let buffer = try await bytes.reader.read(offset: bytes.offset + position, count: want)
            guard buffer.readableBytes > 0 else { return nil }
            position += UInt64(buffer.readableBytes)
            bytes.onRead(buffer.readableBytes)
            return buffer
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(bytes: self) }
}
