/// What `/metrics` says of the connections that TLS refused, every reason from the start.
enum TLSFigures {
    static func add(_ counts: [TLSRefusal: UInt64], to metrics: Metrics) {
        for reason in TLSRefusal.allCases {
            metrics.count(
                "roost_tls_refused_total", ["reason": reason.rawValue], by: Double(counts[reason] ?? 0),
                help: "Connections to this node that ended before or in TLS.")
        }
    }
}
