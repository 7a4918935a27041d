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
        self.path = UnixDatagram.isUsable(path) ? path : nil
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
        if let path { _ = UnixDatagram.send(Array(message.utf8), to: path) }
    }
}
