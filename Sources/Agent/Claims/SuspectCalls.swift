import NIOConcurrencyHelpers
import Vocabulary

/// Which suspects are asked over TLS for their own word, when datagrams bring more signatures than are verified.
///
/// Who has the cluster's key and no certificate can send forged statements faster than they are verified; the true ones,
/// refutations among them, drown in those, and any suspect would be condemned. On a connection the member proves who it
/// is, and is charged for nothing but its own. What can be asked for is bounded, since the flood decides about whom.
final class SuspectCalls: Sendable {
    /// At once. At half, a flood about many suspects delays each by twice as much; more takes places from peers.
    static let underWayMax = 8
    /// Between two calls of the same suspect: one has three seconds at least to refute.
    static let pause = Duration.seconds(1)
    private static let keptMax = 1_024

    private struct State {
        var underWay = 0
        var notBefore: [NodeName: Instant] = [:]
    }

    private let state = NIOLockedValueBox(State())
    private let clock: @Sendable () -> Instant

    init(clock: @escaping @Sendable () -> Instant = { NodeDriver.now }) { self.clock = clock }

    /// Never waits.
    func call(_ suspect: NodeName, _ call: @escaping @Sendable () async -> Void) {
        let now = clock()
        let mayCall = state.withLockedValue { state in
            guard state.underWay < Self.underWayMax else { return false }
            if let notBefore = state.notBefore[suspect], now < notBefore { return false }
            if state.notBefore.count >= Self.keptMax { state.notBefore = state.notBefore.filter { now < $0.value } }
            guard state.notBefore.count < Self.keptMax else { return false }
            state.notBefore[suspect] = now + Self.pause
            state.underWay += 1
            return true
        }
        guard mayCall else { return }
        Task {
            await call()
            state.withLockedValue { $0.underWay -= 1 }
        }
    }
}
