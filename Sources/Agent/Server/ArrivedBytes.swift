import NIOCore
import TLS

#if canImport(Glibc)
    import CNIOLinux
    import Glibc
#else
    import Darwin
#endif

/// What has come on a connection that nobody reads yet.
enum ArrivedBytes {
    /// Whether a ClientHello is there, whole as far as its length tells. With `ListenerBinder`'s option in place it is of every
    /// honest client, by the time that its connection is accepted.
    ///
    /// Only of a channel that was just accepted: until it is handed on it is its listener's alone, and so is its socket.
    static func suffice(on channel: any Channel) -> Bool {
        guard let core = channel._channelCore as? any NIOTransportAccessibleChannelCore<NIOBSDSocket.Handle> else {
            return false
        }
        return (try? core.withUnsafeTransport(suffice)) ?? false
    }

    private static let peekFlags = CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)

    private static func suffice(on socket: NIOBSDSocket.Handle) -> Bool {
        var count: CInt = 0
        // The cheaper look, and enough for one that has said a byte or none.
        guard ioctl(socket, UInt(FIONREAD), &count) == 0, count > FirstBytes.needed else { return false }
        var header = [UInt8](repeating: 0, count: FirstBytes.needed)
        let peeked = recv(socket, &header, header.count, peekFlags)
        return peeked == header.count && FirstBytes.suffice(ByteBuffer(bytes: header), of: Int(count))
    }
}
