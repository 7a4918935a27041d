import NIOCore

/// Plaintext that is not encrypted yet, with the promises of its writers, in order.
///
/// Bounded: before the handshake by `bytesMaxBeforeHandshake`, afterwards by `bytesToEncryptAt`, when it is encrypted
/// and handed to the channel, whose writability counts it from then on.
struct PendingWrites {
    /// Four records: enough to fill them whole, little enough for the channel's water mark to be told the truth.
    static let bytesToEncryptAt = 64 * 1_024
    /// The channel's own writability cannot see what waits here, so there is a limit of our own.
    static let bytesMaxBeforeHandshake = 1 << 20
    /// A full record (RFC 8446 §5.1). OpenSSL at 4 KiB a record has half the throughput (DESIGN §10).
    static let recordBytes = 16 * 1_024
    /// Header 5, content type 1, tag 16.
    static let recordOverheadBytes = 22

    private var buffers: [ByteBuffer] = []
    private var promises: [EventLoopPromise<Void>] = []
    private(set) var bytes = 0

    var isEmpty: Bool { buffers.isEmpty }

    mutating func append(_ buffer: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        buffers.append(buffer)
        bytes += buffer.readableBytes
        if let promise { promises.append(promise) }
    }

    /// Gives out the promises. They are kept by the caller, never in here: whoever waits may write or close at once,
    /// which is an access to these very writes.
    mutating func takePromises() -> [EventLoopPromise<Void>] {
        defer { promises = [] }
        return promises
    }

    /// Drops what is pending and gives out its promises, to be failed.
    mutating func drop() -> [EventLoopPromise<Void>] {
        buffers = []
        bytes = 0
        return takePromises()
    }

    /// Encrypts everything to the session's wire, small neighbours gathered into full records. The promises stay.
    mutating func encrypt(with session: TLSSession) throws(TLSError) {
        let records = bytes / Self.recordBytes + buffers.count + 1
        session.wire.outbound.reserveCapacity(minimumWritableBytes: bytes + records * Self.recordOverheadBytes)
        defer {
            buffers.removeAll(keepingCapacity: true)
            bytes = 0
        }
        if buffers.count == 1, let only = buffers.first {
            try session.write(only)
            return
        }
        var gathered = ByteBuffer()
        for var buffer in buffers {
            if gathered.readableBytes > 0 || buffer.readableBytes < Self.recordBytes {
                let room = min(Self.recordBytes - gathered.readableBytes, buffer.readableBytes)
                if var head = buffer.readSlice(length: room) { gathered.writeBuffer(&head) }
                if gathered.readableBytes >= Self.recordBytes {
                    try session.write(gathered)
                    gathered.clear()
                }
            }
            if buffer.readableBytes >= Self.recordBytes {
                try session.write(buffer)
            } else if buffer.readableBytes > 0 {
                gathered.writeBuffer(&buffer)
            }
        }
        try session.write(gathered)
    }
}
