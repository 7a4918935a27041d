import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Makes the kernel end a connection whose other side has vanished without a word (a power cut, a pulled cable): without
/// it a call waits for its whole time limit, up to an hour for a large transfer.
public enum TCPLiveness {
    /// Silence after which the kernel asks whether the other side is there, and how often it asks: 15 + 3 · 5 = 30 s to
    /// the end. At half, a short outage of a WAN link costs a transfer; at double, an owner is waited for for a minute.
    public static let idleSeconds: CInt = 15
    /// Between agents the membership tells sooner who is gone; a question in every quarter of a minute on each of many idle
    /// connections would be most of what a calm cluster sends.
    public static let peerIdleSeconds: CInt = 150
    static let probeSeconds: CInt = 5
    static let probeCount: CInt = 3
    /// Bytes sent that nobody confirms, or that the other side takes none of, end the connection after this.
    public static let callerSeconds: CInt = 30
    /// A server waits as long for a reader that has paused as its own guard of stalled writes does.
    public static let serverSeconds: CInt = 60

    /// A kernel that does not know one of the options is no reason to refuse the connection.
    public static func watch(_ channel: any Channel, unconfirmedSeconds: CInt, idleSeconds: CInt = idleSeconds) {
        channel.setOption(.socketOption(.so_keepalive), value: 1).whenFailure { _ in }
        #if os(Linux)
            for (name, value) in [
                (TCP_KEEPIDLE, idleSeconds), (TCP_KEEPINTVL, probeSeconds), (TCP_KEEPCNT, probeCount),
                (TCP_USER_TIMEOUT, unconfirmedSeconds * 1_000),
            ] {
                channel.setOption(.tcpOption(.init(rawValue: name)), value: .init(value)).whenFailure { _ in }
            }
        #endif
    }
}
