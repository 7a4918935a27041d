import CNIOLinux
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
import NIOCore

/// sd_notify(3) without libsystemd: one datagram to the socket that `NOTIFY_SOCKET` names. Without that variable every
/// call does nothing, so the agent runs the same in a terminal.
public struct SystemdNotifier: Sendable {
    private let path: String?
    /// How often systemd wants to hear `WATCHDOG=1` at the latest; nil without a watchdog. Feed it at half of this.
    public let watchdog: Duration?

    public init(environment: [String: String]) {
        let path = environment["NOTIFY_SOCKET"] ?? ""
        // A path or an abstract name; `sun_path` has 108 bytes.
        let isUsable = (path.hasPrefix("/") || path.hasPrefix("@")) && (2...107).contains(path.utf8.count)
        self.path = isUsable ? path : nil
        let isForUs = environment["WATCHDOG_PID"].map { $0 == String(getpid()) } ?? true
        watchdog = environment["WATCHDOG_USEC"].flatMap { Int64($0) }
            .flatMap { $0 > 0 && isForUs ? .microseconds($0) : nil }
    }

    public var isActive: Bool { path != nil }

    public func ready(_ status: String) { send("READY=1\nSTATUS=\(Self.line(status))") }
    public func status(_ status: String) { send("STATUS=\(Self.line(status))") }
    public func stopping(_ status: String) { send("STOPPING=1\nSTATUS=\(Self.line(status))") }
    public func feedWatchdog() { send("WATCHDOG=1") }

    /// `ready` ends what this begins; systemd wants the monotonic time to match it with its signal.
    public func reloading() {
        send("RELOADING=1\nMONOTONIC_USEC=\(NIODeadline.now().uptimeNanoseconds / 1_000)")
    }

    /// A drain may take longer than TimeoutStopSec: asks for more from now on.
    public func extendTimeout(by duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let (microseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        guard !overflow else { return }
        send("EXTEND_TIMEOUT_USEC=\(microseconds + attoseconds / 1_000_000_000_000)")
    }

    private static func line(_ text: String) -> String { String(text.prefix(200).map { $0.isNewline ? " " : $0 }) }

    /// Best effort: systemd's own timeouts decide when it hears nothing.
    private func send(_ message: String) {
        guard let path else { return }
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        let isAbstract = name.first == UInt8(ascii: "@")
        if isAbstract { name[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let headerSize = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        // An abstract name is exactly its bytes; a path ends with a zero.
        let length = socklen_t(headerSize + name.count + (isAbstract ? 0 : 1))
        let bytes = Array(message.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), pointer, length)
            }
        }
    }
}
