import NIOConcurrencyHelpers
import NIOCore
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Bytes on their way in: written beside the blobs, hashed as they come, and a blob only when `finish` returns.
///
/// One writer at a time: await each call before the next. `write` returns when the bytes are handed to the kernel or
/// wait, at most `chunkBytes` of them, for more; awaiting it is the backpressure, and memory does not grow with size.
/// A stream that is let go without `finish` leaves nothing, except a resumable one, which leaves its partial file.
public final class IncomingBlob: Sendable {
    /// Bytes that were here already: a resumed pull continues after them. 0 for a new stream.
    public let offset: UInt64

    private let announced: (digest: ContentDigest, size: UInt64)?
    private let path: String
    private let blobs: Blobs
    private let reserveBytes: UInt64
    /// Small buffers collect here, so that a TLS record of 16 KiB does not cost a change of thread.
    private let pending: NIOLockedValueBox<Pending>
    /// Touched by one of the store's threads at a time.
    private let disk: NIOLockedValueBox<Disk>

    /// A change of thread costs some microseconds, writing and hashing this much some hundreds: at half the overhead
    /// shows, at double each stream holds more memory and nothing is gained.
    static let chunkBytes = 256 * 1_024
    /// A stream is synced this often, so that `finish` of a large one is short and a slow disk is felt as backpressure,
    /// not as memory full of unwritten pages. At half, small files pay twice; at double, the last sync takes seconds.
    static let syncBytes: UInt64 = 64 * 1_024 * 1_024

    private struct Pending {
        var buffer = ByteBuffer()
        var isOpen = true
    }

    private struct Disk {
        var file: OpenFile?
        var digest: SHA256Hasher
        var written: UInt64
        var syncAt: UInt64
    }

    private init(
        file: OpenFile, digest: SHA256Hasher, offset: UInt64, announced: (digest: ContentDigest, size: UInt64)?,
        blobs: Blobs, reserveBytes: UInt64
    ) {
        self.offset = offset
        self.announced = announced
        path = file.path
        self.blobs = blobs
        self.reserveBytes = reserveBytes
        pending = NIOLockedValueBox(Pending())
        disk = NIOLockedValueBox(
            Disk(file: file, digest: digest, written: offset, syncAt: offset &+ Self.syncBytes))
    }

    /// A new stream of bytes that nobody knows yet. Blocks.
    static func create(in blobs: Blobs, streamsMax: Int, reserveBytes: UInt64) throws(StorageError) -> IncomingBlob {
        let path = try blobs.beginStream(max: streamsMax)
        do throws(StorageError) {
            let file = try Files.open(path, O_RDWR | O_CREAT | O_TRUNC)
            return IncomingBlob(
                file: file, digest: try hasher(for: path), offset: 0, announced: nil, blobs: blobs,
                reserveBytes: reserveBytes)
        } catch {
            blobs.endStream(nil)
            throw error
        }
    }

    /// Continues a pull of known bytes where its partial file ends; what is there is read and hashed first. Blocks.
    static func resume(
        _ digest: ContentDigest, size: UInt64, in blobs: Blobs, streamsMax: Int, reserveBytes: UInt64
    ) throws(StorageError) -> IncomingBlob {
        let path = try blobs.beginPartial(digest, max: streamsMax)
        do throws(StorageError) {
            let file = try Files.open(path, O_RDWR | O_CREAT)
            var running: SHA256Hasher = try hasher(for: path)
            var offset = try file.size()
            if offset > size {
                try file.truncate(to: 0)
                offset = 0
            }
            try hash(file, upTo: offset, into: &running)
            try file.truncate(to: offset)
            return IncomingBlob(
                file: file, digest: running, offset: offset, announced: (digest, size), blobs: blobs,
                reserveBytes: reserveBytes)
        } catch {
            blobs.endStream(digest)
            throw error
        }
    }

    private static func hasher(for path: String) throws(StorageError) -> SHA256Hasher {
        // OpenSSL refuses only for want of memory.
        do { return try SHA256Hasher() } catch {
            throw .io(operation: "start a SHA-256 for", path: path, errno: ENOMEM)
        }
    }

    private static func hash(
        _ file: OpenFile, upTo end: UInt64, into running: inout SHA256Hasher
    ) throws(StorageError) {
        var bytes = [UInt8](repeating: 0, count: chunkBytes)
        var position: UInt64 = 0
        while position < end {
            let wanted = Int(min(UInt64(bytes.count), end - position))
            let read: Result<Int, StorageError> = bytes.withUnsafeMutableBytes { raw in
                Result { () throws(StorageError) in
                    try file.read(at: position, into: UnsafeMutableRawBufferPointer(rebasing: raw.prefix(wanted)))
                }
            }
            let count = try read.get()
            guard count > 0 else { throw .damaged(path: file.path, detail: "it shrank while it was read") }
            bytes.withUnsafeBytes { running.update(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
            position += UInt64(count)
        }
    }

    deinit { leave(keepingPartial: true) }

    /// Takes the next bytes.
    ///
    /// - Throws: `.full` when the disk is; the stream has ended then, and nothing of it is left.
    public func write(_ buffer: ByteBuffer) async throws(StorageError) {
        let chunks: [ByteBuffer]? = pending.withLockedValue { pending in
            guard pending.isOpen else { return nil }
            if pending.buffer.readableBytes == 0 && buffer.readableBytes >= Self.chunkBytes { return [buffer] }
            if pending.buffer.readableBytes + buffer.readableBytes < Self.chunkBytes {
                var copy = buffer
                pending.buffer.writeBuffer(&copy)
                return []
            }
            defer { pending.buffer = ByteBuffer() }
            return [pending.buffer, buffer]
        }
        guard let chunks else { throw .streamClosed }
        if chunks.isEmpty { return }
        try await onDisk { disk throws(StorageError) in try self.append(chunks, to: &disk) }
    }

    /// Makes the bytes a durable blob: synced, renamed, its folder synced.
    ///
    /// - Parameter expected: refuses other bytes with `.digestMismatch`; a resumed pull always expects its own.
    /// - Returns: what keeps the blob until a version names it.
    public func finish(expecting expected: ContentDigest? = nil) async throws(StorageError) -> BlobLease {
        let rest = try close()
        let blobs = blobs
        let announced = announced
        let lease = try await onDisk { disk throws(StorageError) in
            try self.append([rest], to: &disk)
            guard let file = disk.file else { throw .streamClosed }
            if let announced, announced.size != disk.written {
                throw .sizeMismatch(expected: announced.size, actual: disk.written)
            }
            let digest = disk.digest.finish()
            for wanted in [expected, announced?.digest].compactMap({ $0 }) where wanted != digest {
                throw .digestMismatch(expected: wanted, actual: digest)
            }
            try file.sync()
            let lease = try blobs.adopt(file.path, as: digest, size: disk.written)
            disk.file = nil
            blobs.endStream(announced?.digest)
            return lease
        }
        return lease
    }

    /// Gives the stream up and leaves nothing of it, a partial file neither.
    public func abort() async {
        _ = try? close()
        leave(keepingPartial: false)
        // Whoever awaits this may count on the space being free again.
        try? await blobs.threads.run { () throws(StorageError) in }
    }

    /// Ends a resumable pull for now, keeping what came. A stream that can not be resumed is given up.
    public func suspend() async throws(StorageError) {
        let rest = try close()
        if announced != nil { try await onDisk { disk throws(StorageError) in try self.append([rest], to: &disk) } }
        leave(keepingPartial: true)
        try await blobs.threads.run { () throws(StorageError) in }
    }

    // MARK: Steps

    private func close() throws(StorageError) -> ByteBuffer {
        let rest: ByteBuffer? = pending.withLockedValue { pending in
            guard pending.isOpen else { return nil }
            pending.isOpen = false
            defer { pending.buffer = ByteBuffer() }
            return pending.buffer
        }
        guard let rest else { throw .streamClosed }
        return rest
    }

    /// Runs a step on one of the store's threads. One that fails ends the stream: its file is removed there and then.
    private func onDisk<T: Sendable>(
        _ step: @escaping @Sendable (inout Disk) throws(StorageError) -> T
    ) async throws(StorageError) -> T {
        do throws(StorageError) {
            return try await blobs.threads.run { () throws(StorageError) in
                let result: Result<T, StorageError> = self.disk.withLockedValue { disk in
                    Result { () throws(StorageError) in try step(&disk) }
                }
                return try result.get()
            }
        } catch {
            _ = try? close()
            // A shutdown is no fault of the bytes: a pull goes on after the next start.
            if case .closed = error { leave(keepingPartial: true) } else { await abort() }
            throw error
        }
    }

    private func append(_ chunks: [ByteBuffer], to disk: inout Disk) throws(StorageError) {
        guard let file = disk.file else { throw .streamClosed }
        for chunk in chunks where chunk.readableBytes > 0 {
            let count = UInt64(chunk.readableBytes)
            if let announced, disk.written.addingReportingOverflow(count).partialValue > announced.size {
                throw .sizeMismatch(expected: announced.size, actual: disk.written &+ count)
            }
            if let free = Files.space(at: path)?.free, free < reserveBytes {
                throw .full(folder: blobs.folder.path, freeBytes: free)
            }
            let result: Result<Void, StorageError> = chunk.withUnsafeReadableBytes { bytes in
                Result { () throws(StorageError) in try file.write(bytes) }
            }
            try result.get()
            chunk.withUnsafeReadableBytes { disk.digest.update($0) }
            disk.written &+= count
        }
        if disk.written >= disk.syncAt {
            try file.sync()
            disk.syncAt = disk.written &+ Self.syncBytes
        }
    }

    /// Closes the file, on the store's threads; the state outlives `self`, whose last reference may be going.
    private func leave(keepingPartial keep: Bool) {
        let (disk, blobs, path, digest) = (disk, blobs, path, announced?.digest)
        blobs.threads.finally {
            disk.withLockedValue { disk in
                guard disk.file != nil else { return }
                if !(keep && digest != nil) { try? Files.remove(path) }
                disk.file = nil
                blobs.endStream(digest)
            }
        }
    }
}
