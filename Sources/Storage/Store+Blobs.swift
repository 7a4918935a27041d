import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension Store {
    /// A new stream of bytes that nobody knows yet. It takes its place among the streams with its first byte.
    ///
    /// - Parameters:
    ///   - size: what was announced, if anything was: kept free for it, or refused before its first byte.
    ///   - owner: who brings them, for the bound on how many one caller may bring at once.
    /// - Throws: `.full` when the announced size does not fit; `.tooManyStreams` past `Settings.uploadsMax` or
    ///   `uploadsPerOwnerMax`; `.shareTaken` when it and the owner's other uploads bring more than three quarters of what is free. The
    ///   first `write` may still throw each, as others may have come first.
    public func receive(announcing size: UInt64? = nil, owner: String = "") async throws(StorageError) -> IncomingBlob {
        let blobs = blobs
        let kind = Streams.Kind.upload(owner: owner)
        try await threads.run { () throws(StorageError) in try blobs.streams.expect(kind, announcing: size) }
        return try IncomingBlob(upload: kind, announcing: size, in: blobs)
    }

    /// A pull of known bytes, continued at `IncomingBlob.offset` when an earlier one was interrupted.
    ///
    /// - Throws: `.full` when they do not fit; `.alreadyReceiving` when another stream is bringing the same bytes;
    ///   `.tooManyStreams` past `Settings.pullsMax`; `.cancelled` when the caller's task is.
    public func resume(_ digest: ContentDigest, size: UInt64) async throws(StorageError) -> IncomingBlob {
        let (blobs, data, settings) = (blobs, data, settings)
        let incoming = try await IncomingBlob.resume(digest, size: size, in: blobs)
        do throws(StorageError) {
            try await threads.run { () throws(StorageError) in
                try Partials.trim(
                    data, limits: settings.partials, nowSeconds: Int64(Self.wallMilliseconds() / 1_000),
                    inUse: blobs.streams.receiving)
            }
        } catch {
            await incoming.leave(keepingPartial: true)
            throw error
        }
        return incoming
    }

    /// Opens a blob for reading; `nil` when it is not here.
    public func blob(_ digest: ContentDigest) async throws(StorageError) -> BlobReader? {
        let (data, threads) = (data, threads)
        return try await threads.run { () throws(StorageError) in
            guard let file = try Files.openIfPresent(data.blob(digest), O_RDONLY) else { return nil }
            return BlobReader(digest: digest, size: try file.size(), file: file, threads: threads)
        }
    }

    /// Whether the bytes are durable here, in full when `size` is given.
    public func hasBlob(_ digest: ContentDigest, size: UInt64? = nil) async throws(StorageError) -> Bool {
        let blobs = blobs
        return try await threads.run { () throws(StorageError) in try blobs.has(digest, size: size) }
    }

    /// Whether the bytes are here and are what they should be. All of them are read.
    ///
    /// - Throws: what is no fault of theirs: too many open files, a store that is closed.
    public func isWhole(_ digest: ContentDigest) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            guard let reader = try await blob(digest) else { return false }
            let read = try CheckedRead(reader)
            while try await read.next(upTo: BlobReader.readBytesMax) != nil {}
            return true
        } catch {
            guard BlobFault(error) != nil else { throw error }
            return false
        }
    }

    /// As `lease`, and `nil` also for bytes that are not what they should be. They are read for that, and made durable, unless
    /// that was done since somebody first leased them: a lease alone may be of one who is reading them just now.
    public func checkedLease(_ digest: ContentDigest, size: UInt64) async throws(StorageError) -> BlobLease? {
        guard let lease = try await lease(digest, size: size) else { return nil }
        let blobs = blobs
        if blobs.isProven(digest) { return lease }
        guard try await isWhole(digest) else { return nil }
        try await threads.run { () throws(StorageError) in try blobs.prove(digest) }
        return lease
    }

    /// Keeps bytes that are here already until a version names them; `nil` when they are not here in full.
    public func lease(_ digest: ContentDigest, size: UInt64) async throws(StorageError) -> BlobLease? {
        let blobs = blobs
        return try await threads.run { () throws(StorageError) in
            // The lease first: what is found after it stays.
            let lease = blobs.lease(digest, size: size)
            return try blobs.has(digest, size: size) ? lease : nil
        }
    }
}
