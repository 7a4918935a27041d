/// What `/metrics` says of the connections that TLS refused, every reason from the start.
enum TLSFigures {
    static func add(
        _ counts: [TLSRefusal: UInt64], underWay: (strangers: Int, known: Int), to metrics: Metrics
    ) {
        for (source, count) in [("stranger", underWay.strangers), ("known", underWay.known)] {
            metrics.set(
                "roost_tls_handshakes", ["source": source], to: Double(count),
                help: "Handshakes under way, from addresses that have proven no certificate lately and from others.")
        }
        for reason in TLSRefusal.allCases {
            metrics.count(
                "roost_tls_refused_total", ["reason": reason.rawValue], by: Double(counts[reason] ?? 0),
                help: "Connections to this node that ended before or in TLS.")
        }
    }
}
