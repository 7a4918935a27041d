import Logging
import NIOConcurrencyHelpers
import NIOCore
import TLS

/// Connections that TLS refused: each is counted, and the log hears of a bounded number, so that a port scanner can
/// not fill a disk (law 8: what fails authentication costs next to nothing).
final class TLSFailures: Sendable {
    private struct State {
        var counts: [TLSRefusal: UInt64] = [:]
        var tokens = TLSFailures.burst
        var refilled = NIODeadline.now()
        var unlogged: UInt64 = 0
    }

    /// Lines at once, then one a second.
    static let burst = 10
    static let refill: TimeAmount = .seconds(1)

    private let state = NIOLockedValueBox(State())
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// By reason, for the metrics.
    var counts: [TLSRefusal: UInt64] { state.withLockedValue { $0.counts } }

    func record(_ error: TLSError, from remote: String) {
        let unlogged: UInt64? = state.withLockedValue { state in
            state.counts[error.reason, default: 0] += 1
            if error.isEverydayEnd { return nil }
            let now = NIODeadline.now()
            let earned = (now - state.refilled).nanoseconds / Self.refill.nanoseconds
            if earned > 0 {
                state.tokens = min(Self.burst, state.tokens + Int(clamping: earned))
                state.refilled = now
            }
            guard state.tokens > 0 else {
                state.unlogged += 1
                return nil
            }
            state.tokens -= 1
            defer { state.unlogged = 0 }
            return state.unlogged
        }
        guard let unlogged else { return }
        var metadata: Logger.Metadata = ["from": "\(remote)", "reason": "\(error.reason.rawValue)"]
        if unlogged > 0 { metadata["unlogged"] = "\(unlogged)" }
        logger.warning("refused a connection: \(error)", metadata: metadata)
    }
}
