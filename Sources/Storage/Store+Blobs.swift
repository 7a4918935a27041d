import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension Store {
    /// A new stream of bytes that nobody knows yet.
    ///
    /// - Throws: `.tooManyStreams` past `Settings.streamsMax`.
    public func receive() async throws(StorageError) -> IncomingBlob {
        let (blobs, streamsMax, reserveBytes) = (blobs, settings.streamsMax, reserveBytes)
        return try await threads.run { () throws(StorageError) in
            try IncomingBlob.create(in: blobs, streamsMax: streamsMax, reserveBytes: reserveBytes)
        }
    }

    /// A pull of known bytes, continued at `IncomingBlob.offset` when an earlier one was interrupted.
    ///
    /// - Throws: `.alreadyReceiving` when another stream is bringing the same bytes.
    public func resume(_ digest: ContentDigest, size: UInt64) async throws(StorageError) -> IncomingBlob {
        let (blobs, data, settings, reserveBytes) = (blobs, data, settings, reserveBytes)
        return try await threads.run { () throws(StorageError) in
            let incoming = try IncomingBlob.resume(
                digest, size: size, in: blobs, streamsMax: settings.streamsMax, reserveBytes: reserveBytes)
            try Partials.trim(
                data, limits: settings.partials, nowSeconds: Int64(Self.wallMilliseconds() / 1_000),
                inUse: blobs.receiving)
            return incoming
        }
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
