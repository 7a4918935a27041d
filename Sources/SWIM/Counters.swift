extension Membership {
    /// What this node did as a member, since its start; for metrics.
    public struct Counters: Hashable, Sendable {
        /// Members probed, and how those probes ended.
        public var probes: UInt64 = 0
        public var probesAnswered: UInt64 = 0
        /// By way of a helper, and over TLS: of those answered.
        public var probesRelayed: UInt64 = 0
        public var probesOverTLS: UInt64 = 0
        public var probesFailed: UInt64 = 0
        /// Failed while nothing came in from anybody: charged to this node, not to the target.
        public var probesDeaf: UInt64 = 0
        public var pingRequestsSent: UInt64 = 0
        public var pingRequestsServed: UInt64 = 0
        public var nacksSent: UInt64 = 0
        public var nacksReceived: UInt64 = 0
        /// Questions over TLS, and how those ended that have; of a probe or to warn a suspect.
        public var fallbacks: UInt64 = 0
        public var fallbacksAnswered: UInt64 = 0
        public var fallbacksRefused: UInt64 = 0
        public var fallbacksSilent: UInt64 = 0
        public var suspicionsRaised: UInt64 = 0
        public var suspicionsConfirmed: UInt64 = 0
        public var suspicionsHeard: UInt64 = 0
        public var verdictsPassed: UInt64 = 0
        public var verdictsHeard: UInt64 = 0
        /// Of accusations against this node.
        public var refutations: UInt64 = 0
        /// Accusations that this node did not contradict, since it doubts itself.
        public var refutationsWithheld: UInt64 = 0
        /// Accusations of tellers that are departed themselves.
        public var accusationsIgnored: UInt64 = 0
        /// Claims whose incarnation jumped further than one member can have raised it.
        public var jumpsRefused: UInt64 = 0
        /// Newcomers that were refused because the table is full.
        public var newcomersRefused: UInt64 = 0

        public init() {}
    }
}
