import NIOCore
import Vocabulary

/// An open blob: it stays readable while this is held, also when its last version is dropped meanwhile.
public final class BlobReader: Sendable {
    public let digest: ContentDigest
    /// Bytes.
    public let size: UInt64
    private let file: OpenFile
    private let threads: Threads

    var path: String { file.path }

    /// What one `read` gives at most: large enough for TLS to seal without pause, small enough for many readers.
    public static let readBytesMax = 1_024 * 1_024

    init(digest: ContentDigest, size: UInt64, file: OpenFile, threads: Threads) {
        self.digest = digest
        self.size = size
        self.file = file
        self.threads = threads
    }

    // Closing the last reference to a removed file frees its blocks, which takes time: not on the caller's thread.
    deinit {
        let file = file
        threads.finally { _ = file }
    }

    /// Up to `count` bytes (at most `readBytesMax`) from `offset` on; fewer only at the end, none past it.
    public func read(offset: UInt64, count: Int) async throws(StorageError) -> ByteBuffer {
        guard offset < size, count > 0 else { return ByteBuffer() }
        let wanted = Int(min(UInt64(min(count, Self.readBytesMax)), size - offset))
        return try await onDisk { file throws(StorageError) in try Self.piece(of: file, at: offset, count: wanted) }
    }

    /// Runs a step on one of the store's threads.
    func onDisk<T: Sendable>(
        _ step: @escaping @Sendable (OpenFile) throws(StorageError) -> T
    ) async throws(StorageError) -> T {
        let file = file
        return try await threads.run { () throws(StorageError) in try step(file) }
    }

    /// Exactly `count` bytes. Blocks.
    static func piece(of file: OpenFile, at offset: UInt64, count: Int) throws(StorageError) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        var failure: StorageError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { bytes in
            do throws(StorageError) {
                return try file.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: bytes.prefix(count)))
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        guard buffer.readableBytes == count else {
            throw .damaged(path: file.path, detail: "it ends before its size")
        }
        return buffer
    }
}
