// One TLS connection as OpenSSL sees it: bytes in, bytes out, no channel. `TLSHandler` decides when; this says what
// happened, in types.
import COpenSSL
import NIOConcurrencyHelpers
import NIOCore
import Vocabulary

final class TLSSession {
    enum Role {
        /// - Parameters:
        ///   - admits: asked when a host without a certificate comes to enrol; nil where none may.
        ///   - waitsForTurn: whether a complete ClientHello is answered with `HandshakeStep.needsTurn`, once.
        case server(admits: (() -> Bool)?, waitsForTurn: Bool)
        case client(ExpectedPeer)
    }

    enum HandshakeStep {
        case complete(PeerIdentity)
        /// Of a host without a certificate, with the secret of this connection that both ends know and nobody else.
        case enrolling(binding: [UInt8])
        case needsBytes
        /// What follows is the costly part: it waits for `takeTurn`.
        case needsTurn
        case failed(TLSError)
    }

    enum ReadStep {
        case needsBytes
        /// The buffer holds as much as was asked for; there may be more.
        case full
        /// The peer said that it sends no more.
        case closeNotify
        case failed(TLSError)
    }

    /// How many SSL objects live in this process: the leak test's own count.
    static var liveCount: Int { live.withLockedValue { $0 } }
    private static let live = NIOLockedValueBox(0)

    let wire = WireBuffers()
    let ssl: OpaquePointer
    private let verifier: PeerVerifier
    private let control = ControlMessages()
    // Keeps the SSL_CTX and the credentials for as long as this connection.
    private let context: TLSContext

    init(context: TLSContext, role: Role) throws(TLSError) {
        self.context = context
        let expectation: PeerVerifier.Expectation =
            switch role {
            case .server: .anyOfCluster
            case .client(let expected): .node(expected)
            }
        verifier = PeerVerifier(cluster: context.credentials.name.cluster, expectation: expectation)
        if case .server(let admits, let waitsForTurn) = role {
            verifier.door = admits.map {
                EnrolmentDoor(authorities: context.credentials.material.authorities, admits: $0)
            }
            verifier.waitsForTurn = waitsForTurn
        }
        guard let ssl = SSL_new(context.pointer) else {
            throw .openssl(during: "making a TLS connection", OpenSSLFault.drain())
        }
        self.ssl = ssl
        Self.live.withLockedValue { $0 += 1 }
        // From here on deinit frees ssl, also when this initializer throws.
        guard let bio = WireBIO.make(over: wire),
            SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(verifier).toOpaque()) == 1
        else { throw .openssl(during: "making a TLS connection", OpenSSLFault.drain()) }
        // Takes the BIO over, once, as both directions are the same.
        SSL_set_bio(ssl, bio, bio)
        control.watch(ssl, closing: wire)
        switch role {
        case .server: SSL_set_accept_state(ssl)
        case .client: SSL_set_connect_state(ssl)
        }
    }

    deinit {
        // Frees the BIO too. Stored properties (wire, verifier) go only after this body: no callback finds them gone.
        SSL_free(ssl)
        Self.live.withLockedValue { $0 -= 1 }
    }

    /// The handshake goes on at its next call.
    func takeTurn() { verifier.waitsForTurn = false }

    func handshake() -> HandshakeStep {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        guard result == 1 else {
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ: break
            case SSL_ERROR_WANT_CLIENT_HELLO_CB: return .needsTurn
            default: return .failed(failure(during: "the TLS handshake"))
            }
            return control.isFlood ? .failed(.tooManyControlMessages(limit: ControlMessages.countMax)) : .needsBytes
        }
        var chosen: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &chosen, &count)
        if let door = verifier.door, door.isEnrolling {
            guard SSL_is_server(ssl) == 1,
                UnsafeBufferPointer(start: chosen, count: Int(count)).elementsEqual(ALPN.enrolment),
                let binding = EnrolmentDoor.binding(of: ssl)
            else { return .failed(.noCommonProtocol) }
            return .enrolling(binding: binding)
        }
        let isSilentClient = count == 0 && SSL_is_server(ssl) == 1
        guard isSilentClient || UnsafeBufferPointer(start: chosen, count: Int(count)).elementsEqual(ALPN.name) else {
            return .failed(.noCommonProtocol)
        }
        guard let identity = verifier.identity, SSL_get_verify_result(ssl) == X509_V_OK else {
            return .failed(.refusedPeer(.missing, certificate: ""))
        }
        return .complete(identity)
    }

    /// The first end of any certificate in the peer's chain, in Unix seconds; known once the handshake is complete.
    var chainNotAfter: Int64? { verifier.chainNotAfter }

    /// Whether there is anything to decrypt or decrypted already: arrived bytes, or the rest of a record.
    var hasBytes: Bool { wire.inbound.readableBytes > 0 || SSL_pending(ssl) > 0 }

    /// Decrypts what has arrived to the end of `plaintext`, until it holds `limit` bytes.
    func read(into plaintext: inout ByteBuffer, limit: Int) -> ReadStep {
        while plaintext.readableBytes < limit {
            var status: Int32 = 0
            // What one record still holds is known, so it fits; for a new one a little room is enough to begin.
            let room = max(Int(SSL_pending(ssl)), 512)
            plaintext.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
                ERR_clear_error()
                var count = 0
                status = SSL_read_ex(ssl, target.baseAddress, target.count, &count)
                return status == 1 ? count : 0
            }
            if status == 1 {
                control.dataArrived()
                continue
            }
            switch SSL_get_error(ssl, status) {
            case SSL_ERROR_WANT_READ:
                return control.isFlood ? .failed(.tooManyControlMessages(limit: ControlMessages.countMax)) : .needsBytes
            case SSL_ERROR_ZERO_RETURN: return .closeNotify
            default: return .failed(failure(during: "reading"))
            }
        }
        return .full
    }

    /// Encrypts all of `plaintext` to `wire.outbound`.
    func write(_ plaintext: ByteBuffer) throws(TLSError) {
        guard plaintext.readableBytes > 0 else { return }
        let done = plaintext.withUnsafeReadableBytes { source in
            ERR_clear_error()
            var count = 0
            // The BIO takes everything, so this is all or an error; never "try again".
            return SSL_write_ex(ssl, source.baseAddress, source.count, &count) == 1 && count == source.count
        }
        guard done else { throw failure(during: "writing") }
    }

    /// Puts close_notify on the wire, once.
    func sendCloseNotify() {
        guard SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN == 0 else { return }
        ERR_clear_error()
        // 0: sent, the peer's is not here yet; 1: both; below 0: in no state to, and closing all the same.
        _ = SSL_shutdown(ssl)
        ERR_clear_error()
    }

    /// The typed reason of the call that just failed on this thread.
    private func failure(during action: String) -> TLSError {
        let faults = OpenSSLFault.drain()
        if let refusal = verifier.refusal { return .refusedPeer(refusal.fault, certificate: refusal.certificate) }
        for fault in faults where fault.isOfTLS {
            if let error = known(fault.reason) { return error }
        }
        return .openssl(during: action, faults)
    }

    private func known(_ reason: Int32) -> TLSError? {
        switch reason {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .refusedPeer(.missing, certificate: "")
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_WRONG_SSL_VERSION, SSL_R_NO_PROTOCOLS_AVAILABLE:
            return .oldVersion
        case SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_CALLBACK_FAILED: return .noCommonProtocol
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST: return .notTLS(.http)
        default: break
        }
        // OpenSSL reports a fatal alert of the peer as this offset plus the alert's number.
        guard (SSL_AD_REASON_OFFSET...SSL_AD_REASON_OFFSET + 255).contains(reason) else { return nil }
        let alert = Alert(code: UInt8(reason - SSL_AD_REASON_OFFSET))
        if alert == .protocolVersion { return .oldVersion }
        if alert == .noApplicationProtocol { return .noCommonProtocol }
        return alert.isAboutCertificate ? .refusedByPeer(alert, ours: context.credentials.name) : .alert(alert)
    }
}
