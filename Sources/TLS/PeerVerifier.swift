// Judges the peer's certificate from inside OpenSSL's own verification, so that a refusal goes out as an alert by
// itself, and keeps the typed reason for the handler.
import COpenSSL
import Vocabulary

/// One connection's judge. Lives exactly as long as its `TLSSession`, on the event loop of the connection.
final class PeerVerifier {
    enum Expectation {
        case anyOfCluster
        case node(ExpectedPeer)
    }

    struct Refusal {
        let fault: CertificateFault
        let certificate: String
    }

    private let cluster: ClusterName
    private let expectation: Expectation
    private(set) var identity: PeerIdentity?
    private(set) var refusal: Refusal?
    /// The first end among all certificates of the chain: from then on it proves nothing.
    private(set) var chainNotAfter: Int64?
    /// The public key of the chain's end.
    private var authority: ContentDigest?
    /// On a server that takes in new hosts: whether this is one of them.
    var door: EnrolmentDoor?
    /// On a server: whether the answer to a ClientHello, which costs a key exchange and a signature, has to wait.
    var waitsForTurn = false

    init(cluster: ClusterName, expectation: Expectation) {
        self.cluster = cluster
        self.expectation = expectation
    }

    /// Called by OpenSSL for each certificate of the chain, from the CA down to the peer's own (depth 0), and for each
    /// fault that it finds.
    /// - Returns: whether to go on.
    func judge(passed: Bool, store: OpaquePointer) -> Bool {
        let certificate = X509_STORE_CTX_get_current_cert(store).map(Certificate.init)
        guard passed else {
            let code = X509_STORE_CTX_get_error(store)
            let depth = X509_STORE_CTX_get_error_depth(store)
            refuse(CertificateFault(code: code, depth: depth, certificate: certificate), certificate)
            return false
        }
        // The first that is judged is the CA.
        if authority == nil { authority = SubjectKey.digest(of: certificate.map { X509_get_X509_PUBKEY($0.pointer) }) }
        if let end = certificate?.notAfter { chainNotAfter = min(chainNotAfter ?? end, end) }
        guard X509_STORE_CTX_get_error_depth(store) == 0 else { return true }
        guard let certificate else {
            refuse(.missing, nil)
            return false
        }
        do throws(CertificateFault) {
            identity = try identify(certificate)
            return true
        } catch {
            refuse(error, certificate)
            // Both become the alert bad_certificate; the code only decides what OpenSSL's own text says.
            let code =
                if case .wrongNode = error { X509_V_ERR_HOSTNAME_MISMATCH } else { X509_V_ERR_CERT_REJECTED }
            X509_STORE_CTX_set_error(store, code)
            return false
        }
    }

    private func refuse(_ fault: CertificateFault, _ certificate: Certificate?) {
        identity = nil
        if refusal == nil { refusal = Refusal(fault: fault, certificate: certificate?.label ?? "") }
    }

    private func identify(_ certificate: Certificate) throws(CertificateFault) -> PeerIdentity {
        let name = try certificate.name()
        guard name.cluster == cluster else { throw .wrongCluster(name, expected: cluster) }
        switch expectation {
        case .anyOfCluster: break
        case .node(let expected):
            guard name.role == .node else { throw .wrongRole(name, expected: .node) }
            if case .node(let called) = expected, called != name.name {
                throw .wrongNode(called: called, answered: name.name)
            }
        }
        guard let fingerprint = certificate.fingerprint else { throw .invalid("it has no SHA-256 fingerprint") }
        return PeerIdentity(
            name: name, notAfter: certificate.notAfter, serial: certificate.serial, fingerprint: fingerprint,
            authority: authority)
    }

    /// What `SSL_CTX_set_verify` is given. Without a judge nobody passes.
    static let callback: @convention(c) (Int32, OpaquePointer?) -> Int32 = { passed, store in
        guard let store,
            let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
            let verifier = of(OpaquePointer(ssl))
        else { return 0 }
        return verifier.judge(passed: passed == 1, store: store) ? 1 : 0
    }

    /// The judge of a connection, within one of its callbacks.
    static func of(_ ssl: OpaquePointer) -> PeerVerifier? {
        // Unretained is sound: `TLSSession` owns both this verifier and the SSL object, and frees the SSL object first.
        SSL_get_ex_data(ssl, 0).map { Unmanaged<PeerVerifier>.fromOpaque($0).takeUnretainedValue() }
    }
}
