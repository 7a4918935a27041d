import COpenSSL
import Vocabulary

/// The settings that all connections of one set of credentials share: one `SSL_CTX` for both directions.
///
/// New credentials mean a new context; connections made from the old one go on with what they verified.
/// - TLS 1.3 only, and no other protocol than `http/1.1` by ALPN.
/// - Both sides present a certificate and verify the other's.
/// - Key exchange by X25519, P-256 or P-384 only; of the ciphers the server's order counts.
/// - No tickets and no resumption: each connection proves its identity afresh, so that an expired certificate makes
///   no new connection; `TLSHandler+Expiry` ends those that it has. A full handshake costs about 1 ms, and agents keep their connections.
///
/// @unchecked Sendable is sound: the `SSL_CTX` is not changed after `init`, and OpenSSL allows `SSL_new` from many
/// threads on one that is not.
public final class TLSContext: @unchecked Sendable {
    public let credentials: Credentials
    let pointer: OpaquePointer

    /// The leaf, one intermediate, the CA, and one to spare.
    private static let chainDepthMax: Int32 = 4

    /// What keys are exchanged by. OpenSSL would take finite fields of up to 8,192 bits as well, and P-521 and X448: there a
    /// stranger chooses how dear his handshake is, up to a hundred times this (CVE-2002-20001).
    private static let groups = "X25519:P-256:P-384"

    /// - Parameter presenting: whether our certificate is shown. Without it a context is good for showing that it is
    ///   asked for, and for nothing else.
    public init(credentials: Credentials, presenting: Bool = true) throws(TLSError) {
        self.credentials = credentials
        guard let pointer = SSL_CTX_new(TLS_method()) else {
            throw .openssl(during: "making a TLS context", OpenSSLFault.drain())
        }
        // From here on deinit frees it, also when this initializer throws.
        self.pointer = pointer
        guard configure(presenting: presenting) else { throw .openssl(during: "configuring TLS", OpenSSLFault.drain()) }
    }

    deinit { SSL_CTX_free(pointer) }

    private func configure(presenting: Bool) -> Bool {
        let material = credentials.material
        guard roost_SSL_CTX_set_only_tls13(pointer) == 1,
            !presenting
                || (SSL_CTX_use_certificate(pointer, material.leaf.pointer) == 1
                    && SSL_CTX_use_PrivateKey(pointer, material.key) == 1),
            let store = material.store()
        else { return false }
        // Takes the store over.
        SSL_CTX_set_cert_store(pointer, store)
        for certificate in material.intermediates
        where roost_SSL_CTX_add1_chain_cert(pointer, certificate.pointer) != 1 {
            return false
        }
        guard roost_SSL_CTX_set_groups(pointer, Self.groups) == 1 else { return false }
        roost_SSL_CTX_prefer_own_ciphers(pointer)
        roost_SSL_CTX_forbid_resumption(pointer)
        // Idle connections give back their two record buffers (about 34 kB). The CA's own certificate is not sent along:
        // the peer has it, or does not trust it.
        let mode = SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN
        _ = roost_SSL_CTX_set_mode(pointer, Int(mode))
        // A quiet shutdown would hide truncation.
        SSL_CTX_set_quiet_shutdown(pointer, 0)
        SSL_CTX_set_verify_depth(pointer, Self.chainDepthMax)
        SSL_CTX_set_verify(
            pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, PeerVerifier.callback)
        // Zero is success for this one function.
        guard SSL_CTX_set_alpn_protos(pointer, ALPN.wire, UInt32(ALPN.wire.count)) == 0 else { return false }
        SSL_CTX_set_alpn_select_cb(pointer, ALPN.select, nil)
        // Only a server's connections come by it.
        SSL_CTX_set_client_hello_cb(pointer, EnrolmentDoor.callback, nil)
        return true
    }
}

/// ALPN (RFC 7301): the one protocol. We demand it of those we call. A client that offers others only is refused; one
/// that offers nothing at all, as many scripts' HTTP libraries do, speaks HTTP/1.1 and has shown its certificate.
enum ALPN {
    static let name = Array("http/1.1".utf8)
    static let wire = [UInt8(name.count)] + name
    /// What a host without a certificate asks for, and nothing beside it: see `EnrolmentDoor`.
    static let enrolment = Array("roost-enroll/1".utf8)
    static let enrolmentWire = [UInt8(enrolment.count)] + enrolment

    /// Server: takes out of what the client offers the one protocol that this connection may speak.
    static let select:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
            UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
        ) -> Int32 = { ssl, chosen, chosenCount, offered, offeredCount, _ in
            guard let ssl, let chosen, let chosenCount, let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
            let isEnrolling = PeerVerifier.of(ssl)?.door?.isEnrolling == true
            let name = isEnrolling ? enrolment : name
            let offers = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
            var index = 0
            while index < offers.count {
                let start = index + 1
                let end = start + Int(offers[index])
                guard end <= offers.count else { break }
                if offers[start..<end].elementsEqual(name) {
                    // Points into the offer, which OpenSSL copies from right after this call.
                    chosen.pointee = offered + start
                    chosenCount.pointee = UInt8(name.count)
                    return SSL_TLSEXT_ERR_OK
                }
                index = end
            }
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }
}
