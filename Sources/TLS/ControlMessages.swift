// Bounds what a peer may make OpenSSL do without sending any data: each key update costs it 27 bytes and us a key
// derivation and an answer.
import COpenSSL

/// Counts the handshake messages that arrived since the last data: those of the handshake itself (a client sends four, a
/// server five), tickets, and key updates. Lives as long as its `TLSSession`.
final class ControlMessages {
    /// As BoringSSL. A peer that renews its keys after every terabyte needs one.
    static let countMax = 32

    private var count = 0
    private var wire: WireBuffers?

    var isFlood: Bool { count > Self.countMax }

    func dataArrived() { count = 0 }

    func watch(_ ssl: OpaquePointer, closing wire: WireBuffers) {
        self.wire = wire
        SSL_set_msg_callback(ssl, Self.callback)
        // Unretained is sound: `TLSSession` owns both this and the SSL object, and frees the SSL object first.
        roost_SSL_set_msg_callback_arg(ssl, Unmanaged.passUnretained(self).toOpaque())
    }

    private func arrived() {
        count += 1
        // The call that is under way would go on through all that has arrived: there is nothing more to read.
        if isFlood { wire?.dropInbound() }
    }

    private static let callback:
        @convention(c) (
            Int32, Int32, Int32, UnsafeRawPointer?, Int, OpaquePointer?, UnsafeMutableRawPointer?
        ) -> Void = { isSent, _, contentType, _, _, _, raw in
            guard isSent == 0, contentType == SSL3_RT_HANDSHAKE, let raw else { return }
            Unmanaged<ControlMessages>.fromOpaque(raw).takeUnretainedValue().arrived()
        }
}
