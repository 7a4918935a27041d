// Law 8 on connections that live longer than the certificate that opened them: they end when it does.
import NIOCore
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension TLSHandler {
    /// Timers of an event loop stand still while the host sleeps, and do not see its clock being set: the clock is
    /// looked at again at least this often. At double, such a host serves an expired peer for twice as long.
    static let expiryCheckMaxSeconds: Int64 = 600

    /// Ends the connection at the first end of a certificate in the peer's chain, as a handshake would from then on.
    func watchExpiry(_ context: ChannelHandlerContext) {
        guard let identity, let notAfter = session?.chainNotAfter else { return }
        let now = wallSeconds()
        // As OpenSSL counts: in its last second a certificate is over.
        guard now < notAfter else {
            let fault: CertificateFault =
                notAfter == identity.notAfter
                ? .expired(at: notAfter) : .authorityExpired("that issued it", at: notAfter)
            fail(.refusedPeer(fault, certificate: identity.name.uri), context)
            return
        }
        let (left, overflow) = notAfter.subtractingReportingOverflow(now)
        let wait = overflow ? Self.expiryCheckMaxSeconds : min(left, Self.expiryCheckMaxSeconds)
        arm(.seconds(wait), context) { $0.watchExpiry($1) }
    }
}

enum WallClock {
    static func seconds() -> Int64 { Int64(time(nil)) }
}
