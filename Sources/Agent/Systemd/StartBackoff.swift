import Logging

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Waits longer before each start that follows on others that did not last, under a supervisor that always waits alike (systemd
/// before 254 has no `RestartSteps=`). How many they were is kept in the service's runtime folder, which systemd removes when
/// the service is stopped, or stays down.
struct StartBackoff: Sendable, Equatable {
    /// What ran for so long, once it had started, did not fail to. At half, one that crashes after 40 s each time is started anew
    /// at once for ever; at double, an agent that is killed three times in two minutes waits before it is back.
    static let lastsFrom = Duration.seconds(60)
    /// The unit's `TimeoutStartSec=`: a large catalogue has all of it after the pause as well.
    private static let openingMax = Duration.seconds(120)
    /// At half, a port or a disk that is missing for an hour is tried for 250 times; at double, a host whose disk came late is
    /// away for a minute more.
    static let pauseMax = Duration.seconds(30)

    private let path: String

    /// - Returns: nil without `RUNTIME_DIRECTORY`: nobody starts it again, or nobody says where to remember it.
    init?(environment: [String: String]) {
        // Of several runtime folders the first is ours.
        guard let folder = environment["RUNTIME_DIRECTORY"]?.split(separator: ":").first else { return nil }
        path = "\(folder)/starts"
    }

    /// Counts a start, and waits as long as those before it ask for.
    ///
    /// - Throws: `CancellationError`.
    func wait(_ log: Logger) async throws {
        let failed = begin()
        let pause = Self.pause(after: failed)
        guard pause > .zero else { return }
        let word = "waiting \(pause.components.seconds) s: the last \(failed) starts did not last"
        log.notice("\(word)")
        let notifier = SystemdNotifier(environment: ProcessInfo.processInfo.environment)
        notifier.extendTimeout(by: pause + Self.openingMax)
        notifier.status(word)
        try await Task.sleep(for: pause)
    }

    /// Counts a start.
    ///
    /// - Returns: how many just before it did not last; what can not be read, or kept, counts as none.
    func begin() -> Int {
        let text = FileManager.default.contents(atPath: path).map { String(decoding: $0.prefix(8), as: UTF8.self) }
        let failed = min(max(0, text.flatMap { Int($0) } ?? 0), 1_000)
        try? Data(String(failed + 1).utf8).write(to: URL(filePath: path), options: .atomic)
        return failed
    }

    /// It lasted, or ends as it was told.
    func end() { try? FileManager.default.removeItem(atPath: path) }

    /// Besides what the supervisor waits: nothing after the first, then 2 s, 4 s and so on.
    static func pause(after failed: Int) -> Duration {
        guard failed > 1 else { return .zero }
        return min(pauseMax, .seconds(1) * (1 << min(failed - 1, 16)))
    }
}
