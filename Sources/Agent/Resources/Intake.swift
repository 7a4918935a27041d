import NIOConcurrencyHelpers

/// Writes that this node is taking, its own or offered ones: a drain waits for them, so that none is acknowledged by a
/// node that has said farewell.
final class Intake: Sendable {
    private let count = NIOLockedValueBox(0)

    func began() { count.withLockedValue { $0 += 1 } }
    func ended() { count.withLockedValue { $0 -= 1 } }
    var isIdle: Bool { count.withLockedValue { $0 == 0 } }
}
