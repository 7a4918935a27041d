// The rules of others, on the same core: for comparison on the same simulated network.

extension Membership.Settings {
    /// What this implementation adds to Lifeguard, left out.
    private var withoutAdditions: Self {
        var it = self
        it.probeTries = 1
        it.usesFallback = false
        it.confirmersWanted = 0
        it.caution = .localHealth
        return it
    }

    /// SWIM without what Lifeguard adds, and without what this implementation adds to both.
    public var withoutLifeguard: Self {
        var it = withoutAdditions
        it.caution = .none
        it.tellsSuspectFirst = false
        it.suspicionMaxMultiplier = 1
        return it
    }

    /// The rules of HashiCorp's memberlist as Serf and Consul run them in one data centre (`DefaultLANConfig`): Lifeguard
    /// with α = 4, β = 6 and K = α − 2.
    ///
    /// What differs from the original still:
    /// - A node whose health score is bad asks its helpers later and has longer periods also while its probes succeed, as
    ///   the paper has it; there only a probe that fails takes longer. The score ends at 8, there at 7.
    /// - The first answer is given 500 ms, or more on a path whose measured round trip is longer than that.
    /// - The ping over TCP that goes out with the requests to helpers is left out: where nothing but datagrams is lost,
    ///   the original raises fewer suspicions than this.
    /// - A suspicion lasts at least α · 1.5 periods, there α · 1: of consequence below 32 members.
    /// - A member whom only helpers reached is probed again in the next period, there when its turn comes.
    /// - Whole states are compared as often as here, there more seldom in a large group; crashed members are called as
    ///   often as here, there (by Serf) a sixth as often.
    public var asInMemberlist: Self {
        var it = withoutAdditions
        it.probeInterval = .seconds(1)
        it.probeTimeout = .milliseconds(500)
        it.probeTimeoutMin = it.probeTimeout
        it.indirectProbes = 3
        it.suspicionMultiplier = 4
        it.suspicionMaxMultiplier = 6
        it.confirmationsWanted = it.suspicionMultiplier - 2
        it.tellsSuspectFirst = true
        it.retransmitMultiplier = 4
        it.gossipInterval = .milliseconds(200)
        it.gossipFanout = 3
        it.pushPullInterval = .seconds(30)
        return it
    }
}
