import Gossip

/// What `/metrics` says of the cluster's keys, and of certificates without rights.
enum KeyFigures {
    static func add(_ core: AgentCore, to metrics: Metrics) {
        let ring = core.keys.current
        let states = [
            ("spreading", ring?.coming.count ?? 0), ("sealing", ring?.primary == nil ? 0 : 1),
            ("opening", ring?.former.count ?? 0),
        ]
        for (state, count) in states {
            metrics.set(
                "roost_gossip_keys", ["state": state], to: Double(count),
                help: "Cluster keys: on their way to all, sealing, and those from before that still open.")
        }
        metrics.set(
            "roost_certificates_revoked", to: Double(core.revoked.count),
            help: "Names of certificates that have lost their rights.")
    }
}
