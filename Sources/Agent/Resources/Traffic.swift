import NIOConcurrencyHelpers

/// Resource bytes that moved between nodes for convergence since this agent started, both ways.
final class Traffic: Sendable {
    private let counts = NIOLockedValueBox((received: UInt64(0), sent: UInt64(0)))

    func received(_ bytes: Int) { counts.withLockedValue { $0.received &+= UInt64(clamping: bytes) } }
    func sent(_ bytes: Int) { counts.withLockedValue { $0.sent &+= UInt64(clamping: bytes) } }

    var receivedBytes: UInt64 { counts.withLockedValue { $0.received } }
    var sentBytes: UInt64 { counts.withLockedValue { $0.sent } }
}
