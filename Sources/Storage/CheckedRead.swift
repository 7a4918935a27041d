import NIOConcurrencyHelpers
import NIOCore
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A blob read once from its first byte to its last, hashed as it goes: the last piece is given away only when the
/// whole has the SHA-256 that it is named for. Who passes the pieces on so never completes a body of wrong bytes.
///
/// Hashing is done by the thread that reads (1.3 GB/s), which is idle while the socket takes the piece before.
public final class CheckedRead: Sendable {
    public let reader: BlobReader
    private let state: NIOLockedValueBox<State>
    /// Whether the bytes are to come from the disk, and not from what memory has of it.
    private let pastCache: Bool

    private struct State {
        var position: UInt64 = 0
        var hasher: SHA256Hasher
    }

    /// - Parameter pastCache: for a check of the disk; a client is served from memory where it can be.
    public init(_ reader: BlobReader, pastCache: Bool = false) throws(StorageError) {
        self.reader = reader
        self.pastCache = pastCache
        do { state = NIOLockedValueBox(State(hasher: try SHA256Hasher())) } catch {
            // OpenSSL refuses only for want of memory.
            throw .io(operation: "start a SHA-256 of", path: reader.path, errno: ENOMEM)
        }
    }

    /// The next piece, of at most `count` bytes; nil after the last. One call at a time.
    ///
    /// - Throws: `.rotten` in the place of the last piece; what the disk says.
    public func next(upTo count: Int) async throws(StorageError) -> ByteBuffer? {
        let (state, size, digest, pastCache) = (state, reader.size, reader.digest, pastCache)
        let most = UInt64(max(1, min(count, BlobReader.readBytesMax)))
        return try await reader.onDisk { file throws(StorageError) in
            let outcome: Result<ByteBuffer?, StorageError> = state.withLockedValue { state in
                Result { () throws(StorageError) in
                    guard state.position < size || state.position == 0 else { return nil }
                    let wanted = min(most, size - state.position)
                    if pastCache { file.forgetCached(from: state.position, count: wanted) }
                    let piece = try BlobReader.piece(of: file, at: state.position, count: Int(wanted))
                    state.hasher.update(piece)
                    state.position += wanted
                    if state.position == size, state.hasher.finish() != digest { throw .rotten(digest) }
                    return size == 0 ? nil : piece
                }
            }
            return try outcome.get()
        }
    }
}

extension BlobReader {
    /// All of it, checked. For blobs that fit into memory, however many are read at once.
    ///
    /// - Throws: `.rotten`; what the disk says.
    public func whole() async throws(StorageError) -> ByteBuffer {
        let read = try CheckedRead(self)
        var all = ByteBuffer()
        while var piece = try await read.next(upTo: Self.readBytesMax) {
            if all.readableBytes == 0 { all = piece } else { all.writeBuffer(&piece) }
        }
        return all
    }
}
