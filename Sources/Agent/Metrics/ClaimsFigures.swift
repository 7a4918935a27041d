/// What `/metrics` says of the claims that came in. Every reason has its line from the start, at 0, as those of the datagrams
/// have.
enum ClaimsFigures {
    static func add(_ counts: ClaimVerifier.Counts, to metrics: Metrics) {
        metrics.count(
            "roost_claims_verified_total", by: Double(counts.verified),
            help: "Signatures of members under what they say of themselves that were verified.")
        for reason in ClaimRefusal.allCases {
            metrics.count(
                "roost_claims_refused_total", ["reason": reason.rawValue], by: Double(counts.refused[reason] ?? 0),
                help: "Claims that were not believed.")
        }
    }
}
