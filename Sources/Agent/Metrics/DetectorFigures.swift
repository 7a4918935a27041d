import SWIM
import Vocabulary

/// What the failure detector counts, in Prometheus' names. Only numbers are taken under the driver's lock: whoever kept the
/// membership itself while the text is made would have the next datagram copy its table.
struct DetectorFigures: Sendable {
    private let counters: Membership.Counters
    private let healthScore: Int
    private let suspicionTimeout: Duration
    private let probePeriod: Duration

    init(_ membership: Membership) {
        counters = membership.counters
        healthScore = membership.healthScore
        suspicionTimeout = membership.suspicionTimeout
        probePeriod = membership.probePeriod
    }

    func add(to metrics: Metrics) {
        metrics.set(
            "roost_swim_health_score", to: Double(healthScore),
            help: "How far this node doubts itself as a judge: 0 not at all, up to 8 (Lifeguard's local health).")
        metrics.set(
            "roost_swim_suspicion_seconds", to: suspicionTimeout.seconds,
            help: "How long a suspect whom several accuse has to refute.")
        metrics.set(
            "roost_swim_probe_interval_seconds", to: probePeriod.seconds, help: "Between two probes, now.")
        func count(_ name: String, _ label: String, _ values: [(String, UInt64)], _ help: String) {
            for (value, number) in values {
                metrics.count("roost_swim_\(name)_total", [label: value], by: Double(number), help: help)
            }
        }
        let direct = counters.probesAnswered &- counters.probesRelayed &- counters.probesOverTLS
        count(
            "probes", "outcome",
            [
                ("direct", direct), ("relayed", counters.probesRelayed), ("tls", counters.probesOverTLS),
                ("failed", counters.probesFailed),
            ], "Probes that ended, by the way that the answer came.")
        metrics.count(
            "roost_swim_probes_deaf_total", by: Double(counters.probesDeaf),
            help: "Of those failed: nothing came in from anybody meanwhile.")
        count(
            "ping_requests", "direction",
            [("sent", counters.pingRequestsSent), ("served", counters.pingRequestsServed)], "Indirect probes.")
        count("nacks", "direction", [("sent", counters.nacksSent), ("received", counters.nacksReceived)], "Nacks.")
        count(
            "fallbacks", "outcome",
            [
                ("refused", counters.fallbacksRefused), ("answered", counters.fallbacksAnswered),
                ("silent", counters.fallbacksSilent),
            ], "Probes over TLS that ended.")
        count(
            "suspicions", "how",
            [
                ("raised", counters.suspicionsRaised), ("heard", counters.suspicionsHeard),
                ("confirmed", counters.suspicionsConfirmed),
            ], "Suspicions of members.")
        count(
            "verdicts", "how", [("passed", counters.verdictsPassed), ("heard", counters.verdictsHeard)],
            "Members taken for crashed.")
        count(
            "refutations", "outcome", [("made", counters.refutations), ("withheld", counters.refutationsWithheld)],
            "Accusations of this node that it contradicted, and that it did not since it doubts itself.")
        count(
            "ignored", "reason",
            [
                ("accuser_departed", counters.accusationsIgnored), ("incarnation_jump", counters.jumpsRefused),
                ("table_full", counters.newcomersRefused),
            ], "Claims that were not believed.")
    }
}
