// How far the peer has got with what we sent, so that a close can tell a slow peer from a stuck one.
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

public enum SendProgress {
    /// How many of our bytes the peer's host has acknowledged, as TCP counts them. The channel's own count of what is
    /// buffered moves only when a third of the kernel's buffer has become free, which on a slow link takes minutes.
    ///
    /// nil, or a failed future, where nobody counts: no TCP, another kernel than Linux.
    public static func acknowledgedBytes(_ channel: any Channel) -> EventLoopFuture<UInt64>? {
        #if os(Linux)
            guard let socket = channel as? any SocketOptionProvider else { return nil }
            let option = NIOBSDSocket.Option(rawValue: CInt(TCP_INFO))
            let info: EventLoopFuture<TCPInfoBeginning> = socket.unsafeGetSocketOption(level: .tcp, name: option)
            return info.map(\.acknowledgedBytes)
        #else
            return nil
        #endif
    }

    /// The first 128 bytes of Linux's `struct tcp_info` (linux/tcp.h), which only ever grows at its end; the kernel cuts
    /// it to the size that is asked for. glibc's own declaration ends before the field that is needed.
    private struct TCPInfoBeginning: Sendable {
        // 8 bytes of state, 24 numbers of 4 bytes, pacing_rate and max_pacing_rate.
        private var before: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
        private var stillBefore: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)
        /// `tcpi_bytes_acked`, since Linux 4.1.
        var acknowledgedBytes: UInt64 = 0
    }
}
