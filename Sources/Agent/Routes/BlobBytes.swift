import NIOCore
import Storage

/// The bytes of a stored blob, read ahead by nothing: the next piece is read when the socket took the last, so a slow
/// reader costs one buffer.
struct BlobBytes: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    /// How it is known that the bytes are those that the blob is named for.
    enum Check: Sendable {
        /// Who gets them makes sure.
        case byReader
        /// From the first byte to the last; the last piece is held back until the whole is known to be right.
        case whole(CheckedRead)
        /// Block by block, by sums that are known.
        case blocks(Store)
    }

    /// Large enough that OpenSSL and the disk are handed whole pieces (DESIGN §10).
    static let pieceBytes = 512 * 1024

    let reader: BlobReader
    let offset: UInt64
    let count: UInt64
    let check: Check
    /// Each piece takes its turn with the queries here.
    var throttle: MoveThrottle?
    var onRead: @Sendable (Int) -> Void = { _ in }
    /// Hears why the body was broken off.
    var onFailure: @Sendable (StorageError) -> Void = { _ in }

    struct AsyncIterator: AsyncIteratorProtocol {
        let bytes: BlobBytes
        var position: UInt64 = 0

        mutating func next() async throws -> ByteBuffer? {
            guard position < bytes.count else { return nil }
            let turn = try await bytes.throttle?.turn()
            defer { turn?.end() }
            let buffer: ByteBuffer
            do throws(StorageError) { buffer = try await piece(in: turn) } catch {
                bytes.onFailure(error)
                throw error
            }
            guard buffer.readableBytes > 0 else { return nil }
            position += UInt64(buffer.readableBytes)
            bytes.onRead(buffer.readableBytes)
            return buffer
        }

        private func piece(in turn: MoveThrottle.Turn?) async throws(StorageError) -> ByteBuffer {
            guard let turn else { return try await piece() }
            let result = await turn.work { () async -> Result<ByteBuffer, StorageError> in
                do throws(StorageError) { return .success(try await piece()) } catch { return .failure(error) }
            }
            return try result.get()
        }

        private func piece() async throws(StorageError) -> ByteBuffer {
            let left = bytes.count - position
            let want = Int(Swift.min(UInt64(BlobBytes.pieceBytes), left))
            switch bytes.check {
            case .byReader: return try await bytes.reader.read(offset: bytes.offset + position, count: want)
            case .whole(let read): return try await read.next(upTo: want) ?? ByteBuffer()
            case .blocks(let store):
                return try await store.checkedPart(of: bytes.reader, offset: bytes.offset + position, count: left)
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(bytes: self) }
}
