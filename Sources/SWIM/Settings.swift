extension Membership {
    /// The protocol's constants. The defaults are meant to be left alone.
    public struct Settings: Hashable, Sendable {
        /// A member is probed each period T (SWIM §3). At half: twice the traffic, detection in half the time; at
        /// double the reverse.
        public var probeInterval: Duration = .seconds(1)
        /// How long a direct answer may take before helpers are asked; the rest of the period is theirs. Below the
        /// slowest path's round trip every probe needs helpers.
        public var probeTimeout: Duration = .milliseconds(500)
        /// k of SWIM §3.1: with 3 helpers and 10 % loss a healthy member's probe fails in 0.01 % of those cases
        /// where the direct one failed. At double: more traffic on failure only.
        public var indirectProbes: Int = 3
        /// A suspect has this · max(1, log10 n) · probeInterval to refute: news needs O(log n) periods to reach it
        /// and as long to come back. At half: false verdicts under loss; at double: twice the time to a verdict.
        public var suspicionMultiplier: Int = 4
        /// λ: each member tells a piece of news λ · (number of decimal digits of n) times. SWIM §4.1: the chance that
        /// somebody misses it falls with n^-(2λ-2).
        public var retransmitMultiplier: Int = 4
        /// While there is news, it is told to `gossipFanout` members each interval besides what rides on probes.
        /// Silence costs nothing.
        public var gossipInterval: Duration = .milliseconds(200)
        public var gossipFanout: Int = 3
        /// Every so often the whole state is exchanged with one member over TLS: what datagrams lost is repaired.
        public var pushPullInterval: Duration = .seconds(30)
        /// Every so often one crashed member is pinged, so that a healed partition merges by itself.
        public var reconnectInterval: Duration = .seconds(5)
        /// How long the silence of a member that announced `restarting` is no ground for suspicion.
        public var restartTolerance: Duration = .seconds(60)
        /// How long crashed and left members are kept (and after that: remembered as forgotten).
        public var departedKeep: Duration = .seconds(7 * 24 * 3600)
        /// A leaver tells its farewell in this many waves, a `gossipInterval` apart, each to `gossipFanout` members.
        public var farewellWaves: Int = 5
        /// Bound of the table; newcomers past it are refused, the longest departed make room.
        public var membersMax: Int = 20_000
        /// Bound of a packet before sealing.
        public var packetBytesMax: Int = Packet.wireSizeMax

        public init() {}

        /// What the protocol can work with, whatever was configured.
        var bounded: Settings {
            var it = self
            it.probeInterval = min(max(probeInterval, .milliseconds(10)), .seconds(60))
            it.probeTimeout = min(max(probeTimeout, .milliseconds(1)), it.probeInterval * 9 / 10)
            it.indirectProbes = min(max(indirectProbes, 0), 16)
            it.suspicionMultiplier = min(max(suspicionMultiplier, 1), 100)
            it.retransmitMultiplier = min(max(retransmitMultiplier, 1), 100)
            it.gossipInterval = min(max(gossipInterval, .milliseconds(5)), .seconds(60))
            it.gossipFanout = min(max(gossipFanout, 1), 16)
            it.pushPullInterval = min(max(pushPullInterval, .milliseconds(100)), .seconds(24 * 3600))
            it.reconnectInterval = min(max(reconnectInterval, .milliseconds(100)), .seconds(24 * 3600))
            it.restartTolerance = min(max(restartTolerance, .zero), .seconds(24 * 3600))
            it.departedKeep = min(max(departedKeep, .seconds(1)), .seconds(366 * 24 * 3600))
            it.farewellWaves = min(max(farewellWaves, 1), 50)
            it.membersMax = min(max(membersMax, 2), 100_000)
            it.packetBytesMax = min(max(packetBytesMax, 1_000), Packet.wireSizeMax)
            return it
        }
    }
}
