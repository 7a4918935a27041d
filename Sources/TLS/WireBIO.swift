// OpenSSL's end of the wire: a BIO whose reads and writes are copies from and to the channel's own ByteBuffers. A
// third faster than OpenSSL's memory BIO, which copies each byte twice (DESIGN §10).
import COpenSSL
import NIOCore

/// Ciphertext that has arrived and that is to go out. Bounded by its owner: in by what one `read()` of the channel
/// brings, out by one flush.
final class WireBuffers {
    var inbound = ByteBuffer()
    var outbound = ByteBuffer()
    /// What `outbound` is given back as once it was taken: the next flush allocates its own.
    func takeOutbound() -> ByteBuffer {
        let taken = outbound
        outbound = ByteBuffer()
        return taken
    }

    func receive(_ buffer: ByteBuffer) {
        if inbound.readableBytes == 0 {
            inbound = buffer
        } else {
            var rest = buffer
            inbound.writeBuffer(&rest)
        }
    }

    /// What has arrived and was not read is not wanted any more.
    func dropInbound() { inbound = ByteBuffer() }

    fileprivate func read(into target: UnsafeMutableRawPointer, count: Int) -> Int {
        let taken = inbound.readWithUnsafeReadableBytes { available in
            let taken = min(available.count, count)
            if taken > 0, let source = available.baseAddress { target.copyMemory(from: source, byteCount: taken) }
            return taken
        }
        // An empty buffer must not keep the channel's allocation alive.
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
        return taken
    }

    fileprivate func write(_ source: UnsafeRawPointer, count: Int) {
        outbound.writeBytes(UnsafeRawBufferPointer(start: source, count: count))
    }
}

enum WireBIO {
    /// A new BIO over `buffers`, which must outlive it: `TLSSession` owns both and frees the BIO (with its SSL) first.
    static func make(over buffers: WireBuffers) -> OpaquePointer? {
        guard let method, let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(buffers).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }

    // Made once and never changed or freed, so it may be shared.
    nonisolated(unsafe) private static let method: OpaquePointer? = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "roost wire") else { return nil }
        BIO_meth_set_read(method, read)
        BIO_meth_set_write(method, write)
        BIO_meth_set_ctrl(method, control)
        return method
    }()

    /// Unretained is sound: OpenSSL calls only from within a call of `TLSSession`, which holds the buffers then.
    private static func buffers(of bio: OpaquePointer?) -> WireBuffers? {
        guard let raw = BIO_get_data(bio) else { return nil }
        return Unmanaged<WireBuffers>.fromOpaque(raw).takeUnretainedValue()
    }

    private static let read: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int32) -> Int32 = {
        bio, target, count in
        roost_BIO_clear_retry_flags(bio)
        guard let target, count > 0, let buffers = buffers(of: bio) else { return 0 }
        let taken = buffers.read(into: UnsafeMutableRawPointer(target), count: Int(count))
        guard taken > 0 else {
            // "Nothing yet": the end of the stream is the handler's to notice, never OpenSSL's.
            roost_BIO_set_retry_read(bio)
            return -1
        }
        return Int32(truncatingIfNeeded: taken)
    }

    private static let write: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int32) -> Int32 = {
        bio, source, count in
        roost_BIO_clear_retry_flags(bio)
        guard let source, count > 0, let buffers = buffers(of: bio) else { return 0 }
        buffers.write(UnsafeRawPointer(source), count: Int(count))
        return count
    }

    private static let control: @convention(c) (OpaquePointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int = {
        bio, command, value, _ in
        switch command {
        case BIO_CTRL_FLUSH, BIO_CTRL_DUP: return 1
        case BIO_CTRL_PENDING: return buffers(of: bio)?.inbound.readableBytes ?? 0
        case BIO_CTRL_WPENDING: return buffers(of: bio)?.outbound.readableBytes ?? 0
        // Everything else, kernel TLS included, is answered with "no".
        default: return 0
        }
    }
}
