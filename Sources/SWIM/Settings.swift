extension Membership {
    /// The protocol's constants. The defaults are meant to be left alone.
    public struct Settings: Hashable, Sendable {
        /// A member is probed each period T (SWIM §3). At half: twice the traffic, detection in half the time; at
        /// double the reverse.
        public var probeInterval: Duration = .seconds(1)
        /// How long a direct answer may take on a path that was not measured yet; measured ones have their own time
        /// (`Membership.patience`), so that one cluster can span a room and a continent. After it the ping is repeated
        /// and helpers are asked. Below the slowest path's round trip a first probe needs helpers.
        public var probeTimeout: Duration = .milliseconds(500)
        /// No measured path is given less: a busy host's scheduler takes that long. At half: helpers are asked in vain.
        public var probeTimeoutMin: Duration = .milliseconds(100)
        /// A probe is not over before this, however fast the path: three pings and three helpers have their chance.
        public var probeDurationMin: Duration = .milliseconds(500)
        /// Pings to the member itself in one probe. 1: as in SWIM; with 3 and 30 % loss a probe fails in 3 % of cases
        /// instead of 22 %.
        public var probeTries: Int = 3
        /// Ask over TLS who does not answer datagrams, before it is suspected: UDP may be blocked on the way.
        public var usesFallback = true
        /// k of SWIM §3.1: with 3 helpers and 10 % loss a healthy member's probe fails in 0.01 % of those cases
        /// where the direct one failed. At double: more traffic on failure only.
        public var indirectProbes: Int = 3
        /// Lifeguard's α: a suspect whom enough others accuse too has α · max(1.5, log10 n) · probeInterval to refute:
        /// news needs O(log n) periods to reach it and as long to come back. At half: false verdicts under loss; at
        /// double: twice the time to a verdict.
        public var suspicionMultiplier: Int = 2
        /// Lifeguard's β: a suspect whom nobody else accuses has β times as long. 1: suspicions do not shrink.
        public var suspicionMaxMultiplier: Int = 4
        /// Lifeguard's K: so many independent confirmations shrink a suspicion to its shortest; 0-3.
        public var confirmationsWanted: Int = 3
        /// So many members, on the average, probe a suspect at once when they hear of it, so that the confirmations (or
        /// the refutation) need not wait for its turn. 0: as in Lifeguard, where they come one a period.
        public var confirmersWanted: Int = 6
        /// What a node does about the chance that it is itself at fault, and not the member that does not answer.
        public var caution = Caution.full
        /// Lifeguard's buddy: whatever is sent to a suspect tells it so first.
        public var tellsSuspectFirst = true
        /// How long a suspect whose host takes connections, and which does not answer them, is given at least: it is starved
        /// or stopped, and its data is there still.
        public var stallTolerance: Duration = .seconds(30)
        /// λ: each member tells a piece of news λ · (number of decimal digits of n) times. SWIM §4.1: the chance that
        /// somebody misses it falls with n^-(2λ-2).
        public var retransmitMultiplier: Int = 4
        /// While there is news, it is told to `gossipFanout` members each interval besides what rides on probes.
        /// Silence costs nothing.
        public var gossipInterval: Duration = .milliseconds(200)
        public var gossipFanout: Int = 3
        /// Every so often the whole state is exchanged with one member over TLS: what datagrams lost is repaired.
        public var pushPullInterval: Duration = .seconds(30)
        /// Every so often one crashed member is pinged, so that a healed partition merges by itself; more seldom in large
        /// groups, and when nothing changes for long (`Membership.nextCall`).
        public var reconnectInterval: Duration = .seconds(5)
        /// How long the silence of a member that announced `restarting` is no ground for suspicion.
        public var restartTolerance: Duration = .seconds(60)
        /// How long crashed and left members are kept.
        public var departedKeep: Duration = .seconds(7 * 24 * 3600)
        /// How long they are remembered as forgotten after that, so that no late word brings them back; those who crashed
        /// are called now and then all the while, for they may be the other side of a long cut.
        public var forgottenKeep: Duration = .seconds(30 * 24 * 3600)
        /// A leaver tells its farewell in this many waves, a `gossipInterval` apart, each to `gossipFanout` members.
        public var farewellWaves: Int = 5
        /// Bound of the table; newcomers past it are refused, the longest departed make room.
        public var membersMax: Int = 20_000
        /// Bound of a packet before sealing.
        public var packetBytesMax: Int = Packet.wireSizeMax

        public init() {}

        public enum Caution: Hashable, Sendable {
            /// As in SWIM, nothing.
            case none
            /// Lifeguard's local health: it waits longer, and that is all.
            case localHealth
            /// What follows from it here. In doubt it accuses nobody and does not defend itself; it looks once more before
            /// its verdict, believes another's only after a trial and no accusation by one that is departed, and forgives
            /// whatever ran out while its process stood still.
            case full
        }

        var isHealthAware: Bool { caution != .none }
        var isCautious: Bool { caution == .full }

        /// What the protocol can work with, whatever was configured.
        var bounded: Settings {
            var it = self
            it.probeInterval = min(max(probeInterval, .milliseconds(10)), .seconds(60))
            it.probeTimeout = min(max(probeTimeout, .milliseconds(1)), .seconds(10))
            it.probeTimeoutMin = min(max(probeTimeoutMin, .milliseconds(1)), .seconds(1))
            it.probeDurationMin = min(max(probeDurationMin, .milliseconds(5)), it.probeInterval)
            it.probeTries = min(max(probeTries, 1), 3)
            it.indirectProbes = min(max(indirectProbes, 0), 16)
            it.suspicionMultiplier = min(max(suspicionMultiplier, 1), 100)
            it.suspicionMaxMultiplier = min(max(suspicionMaxMultiplier, 1), 20)
            it.confirmationsWanted = min(max(confirmationsWanted, 0), Claim.accusersMax - 1)
            it.confirmersWanted = min(max(confirmersWanted, 0), 20)
            it.retransmitMultiplier = min(max(retransmitMultiplier, 1), 100)
            it.gossipInterval = min(max(gossipInterval, .milliseconds(5)), .seconds(60))
            it.gossipFanout = min(max(gossipFanout, 1), 16)
            it.pushPullInterval = min(max(pushPullInterval, .milliseconds(100)), .seconds(24 * 3600))
            it.reconnectInterval = min(max(reconnectInterval, .milliseconds(100)), .seconds(24 * 3600))
            it.restartTolerance = min(max(restartTolerance, .zero), .seconds(24 * 3600))
            it.departedKeep = min(max(departedKeep, .seconds(1)), .seconds(366 * 24 * 3600))
            it.forgottenKeep = min(max(forgottenKeep, it.departedKeep), .seconds(366 * 24 * 3600))
            it.stallTolerance = min(max(stallTolerance, .zero), .seconds(3600))
            it.farewellWaves = min(max(farewellWaves, 1), 50)
            it.membersMax = min(max(membersMax, 2), 100_000)
            it.packetBytesMax = min(max(packetBytesMax, 1_000), Packet.wireSizeMax)
            return it
        }
    }
}
