import NIOConcurrencyHelpers
import NIOCore
import TLS
import Vocabulary

/// SHA-256 of each block of blobs that were read whole and found right in the life of this process: so that a part of a
/// blob can be checked without reading the rest again. The sums follow from the digest, whatever becomes of the file.
final class BlockSums: Sendable {
    struct Table: Sendable {
        let blockBytes: UInt64
        let sums: [ContentDigest]
    }

    private struct State {
        var tables: [ContentDigest: Table] = [:]
        /// Least recently used first.
        var order: [ContentDigest] = []
        var count = 0
    }

    private let state = NIOLockedValueBox(State())
    /// One blob is read for its sums at a time.
    let turns = Turns()

    /// A read of a few bytes costs one block, and a table 32 bytes for each.
    static let blockBytes: UInt64 = 1_024 * 1_024
    /// A blob of more blocks gets larger ones: 16 MiB at 1 TiB.
    static let blocksMax: UInt64 = 65_536
    /// 8 MiB of memory, the sums of 256 GiB.
    static let sumsMax = 262_144

    static func blockBytes(for size: UInt64) -> UInt64 {
        var bytes = blockBytes
        while size / bytes > blocksMax { bytes *= 2 }
        return bytes
    }

    func table(of digest: ContentDigest) -> Table? {
        state.withLockedValue { state in
            guard let table = state.tables[digest] else { return nil }
            if state.order.last != digest, let index = state.order.firstIndex(of: digest) {
                state.order.remove(at: index)
                state.order.append(digest)
            }
            return table
        }
    }

    func keep(_ table: Table, of digest: ContentDigest) {
        state.withLockedValue { state in
            guard state.tables.updateValue(table, forKey: digest) == nil else { return }
            state.order.append(digest)
            state.count += table.sums.count
            while state.count > Self.sumsMax, state.order.count > 1 {
                let oldest = state.order.removeFirst()
                state.count -= state.tables.removeValue(forKey: oldest)?.sums.count ?? 0
            }
        }
    }
}

extension Store {
    /// Whether parts of the blob can be checked at once, without reading all of it first.
    public func knowsBlocks(of digest: ContentDigest) -> Bool { sums.table(of: digest) != nil }

    /// Reads the blob whole, checks it, and remembers the sum of each block; returns at once when they are known.
    ///
    /// - Throws: `.rotten`, what the disk says, or `.cancelled`.
    public func learnBlocks(of reader: BlobReader) async throws(StorageError) {
        if knowsBlocks(of: reader.digest) { return }
        await sums.turns.take()
        defer { sums.turns.give() }
        if knowsBlocks(of: reader.digest) { return }
        let blockBytes = BlockSums.blockBytes(for: reader.size)
        let read = try CheckedRead(reader)
        var found: [ContentDigest] = []
        var block: [ByteBuffer] = []
        // A block is a whole number of pieces; the last one may be shorter.
        while let piece = try await read.next(upTo: BlobReader.readBytesMax) {
            if Task.isCancelled { throw .cancelled }
            block.append(piece)
            guard block.reduce(0, { $0 + UInt64($1.readableBytes) }) >= blockBytes else { continue }
            found.append(try await sum(block))
            block.removeAll()
        }
        if !block.isEmpty { found.append(try await sum(block)) }
        sums.keep(BlockSums.Table(blockBytes: blockBytes, sums: found), of: reader.digest)
    }

    private func sum(_ pieces: [ByteBuffer]) async throws(StorageError) -> ContentDigest {
        try await threads.run { () throws(StorageError) in
            var whole = ByteBuffer()
            for var piece in pieces { if whole.readableBytes == 0 { whole = piece } else { whole.writeBuffer(&piece) } }
            return SHA256.digest(whole)
        }
    }

    /// Bytes of a blob whose blocks are known, from `offset` to the end of its block at most: read with the whole block
    /// and checked.
    ///
    /// - Throws: `.rotten`; what the disk says; `.missingBlob` when the blocks are not known (any more).
    public func checkedPart(
        of reader: BlobReader, offset: UInt64, count: UInt64
    ) async throws(StorageError) -> ByteBuffer {
        guard let table = sums.table(of: reader.digest) else { throw .missingBlob(reader.digest) }
        let index = Int(offset / table.blockBytes)
        guard index < table.sums.count, offset < reader.size else { return ByteBuffer() }
        let start = UInt64(index) * table.blockBytes
        let end = min(start + table.blockBytes, reader.size)
        let (digest, sum) = (reader.digest, table.sums[index])
        return try await reader.onDisk { file throws(StorageError) in
            var block = try BlobReader.piece(of: file, at: start, count: Int(end - start))
            guard SHA256.digest(block) == sum else { throw .rotten(digest) }
            block.moveReaderIndex(forwardBy: Int(offset - start))
            return block.readSlice(length: Int(min(count, end - offset))) ?? ByteBuffer()
        }
    }
}
