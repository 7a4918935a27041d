import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension IncomingBlob {
    /// What one visit to a thread reads again: some milliseconds, after which others have their turn. At double they
    /// wait twice as long on a slow disk; at half, more goes into changing threads.
    static let rehashBytes: UInt64 = 8 * 1_024 * 1_024

    /// Continues a pull of known bytes where its partial file ends; what is there is read and hashed first, one partial
    /// file at a time and in slices, so that the store's threads stay free for others.
    static func resume(
        _ digest: ContentDigest, size: UInt64, in blobs: Blobs
    ) async throws(StorageError) -> IncomingBlob {
        let incoming = try await blobs.threads.run { () throws(StorageError) in
            let kind = Streams.Kind.pull(digest)
            let path = try blobs.streams.begin(kind)
            var promised: UInt64 = 0
            do throws(StorageError) {
                let file = try Files.open(path, O_RDWR | O_CREAT)
                var offset = try file.size()
                if offset > size { offset = 0 }
                try file.truncate(to: offset)
                try blobs.streams.promise(size - offset, to: kind)
                promised = size - offset
                return try IncomingBlob(pull: digest, size: size, file: file, offset: offset, in: blobs)
            } catch {
                blobs.streams.end(kind, missing: promised)
                throw error
            }
        }
        if incoming.offset > 0 { try await incoming.rehash() }
        return incoming
    }

    private func rehash() async throws(StorageError) {
        let turns = blobs.streams.rehashing
        await turns.take()
        defer { turns.give() }
        var position: UInt64 = 0
        while position < offset {
            let start = position
            let end = start + min(Self.rehashBytes, offset - start)
            let isCancelled = Task.isCancelled
            try await onDisk { disk throws(StorageError) in
                if isCancelled { throw .cancelled }
                guard case .open(let file) = disk.stage else { throw .streamClosed }
                try Self.hash(file, from: start, to: end, into: &disk.digest)
            }
            position = end
        }
    }

    private static func hash(
        _ file: OpenFile, from start: UInt64, to end: UInt64, into running: inout SHA256Hasher
    ) throws(StorageError) {
        var bytes = [UInt8](repeating: 0, count: chunkBytes)
        var position = start
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
}
