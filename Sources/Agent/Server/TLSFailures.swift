import Logging
import NIOConcurrencyHelpers
import NIOCore
import TLS

/// Connections that TLS refused: each is counted, and the log hears of a bounded number, so that a port scanner can
/// not fill a disk (law 8: what fails authentication costs next to nothing).
final class TLSFailures: Sendable {
    private struct State {
        var counts: [TLSRefusal: UInt64] = [:]
        var tokens = TokenBucket(left: TLSFailures.burst, since: .now())
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
        guard let unlogged = count(error.reason, isEveryday: error.isEverydayEnd) else { return }
        tell("refused a connection: \(error)", error.reason, from: remote, unlogged)
    }

    /// More were in a handshake than there are places for: see `HandshakeRegister`.
    func refusedAtTheDoor(_ remote: String) {
        guard let unlogged = count(.crowded, isEveryday: false) else { return }
        tell(
            "refused a connection before its handshake: too many are in theirs, or failed", .crowded, from: remote,
            unlogged)
    }

    /// One certificate's holder has as many connections as it may, and all are busy.
    func refusedIdentity(_ identity: PeerIdentity, from remote: String) {
        guard let unlogged = count(.crowdedIdentity, isEveryday: false) else { return }
        tell("\(identity.name) has too many connections", .crowdedIdentity, from: remote, unlogged)
    }

    /// - Returns: how many were not logged before this one; nil when this one is not to be either.
    private func count(_ reason: TLSRefusal, isEveryday: Bool) -> UInt64? {
        state.withLockedValue { state in
            state.counts[reason, default: 0] += 1
            if isEveryday { return nil }
            state.tokens.earn(.now(), each: Self.refill, max: Self.burst)
            guard state.tokens.left > 0 else {
                state.unlogged += 1
                return nil
            }
            state.tokens.spend()
            defer { state.unlogged = 0 }
            return state.unlogged
        }
    }

    private func tell(_ message: Logger.Message, _ reason: TLSRefusal, from remote: String, _ unlogged: UInt64) {
        var metadata: Logger.Metadata = ["from": "\(remote)", "reason": "\(reason.rawValue)"]
        if unlogged > 0 { metadata["unlogged"] = "\(unlogged)" }
        logger.warning(message, metadata: metadata)
    }
}
