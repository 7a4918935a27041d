import NIOCore
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Many small blobs in one visit to the store's threads: each alone costs more in changes of threads than in work.
extension Store {
    /// A blob as it was found, or why not.
    public enum SmallBlob: Sendable {
        /// All of it, and what it should be.
        case whole(ByteBuffer)
        case missing
        /// It has more bytes than was said.
        case large
        /// What is wrong with it, and where.
        case failed(StorageError, BlobReader?)
    }

    /// Reads and checks blobs of at most `bytesMax` bytes each, one after another.
    public func smallBlobs(_ digests: [ContentDigest], bytesMax: UInt64) async throws(StorageError) -> [SmallBlob] {
        let (data, threads) = (data, threads)
        return try await threads.run { () throws(StorageError) in
            digests.map { digest in
                var reader: BlobReader?
                do throws(StorageError) {
                    guard let file = try Files.openIfPresent(data.blob(digest), O_RDONLY) else { return .missing }
                    let size = try file.size()
                    reader = BlobReader(digest: digest, size: size, file: file, threads: threads)
                    guard size <= bytesMax else { return .large }
                    let bytes = try BlobReader.piece(of: file, at: 0, count: Int(size))
                    guard SHA256.digest(bytes) == digest else { throw .rotten(digest) }
                    return .whole(bytes)
                } catch { return .failed(error, reader) }
            }
        }
    }

    /// Whether so many bytes would fit now.
    ///
    /// - Throws: `.full`.
    public func checkRoom(for bytes: UInt64) async throws(StorageError) {
        let streams = blobs.streams
        try await threads.run { () throws(StorageError) in try streams.checkRoom(for: bytes) }
    }

    /// Makes blobs durable here that came whole, one after another: each synced, renamed, its folder synced.
    ///
    /// - Returns: for each, what keeps it until a version names it; or `.digestMismatch` where the bytes are others,
    ///   `.full`, `.alreadyReceiving`, `.tooManyStreams`.
    public func keepSmall(
        _ arrived: [(digest: ContentDigest, bytes: ByteBuffer)]
    ) async throws(StorageError) -> [Result<BlobLease, StorageError>] {
        let blobs = blobs
        return try await threads.run { () throws(StorageError) in
            arrived.map { digest, bytes in
                Result { () throws(StorageError) in try Self.keepSmall(digest, bytes, in: blobs) }
            }
        }
    }

    /// Blocks.
    private static func keepSmall(
        _ digest: ContentDigest, _ bytes: ByteBuffer, in blobs: Blobs
    ) throws(StorageError) -> BlobLease {
        let actual = SHA256.digest(bytes)
        guard actual == digest else { throw .digestMismatch(expected: digest, actual: actual) }
        let size = UInt64(bytes.readableBytes)
        // In the place of what an earlier pull of it may have left.
        let kind = Streams.Kind.pull(digest)
        let path = try blobs.streams.begin(kind)
        defer { blobs.streams.end(kind, missing: 0) }
        try blobs.streams.promise(size, to: kind)
        defer { blobs.streams.wrote(size, of: kind) }
        do throws(StorageError) {
            let file = try Files.open(path, O_WRONLY | O_CREAT | O_TRUNC)
            let written: Result<Void, StorageError> = bytes.withUnsafeReadableBytes { raw in
                Result { () throws(StorageError) in try file.write(raw) }
            }
            try written.get()
            try blobs.prepareShelf(of: digest)
            try file.sync()
            return try blobs.adopt(path, as: digest, size: size)
        } catch {
            try? Files.remove(path)
            throw error
        }
    }
}
