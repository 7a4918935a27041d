import NIOCore
import Relocation

/// The answer to `POST /v1/peer/blobs`: for each blob asked for, in that order, its size in eight bytes (big endian) and
/// its bytes; all ones in the place of a size for one that is not to be had here in this way.
enum BlobFrames {
    /// Blobs in one request.
    static let countMax = Convergence.Settings.smallPerStream
    /// Of one blob.
    static let bytesMax = Convergence.Settings.smallBytesMax
    /// Of a whole answer: 2 MiB and the sizes.
    static let answerBytesMax = countMax * (Int(bytesMax) + MemoryLayout<UInt64>.size)

    private static let absent = UInt64.max

    static func add(_ bytes: ByteBuffer?, to answer: inout ByteBuffer) {
        guard var bytes else {
            answer.writeInteger(absent)
            return
        }
        answer.writeInteger(UInt64(bytes.readableBytes))
        answer.writeBuffer(&bytes)
    }

    /// - Returns: as many as were asked for; nil when the answer is not of this form.
    static func read(_ answer: ByteBuffer, count: Int) -> [ByteBuffer?]? {
        var rest = answer
        var blobs: [ByteBuffer?] = []
        for _ in 0..<count {
            guard let size = rest.readInteger(as: UInt64.self) else { return nil }
            if size == absent {
                blobs.append(nil)
                continue
            }
            guard size <= bytesMax, let bytes = rest.readSlice(length: Int(size)) else { return nil }
            blobs.append(bytes)
        }
        return rest.readableBytes == 0 ? blobs : nil
    }
}
