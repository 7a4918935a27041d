import Vocabulary

/// One step on the way to (or back from) a verdict about a member, as this node saw it: what `roost members --why` tells.
public struct Finding: Sendable, Hashable {
    public enum What: Sendable, Hashable {
        /// This node's own probe: pinged so often over `tries`, `helpers` asked of whom `nacks` had no answer either,
        /// and over TLS with that outcome.
        case unanswered(tries: Int, helpers: [NodeName], nacks: Int, overTLS: FallbackOutcome)
        /// This node accused it.
        case suspectedHere
        /// Another accused it first, as told by the teller.
        case accused(by: NodeName, heardFrom: NodeName)
        /// One more accuser of the same incarnation.
        case confirmed(by: NodeName)
        /// The time to refute was over here, after so long, with so many accusers.
        case expired(after: Duration, accusers: Int)
        /// Another's verdict.
        case condemned(by: NodeName, heardFrom: NodeName)
        /// It spoke up with this incarnation.
        case refuted(Incarnation, heardFrom: NodeName)
        case returned(Incarnation, heardFrom: NodeName)
    }

    public enum FallbackOutcome: String, Sendable, Hashable, Codable {
        case notTried = "not tried"
        case pending = "no answer yet"
        case refused
        /// Its host took the connection, so that the process is there, but it did not answer in time.
        case stalled = "connected, but no answer in time"
        case silent
    }

    public let what: What
    public let at: Instant

    /// Kept of one member; the older ones go first.
    static let countMax = 16
}
