import TLS

/// What `/metrics` says of the ends of certificates: an alert on it comes before nothing works any more.
enum CertificateFigures {
    static func add(_ renewals: RenewalService.Counts, to metrics: Metrics) {
        for (outcome, count) in [("done", renewals.renewed), ("failed", renewals.failed)] {
            metrics.count(
                "roost_certificate_renewals_total", ["outcome": outcome], by: Double(count),
                help: "Renewals of this node's certificate, those that no member could do left out.")
        }
    }

    static func add(_ credentials: Credentials, at now: Int64, to metrics: Metrics) {
        let lives = [("node", credentials.life), ("ca", credentials.authorityLife)]
        for (whose, life) in lives {
            guard let life else { continue }
            metrics.set(
                "roost_certificate_expiry_seconds", ["certificate": whose], to: Double(life.secondsLeft(at: now)),
                help: "Until the end of this node's certificate, and of the CA's; negative after it.")
            metrics.set(
                "roost_certificate_expires_soon", ["certificate": whose], to: life.state(at: now) == .fine ? 0 : 1,
                help: "1 when less than a quarter of the certificate's life is left, and after its end.")
        }
    }
}
