import Client
import NIOConcurrencyHelpers

/// How an agent's run ended, for the process that ran it.
public enum AgentEnding: Hashable, Sendable {
    /// It was told to stop, or has left.
    case stopped
    /// It is to start again, and the members know it.
    case restart(by: API.RestartResult.Starter)
}

/// Who asks first decides how a run ends; asking again only makes it end sooner.
final class EndingBox: Sendable {
    private let box = NIOLockedValueBox<AgentEnding?>(nil)

    func decide(_ ending: AgentEnding) { box.withLockedValue { $0 = $0 ?? ending } }

    var ending: AgentEnding { box.withLockedValue { $0 } ?? .stopped }
}
