// The host's side of an enrolment: one connection of a command, so it may wait for each step, on a plain socket.
import COpenSSL
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Why no enrolment came about, before the issuer had a word.
public enum EnrolmentCallError: Error, Hashable, Sendable, CustomStringConvertible {
    case unreachable(Endpoint, reason: String)
    /// Too many at once, or too many that failed lately.
    case busy(Endpoint)
    /// An agent that issues nothing, or no agent.
    case notAnIssuer(Endpoint, reason: String)
    /// Whoever answers is not of the CA that the token names.
    case wrongAuthority(Endpoint, reason: String)
    case brokenOff(Endpoint, reason: String)
    case crypto(String)

    public var description: String {
        switch self {
        case .unreachable(let endpoint, let reason): "cannot reach \(endpoint): \(reason)"
        case .busy(let endpoint): "\(endpoint) takes in no more hosts at the moment"
        case .notAnIssuer(let endpoint, let reason): "\(endpoint) does not enrol hosts: \(reason)"
        case .wrongAuthority(let endpoint, let reason):
            "\(endpoint) is not of the cluster that the token is for: \(reason); nothing was sent to it"
        case .brokenOff(let endpoint, let reason): "\(endpoint) broke off: \(reason)"
        case .crypto(let reason): reason
        }
    }
}

/// A TLS connection of a host without a certificate to an issuer whose CA it knows by the hash of its key.
///
/// It exists only once the issuer was verified: its certificate is a node's of the cluster, from the pinned CA.
/// Not for two threads at once.
public final class EnrolmentCall {
    /// For each single step on the socket; all together are bounded by what is sent and read.
    static let stepSeconds = 10
    public static let answerBytesMax = 256 * 1_024

    /// What the proof is bound to.
    public let binding: [UInt8]
    public let endpoint: Endpoint
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let socket: Int32

    /// - Parameters:
    ///   - pin: the SHA-256 of the CA's public key.
    ///   - cluster: whose node must answer.
    public init(to endpoint: Endpoint, pin: ContentDigest, cluster: ClusterName) throws(EnrolmentCallError) {
        let socket = try Self.connect(to: endpoint)
        guard let context = SSL_CTX_new(TLS_method()) else {
            close(socket)
            throw .crypto("OpenSSL has no memory for a connection")
        }
        guard roost_SSL_CTX_set_only_tls13(context) == 1,
            SSL_CTX_set_alpn_protos(context, ALPN.enrolmentWire, UInt32(ALPN.enrolmentWire.count)) == 0,
            let ssl = SSL_new(context)
        else {
            SSL_CTX_free(context)
            close(socket)
            throw .crypto("OpenSSL has no memory for a connection")
        }
        do throws(EnrolmentCallError) {
            // Verified below, before the first byte is sent: the chain's end is known by its hash alone.
            SSL_set_verify(ssl, SSL_VERIFY_NONE, nil)
            ERR_clear_error()
            guard SSL_set_fd(ssl, socket) == 1 else { throw .crypto("OpenSSL has no memory for a connection") }
            let result = SSL_connect(ssl)
            guard result == 1 else { throw Self.handshakeFailure(ssl, result, endpoint) }
            var chosen: UnsafePointer<UInt8>?
            var count: UInt32 = 0
            SSL_get0_alpn_selected(ssl, &chosen, &count)
            guard UnsafeBufferPointer(start: chosen, count: Int(count)).elementsEqual(ALPN.enrolment) else {
                throw .notAnIssuer(endpoint, reason: "it does not speak roost-enroll/1")
            }
            do throws(CertificateFault) { try PinnedChain.verify(ssl, pin: pin, cluster: cluster) } catch {
                throw .wrongAuthority(endpoint, reason: error.description)
            }
            guard let binding = EnrolmentDoor.binding(of: ssl) else {
                throw .crypto("OpenSSL can not export a secret of the connection")
            }
            self.binding = binding
        } catch {
            SSL_free(ssl)
            SSL_CTX_free(context)
            close(socket)
            throw error
        }
        self.endpoint = endpoint
        self.context = context
        self.ssl = ssl
        self.socket = socket
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
        close(socket)
    }

    /// Sends the request and reads the answer: four bytes of length, then as many bytes.
    public func exchange(_ request: [UInt8]) throws(EnrolmentCallError) -> [UInt8] {
        ERR_clear_error()
        var written = 0
        guard SSL_write_ex(ssl, request, request.count, &written) == 1, written == request.count else {
            throw .brokenOff(endpoint, reason: "the request was not taken")
        }
        let count = try read(4).reduce(0) { $0 << 8 | Int($1) }
        guard (1...Self.answerBytesMax).contains(count) else {
            throw .brokenOff(endpoint, reason: "its answer is none")
        }
        return try read(count)
    }

    private func read(_ count: Int) throws(EnrolmentCallError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            ERR_clear_error()
            var got = 0
            let status = bytes.withUnsafeMutableBytes { buffer in
                SSL_read_ex(ssl, buffer.baseAddress?.advanced(by: done), count - done, &got)
            }
            guard status == 1 else {
                let waits = SSL_get_error(ssl, status) == SSL_ERROR_WANT_READ
                ERR_clear_error()
                throw .brokenOff(
                    endpoint, reason: waits ? "nothing came for \(Self.stepSeconds) s" : "the connection ended")
            }
            done += got
        }
        return bytes
    }

    private static func handshakeFailure(
        _ ssl: OpaquePointer, _ result: Int32, _ endpoint: Endpoint
    ) -> EnrolmentCallError {
        let waits = SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ
        let faults = OpenSSLFault.drain()
        if waits { return .brokenOff(endpoint, reason: "the TLS handshake took longer than \(stepSeconds) s") }
        for fault in faults where fault.isOfTLS {
            switch fault.reason - SSL_AD_REASON_OFFSET {
            case SSL_AD_INTERNAL_ERROR: return .busy(endpoint)
            case SSL_AD_NO_APPLICATION_PROTOCOL:
                return .notAnIssuer(endpoint, reason: "its agent has no `ca` in its configuration, or is older")
            default: continue
            }
        }
        let reason = faults.isEmpty ? "it hung up" : faults.map(\.text).joined(separator: "; ")
        return .notAnIssuer(endpoint, reason: reason)
    }

    /// The first address that answers.
    private static func connect(to endpoint: Endpoint) throws(EnrolmentCallError) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let looked = getaddrinfo(endpoint.host, String(endpoint.port), &hints, &found)
        guard looked == 0 else {
            throw .unreachable(endpoint, reason: String(cString: gai_strerror(looked)))
        }
        defer { freeaddrinfo(found) }
        var reason = "it has no address"
        var next = found
        while let address = next?.pointee {
            next = address.ai_next
            let descriptor = socket_(address.ai_family, address.ai_socktype, address.ai_protocol)
            guard descriptor >= 0 else {
                reason = String(cString: strerror(errno))
                continue
            }
            var limit = timeval(tv_sec: stepSeconds, tv_usec: 0)
            let size = socklen_t(MemoryLayout<timeval>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
            #if canImport(Glibc)
                let status = Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen)
            #else
                let status = Darwin.connect(descriptor, address.ai_addr, address.ai_addrlen)
            #endif
            if status == 0 { return descriptor }
            reason = errno == EINPROGRESS ? "it does not answer" : String(cString: strerror(errno))
            close(descriptor)
        }
        throw .unreachable(endpoint, reason: reason)
    }

    private static func socket_(_ family: Int32, _ kind: Int32, _ number: Int32) -> Int32 {
        #if canImport(Glibc)
            Glibc.socket(family, kind | Int32(SOCK_CLOEXEC.rawValue), number)
        #else
            Darwin.socket(family, kind, number)
        #endif
    }
}

/// The chain of a server that is known by nothing but the hash of its CA's key.
enum PinnedChain {
    /// - Throws: unless the peer's certificate is a node's of the cluster, valid now, and issued by the CA of that hash.
    static func verify(_ ssl: OpaquePointer, pin: ContentDigest, cluster: ClusterName) throws(CertificateFault) {
        guard let raw = SSL_get1_peer_certificate(ssl) else { throw .missing }
        let leaf = OwnedX509(adopting: raw)
        let chain = SSL_get_peer_cert_chain(ssl)
        let brought = (0..<max(0, OPENSSL_sk_num(chain))).compactMap { index in
            OPENSSL_sk_value(chain, index).map { OpaquePointer($0) }
        }
        // Self-signed, and so whole: what it says of its own constraints was not changed by another.
        let anchor = brought.first { certificate in
            SubjectKey.digest(of: X509_get_X509_PUBKEY(certificate)) == pin && X509_self_signed(certificate, 1) == 1
        }
        defer { ERR_clear_error() }
        guard let anchor else { throw .untrusted(issuer: leaf.certificate.issuer) }
        let store = X509_STORE_new()
        let attempt = X509_STORE_CTX_new()
        defer {
            X509_STORE_CTX_free(attempt)
            X509_STORE_free(store)
        }
        guard let store, let attempt, X509_STORE_add_cert(store, anchor) == 1,
            X509_STORE_CTX_init(attempt, store, leaf.pointer, chain) == 1,
            X509_STORE_CTX_set_purpose(attempt, X509_PURPOSE_SSL_SERVER) == 1
        else { throw .invalid("OpenSSL cannot verify it") }
        guard X509_verify_cert(attempt) == 1 else {
            throw CertificateFault(
                code: X509_STORE_CTX_get_error(attempt), depth: X509_STORE_CTX_get_error_depth(attempt),
                certificate: X509_STORE_CTX_get_current_cert(attempt).map(Certificate.init))
        }
        let name = try leaf.certificate.name()
        guard name.cluster == cluster else { throw .wrongCluster(name, expected: cluster) }
        guard name.role == .node else { throw .wrongRole(name, expected: .node) }
    }
}
