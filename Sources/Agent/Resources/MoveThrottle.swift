import Client
import NIOConcurrencyHelpers
import Relocation
import Vocabulary

/// Moves take turns with queries: the agent's one `MovePace`, told of every query and asked before every piece that is
/// pulled here for a move, or read here for a node that pulls.
///
/// What a client waits for (the copies of its write) is no move, and takes no turn.
final class MoveThrottle: Sendable {
    /// Moves at once while nothing holds them back.
    let streams: Int
    private let pace: NIOLockedValueBox<MovePace>
    private let waited = NIOLockedValueBox(Duration.zero)

    /// - Parameter streams: less than one counts as one.
    init(streams: Int) {
        self.streams = max(1, streams)
        var settings = MovePace.Settings()
        settings.streams = self.streams
        pace = NIOLockedValueBox(MovePace(settings))
    }

    // MARK: Queries

    func asked() -> MovePace.Query { pace.withLockedValue { $0.asked(at: NodeDriver.now) } }

    func answered(_ query: MovePace.Query) { pace.withLockedValue { $0.answered(query, at: NodeDriver.now) } }

    // MARK: Moves

    /// A turn that was given, and how long it kept this node busy so far.
    final class Turn: Sendable {
        private let throttle: MoveThrottle
        private let busy = NIOLockedValueBox(Duration.zero)

        fileprivate init(_ throttle: MoveThrottle) { self.throttle = throttle }

        /// Carries out a part of the work, whose time counts.
        func work<T>(_ body: () async throws -> T) async rethrows -> T {
            let start = NodeDriver.now
            defer {
                let spent = NodeDriver.now - start
                busy.withLockedValue { $0 += spent }
            }
            return try await body()
        }

        /// Once, whatever became of the work.
        func end() {
            let busy = busy.withLockedValue { $0 }
            throttle.pace.withLockedValue { $0.ended(busy: busy, at: NodeDriver.now) }
        }
    }

    /// Carries out a part of what a turn was given for; what is urgent has none, and its time counts nowhere.
    static func work<T: Sendable>(in turn: Turn?, _ body: () async throws -> T) async rethrows -> T {
        guard let turn else { return try await body() }
        return try await turn.work(body)
    }

    /// Waits until the next piece may begin; whoever gets the turn ends it.
    ///
    /// - Parameter isUrgent: looked at before each wait; what somebody waits for does not.
    /// - Returns: nil for what is urgent.
    /// - Throws: `CancellationError`.
    func turn(unless isUrgent: () async -> Bool = { false }) async throws -> Turn? {
        let start = NodeDriver.now
        defer {
            let spent = NodeDriver.now - start
            waited.withLockedValue { $0 += spent }
        }
        while !(await isUrgent()) {
            switch pace.withLockedValue({ $0.begin(at: NodeDriver.now, since: start) }) {
            case .go: return Turn(self)
            case .wait(let pause): try await Task.sleep(for: min(pause, Self.waitMax))
            }
        }
        return nil
    }

    /// After so long it is looked again whether somebody waits for it now.
    private static let waitMax = Duration.milliseconds(250)

    /// Counts time that a move took outside its turns.
    @discardableResult
    func spent<T>(_ body: () async throws -> T) async rethrows -> T {
        let start = NodeDriver.now
        defer {
            let now = NodeDriver.now
            pace.withLockedValue { $0.spent(now - start, at: now) }
        }
        return try await body()
    }

    // MARK: The other end

    /// Of an answer to who fetches for a move: the share of its time that the holder gives to moves, while it is held back.
    static let shareHeader = "Roost-Share"

    /// The header's value; nil while no query holds moves back.
    var shareToTell: String? { pace.withLockedValue { $0.shareToTell(at: NodeDriver.now) }.map { "\($0)" } }

    /// Heeds what a holder says of its own moves; what is no share says nothing.
    func told(by headers: HeaderFields) {
        guard let share = headers[Self.shareHeader].flatMap(Double.init), share.isFinite, share > 0 else { return }
        pace.withLockedValue { $0.told(share, at: NodeDriver.now) }
    }

    // MARK: How it does

    /// Of the time, summed over the streams; nil while nothing is held back.
    var share: Double? {
        let now = NodeDriver.now
        return pace.withLockedValue { $0.isHeldBack(at: now) ? $0.allowed(at: now) : nil }
    }

    /// What moves waited for queries since this agent started, summed over them.
    var waitedSeconds: Double { waited.withLockedValue { $0.seconds } }
}
