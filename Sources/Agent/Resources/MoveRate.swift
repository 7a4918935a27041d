import NIOConcurrencyHelpers
import NIOCore

/// How fast this node has fetched bytes from others of late: what the time that a planned move takes is reckoned with.
///
/// Only the time in which a fetch was under way counts, and of several at once only once; the past fades, so that after
/// some minutes of moving it is the rate of those minutes.
final class MoveRate: Sendable {
    private let state = NIOLockedValueBox(State())

    private struct State {
        var running = 0
        var since = NIODeadline.uptimeNanoseconds(0)
        var busy = 0.0
        var bytes = 0.0
    }

    /// Less than this in all says more of the calls than of the way.
    private static let bytesMin = 1_048_576.0
    private static let fadeSeconds = 60.0

    func began(at now: NIODeadline = .now()) {
        state.withLockedValue { state in
            if state.running == 0 { state.since = now }
            state.running += 1
        }
    }

    func ended(bytes: UInt64, at now: NIODeadline = .now()) {
        state.withLockedValue { state in
            guard state.running > 0 else { return }
            state.running -= 1
            state.bytes += Double(bytes)
            state.busy += Double((now - state.since).nanoseconds) / 1e9
            state.since = now
            guard state.busy > Self.fadeSeconds else { return }
            state.busy /= 2
            state.bytes /= 2
        }
    }

    /// Bytes a second; `nil` before enough has moved.
    var bytesPerSecond: Double? {
        state.withLockedValue { state in
            state.bytes >= Self.bytesMin && state.busy > 0 ? state.bytes / state.busy : nil
        }
    }
}
