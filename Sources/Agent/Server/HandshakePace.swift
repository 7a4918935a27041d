import NIOConcurrencyHelpers
import NIOCore

/// Gives the handshakes of one event loop their turns: one at a time, and between two of them as much rest as the one before
/// took. So those who ask for a signature never have more than half of a loop's time, whatever the machine, and what is
/// open on it goes on; the addresses take turns, so that a crowd from one of them holds nobody else up.
///
/// Of one address the newest and the oldest go in turn: where more come than there are turns for, the oldest alone would make
/// everybody late, and the newest alone would leave some waiting for ever.
final class HandshakePace {
    /// That wait of one address: as many as have places there. Of more the oldest gets no turn, and its time ends.
    static let waitingPerSourceMax = HandshakeRegister.Bounds().knownPerSourceMax

    private let loop: any EventLoop
    private var waiting: [String: CircularBuffer<() -> Void>] = [:]
    /// The addresses that wait, each once.
    private var order = CircularBuffer<String>()
    private var isResting = false
    private var takesNewest = false

    init(loop: any EventLoop) { self.loop = loop }

    var waitingCount: Int { waiting.values.reduce(0) { $0 + $1.count } }

    /// Calls `step` on the event loop, now or later.
    func turn(of source: String, _ step: @escaping () -> Void) {
        guard isResting else { return run(step) }
        if waiting[source] == nil { order.append(source) }
        waiting[source, default: CircularBuffer()].append(step)
        if let count = waiting[source]?.count, count > Self.waitingPerSourceMax { _ = waiting[source]?.popFirst() }
    }

    private func run(_ step: () -> Void) {
        isResting = true
        let began = NIODeadline.now()
        step()
        // Not `execute`: a loop carries out all that is due before it looks at its sockets.
        loop.assumeIsolated().scheduleTask(in: NIODeadline.now() - began) {
            self.isResting = false
            self.next()
        }
    }

    private func next() {
        guard let source = order.popFirst(), var steps = waiting.removeValue(forKey: source) else { return }
        takesNewest.toggle()
        guard let step = takesNewest ? steps.popLast() : steps.popFirst() else { return }
        if !steps.isEmpty {
            waiting[source] = steps
            order.append(source)
        }
        run(step)
    }
}

@available(*, unavailable)
extension HandshakePace: Sendable {}

/// One for each event loop that has taken a connection.
final class HandshakePaces: Sendable {
    private let paces = NIOLockedValueBox<[ObjectIdentifier: NIOLoopBound<HandshakePace>]>([:])

    /// On the event loop only.
    func of(_ loop: any EventLoop) -> HandshakePace {
        paces.withLockedValue { paces in
            if let pace = paces[ObjectIdentifier(loop)] { return pace }
            let pace = NIOLoopBound(HandshakePace(loop: loop), eventLoop: loop)
            paces[ObjectIdentifier(loop)] = pace
            return pace
        }.value
    }
}
