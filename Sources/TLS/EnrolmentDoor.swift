// The one exception to "nobody without a certificate": a host that comes for its first one. It is decided from the
// ClientHello, before any cryptography, and it opens nothing but the enrolment (docs/PROTOCOL.md).
import COpenSSL
import Vocabulary

/// One accepted connection's way in for a host without a certificate.
///
/// Only who offers `roost-enroll/1` and nothing beside it comes this way. It is asked for no certificate; every other
/// connection is, as ever, so that what was not decided here ends in a refusal.
final class EnrolmentDoor {
    private enum State { case undecided, member, enrolling }

    private var state = State.undecided
    /// Shown behind our own certificate: the host knows the hash of one of their keys and nothing else of the cluster.
    private let authorities: [OwnedX509]
    private let admits: () -> Bool

    init(authorities: [OwnedX509], admits: @escaping () -> Bool) {
        self.authorities = authorities
        self.admits = admits
    }

    var isEnrolling: Bool {
        switch state {
        case .enrolling: true
        case .undecided, .member: false
        }
    }

    /// What the exporter of both ends is asked with (RFC 5705, RFC 8446 §7.5).
    static let exporterLabel = "EXPORTER-roost-enroll-1"

    static func binding(of ssl: OpaquePointer) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 32)
        let done = SSL_export_keying_material(ssl, &bytes, 32, exporterLabel, exporterLabel.utf8.count, nil, 0, 0)
        return done == 1 ? bytes : nil
    }

    /// Called for each ClientHello; a second one (after a HelloRetryRequest) must not ask for anything else.
    private func judge(_ ssl: OpaquePointer, _ alert: UnsafeMutablePointer<Int32>?) -> Int32 {
        let asks = Self.asksForEnrolmentAlone(ssl)
        switch state {
        case .member:
            // The choice of the protocol refuses one who changed its mind.
            return SSL_CLIENT_HELLO_SUCCESS
        case .enrolling:
            guard asks else {
                alert?.pointee = SSL_AD_ILLEGAL_PARAMETER
                return SSL_CLIENT_HELLO_ERROR
            }
            return SSL_CLIENT_HELLO_SUCCESS
        case .undecided:
            guard asks else {
                state = .member
                return SSL_CLIENT_HELLO_SUCCESS
            }
            guard admits() else {
                alert?.pointee = SSL_AD_INTERNAL_ERROR
                return SSL_CLIENT_HELLO_ERROR
            }
            for authority in authorities where roost_SSL_add1_chain_cert(ssl, authority.pointer) != 1 {
                alert?.pointee = SSL_AD_INTERNAL_ERROR
                return SSL_CLIENT_HELLO_ERROR
            }
            state = .enrolling
            SSL_set_verify(ssl, SSL_VERIFY_NONE, nil)
            return SSL_CLIENT_HELLO_SUCCESS
        }
    }

    /// RFC 7301 §3.1: two bytes of length, then one name, of one byte of length.
    private static func asksForEnrolmentAlone(_ ssl: OpaquePointer) -> Bool {
        var bytes: UnsafePointer<UInt8>?
        var count = 0
        let kind = UInt32(TLSEXT_TYPE_application_layer_protocol_negotiation)
        guard SSL_client_hello_get0_ext(ssl, kind, &bytes, &count) == 1, let bytes else { return false }
        let wanted = [0, UInt8(ALPN.enrolmentWire.count)] + ALPN.enrolmentWire
        return UnsafeBufferPointer(start: bytes, count: count).elementsEqual(wanted)
    }

    /// What `SSL_CTX_set_client_hello_cb` is given.
    static let callback:
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = {
            ssl, alert, _ in
            guard let ssl, let verifier = PeerVerifier.of(ssl) else { return SSL_CLIENT_HELLO_ERROR }
            if verifier.waitsForTurn { return SSL_CLIENT_HELLO_RETRY }
            return verifier.door?.judge(ssl, alert) ?? SSL_CLIENT_HELLO_SUCCESS
        }
}
