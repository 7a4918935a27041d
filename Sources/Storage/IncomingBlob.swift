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

    /// What a pull brings; `nil` for an upload.
    private let announced: (digest: ContentDigest, size: UInt64)?
    /// Bytes that an upload said it has; they are kept free for it.
    private let uploadBytes: UInt64?
    private let kind: Streams.Kind
    let blobs: Blobs
    /// Small buffers collect here, so that a TLS record of 16 KiB does not cost a change of thread.
    private let pending = NIOLockedValueBox(Pending())
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
        var hasBegun = false
    }

    /// What one of the store's threads holds of the stream.
    struct Disk {
        enum Stage {
            /// Has brought nothing yet, and takes no one's place.
            case waiting
            case open(OpenFile)
            case ended
        }

        var stage: Stage
        var digest: SHA256Hasher
        var written: UInt64
        var syncAt: UInt64
        /// Promised by `Streams`, and not yet written.
        var missing: UInt64
    }

    /// A new stream of bytes that nobody knows yet.
    init(upload kind: Streams.Kind, announcing size: UInt64?, in blobs: Blobs) throws(StorageError) {
        offset = 0
        announced = nil
        uploadBytes = size
        self.kind = kind
        self.blobs = blobs
        disk = NIOLockedValueBox(
            Disk(
                stage: .waiting, digest: try Self.hasher(in: blobs), written: 0, syncAt: Self.syncBytes, missing: 0))
    }

    /// A pull whose partial file is open, and counted in already.
    init(
        pull digest: ContentDigest, size: UInt64, file: OpenFile, offset: UInt64, in blobs: Blobs
    ) throws(StorageError) {
        self.offset = offset
        announced = (digest, size)
        uploadBytes = nil
        kind = .pull(digest)
        self.blobs = blobs
        disk = NIOLockedValueBox(
            Disk(
                stage: .open(file), digest: try Self.hasher(in: blobs), written: offset,
                syncAt: offset &+ Self.syncBytes, missing: size - offset))
    }

    private static func hasher(in blobs: Blobs) throws(StorageError) -> SHA256Hasher {
        // OpenSSL refuses only for want of memory.
        do { return try SHA256Hasher() } catch {
            throw .io(operation: "start a SHA-256 in", path: blobs.folder.path, errno: ENOMEM)
        }
    }

    deinit { Self.end(disk, kind, blobs, keepingPartial: true).map { blobs.threads.finally($0) } }

    /// Takes the next bytes.
    ///
    /// - Throws: `.full` when the disk is, `.tooManyStreams` and `.shareTaken` from the first one; the stream has ended then,
    ///   and nothing of it is left.
    public func write(_ buffer: ByteBuffer) async throws(StorageError) {
        if buffer.readableBytes == 0 { return }
        let (chunks, isFirst): ([ByteBuffer]?, Bool) = pending.withLockedValue { pending in
            guard pending.isOpen else { return (nil, false) }
            defer { pending.hasBegun = true }
            let isFirst = !pending.hasBegun
            if pending.buffer.readableBytes == 0 && buffer.readableBytes >= Self.chunkBytes {
                return ([buffer], isFirst)
            }
            if pending.buffer.readableBytes + buffer.readableBytes < Self.chunkBytes {
                var copy = buffer
                pending.buffer.writeBuffer(&copy)
                return ([], isFirst)
            }
            defer { pending.buffer = ByteBuffer() }
            return ([pending.buffer, buffer], isFirst)
        }
        guard let chunks else { throw .streamClosed }
        // The first byte takes its place at once: bytes that wait here are bounded by the streams, too.
        if chunks.isEmpty, !isFirst { return }
        try await onDisk { disk throws(StorageError) in try self.append(chunks, to: &disk) }
    }

    /// Makes the bytes a durable blob: synced, renamed, its folder synced.
    ///
    /// - Parameter expected: refuses other bytes with `.digestMismatch`; a resumed pull always expects its own.
    /// - Returns: what keeps the blob until a version names it.
    public func finish(expecting expected: ContentDigest? = nil) async throws(StorageError) -> BlobLease {
        let rest = try close()
        let (blobs, kind, announced) = (blobs, kind, announced)
        return try await onDisk { disk throws(StorageError) in
            try self.append([rest], to: &disk)
            guard case .open(let file) = disk.stage else { throw .streamClosed }
            if let announced, announced.size != disk.written {
                throw .sizeMismatch(expected: announced.size, actual: disk.written)
            }
            let digest = disk.digest.finish()
            for wanted in [expected, announced?.digest].compactMap({ $0 }) where wanted != digest {
                throw .digestMismatch(expected: wanted, actual: digest)
            }
            try blobs.prepareShelf(of: digest)
            try file.sync()
            let lease = try blobs.adopt(file.path, as: digest, size: disk.written)
            disk.stage = .ended
            blobs.streams.end(kind, missing: disk.missing)
            return lease
        }
    }

    /// Gives the stream up and leaves nothing of it, a partial file neither. The space is free again when it returns.
    public func abort() async {
        _ = try? close()
        await leave(keepingPartial: false)
    }

    /// Ends a resumable pull for now, keeping what came; the next `resume` may follow at once. A stream that can not be
    /// resumed is given up.
    public func suspend() async throws(StorageError) {
        let rest = try close()
        if announced != nil { try await onDisk { disk throws(StorageError) in try self.append([rest], to: &disk) } }
        await leave(keepingPartial: true)
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
    func onDisk<T: Sendable>(
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
            switch error {
            // A shutdown is no fault of the bytes: a pull goes on after the next start.
            case .closed, .cancelled: await leave(keepingPartial: true)
            default: await abort()
            }
            throw error
        }
    }

    private func append(_ chunks: [ByteBuffer], to disk: inout Disk) throws(StorageError) {
        let file = try openFile(&disk)
        for chunk in chunks where chunk.readableBytes > 0 {
            let count = UInt64(chunk.readableBytes)
            if let announced, disk.written.addingReportingOverflow(count).partialValue > announced.size {
                throw .sizeMismatch(expected: announced.size, actual: disk.written &+ count)
            }
            try checkSpace(disk)
            let result: Result<Void, StorageError> = chunk.withUnsafeReadableBytes { bytes in
                Result { () throws(StorageError) in try file.write(bytes) }
            }
            try result.get()
            chunk.withUnsafeReadableBytes { disk.digest.update($0) }
            disk.written &+= count
            let kept = min(count, disk.missing)
            disk.missing -= kept
            blobs.streams.wrote(kept, of: kind)
        }
        if disk.written >= disk.syncAt {
            try file.sync()
            disk.syncAt = disk.written &+ Self.syncBytes
        }
    }

    /// The file of the stream; an upload takes its place among the streams, and the space it announced, here.
    private func openFile(_ disk: inout Disk) throws(StorageError) -> OpenFile {
        switch disk.stage {
        case .open(let file): return file
        case .ended: throw .streamClosed
        case .waiting:
            let path = try blobs.streams.begin(kind)
            do throws(StorageError) {
                try blobs.streams.promise(uploadBytes ?? 0, to: kind)
                disk.missing = uploadBytes ?? 0
                let file = try Files.open(path, O_RDWR | O_CREAT | O_TRUNC)
                disk.stage = .open(file)
                return file
            } catch {
                blobs.streams.end(kind, missing: disk.missing)
                disk.stage = .ended
                throw error
            }
        }
    }

    /// Who announced a size was promised the space; who did not must leave what others were promised.
    private func checkSpace(_ disk: Disk) throws(StorageError) {
        guard let free = Files.space(at: blobs.folder.path)?.free else { return }
        let promised = disk.missing > 0 ? 0 : blobs.streams.promisedBytes
        let kept = blobs.streams.limits.reserveBytes.addingReportingOverflow(promised)
        guard !kept.overflow, free >= kept.partialValue else {
            throw .full(folder: blobs.folder.path, freeBytes: free)
        }
    }

    /// Closes the file and gives the stream's place back; all of it has happened when it returns.
    func leave(keepingPartial keep: Bool) async {
        if let step = Self.end(disk, kind, blobs, keepingPartial: keep) { await blobs.threads.finish(step) }
    }

    /// The last step, for the store's threads: the state outlives the stream, whose last reference may be going.
    private static func end(
        _ disk: NIOLockedValueBox<Disk>, _ kind: Streams.Kind, _ blobs: Blobs, keepingPartial keep: Bool
    ) -> (@Sendable () -> Void)? {
        let isOver = disk.withLockedValue { disk in
            switch disk.stage {
            case .ended: return true
            case .waiting:
                disk.stage = .ended
                return true
            case .open: return false
            }
        }
        if isOver { return nil }
        return {
            disk.withLockedValue { disk in
                guard case .open(let file) = disk.stage else { return }
                switch kind {
                case .pull where keep: break
                case .pull, .upload: try? Files.remove(file.path)
                }
                disk.stage = .ended
                blobs.streams.end(kind, missing: disk.missing)
            }
        }
    }
}
