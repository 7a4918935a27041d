/// What `/metrics` says of the members' tags.
enum TagsFigures {
    static func add(_ core: AgentCore, to metrics: Metrics) {
        metrics.set("roost_tags_bytes", to: Double(core.tags.bytes), help: "Other members' tags kept here.")
        metrics.set(
            "roost_tags_pending", to: Double(core.tagsFetcher.pending),
            help: "Tags that members have and that are not known here yet.")
        let outcomes = core.tagsFetcher.outcomes
        for outcome in TagsFetcher.Outcome.allCases {
            metrics.count(
                "roost_tags_calls_total", ["outcome": outcome.rawValue], by: Double(outcomes[outcome] ?? 0),
                help: "Calls that asked other nodes for tags.")
        }
    }
}
