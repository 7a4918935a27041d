// The certificate of another node, kept beyond any connection: what its holder signs is judged by it wherever it arrives.
import COpenSSL
import Vocabulary

/// A node's certificate of this cluster, with what stands between it and the CA, verified.
public final class NodeCertificate: Sendable {
    public let name: NodeName
    /// The first word of the SHA-256 of the DER form: how a signature names it.
    public let id: UInt32
    public let fingerprint: ContentDigest
    /// Unix seconds.
    public let notBefore: Int64
    /// The first end of any certificate that stands for it, in Unix seconds.
    public let notAfter: Int64
    /// DER, the node's own first, and of those that came with it only what stands between it and the CA: anybody can
    /// hand on a true certificate with others beside it, which must neither end it nor be kept.
    public let chain: [[UInt8]]
    private let material: Credentials.Material
    private let kind: RawSignature

    /// A leaf of Roost has some 700 bytes.
    public static let chainBytesMax = 16_384
    /// The leaf and what a TLS connection would take above it, but for the CA.
    public static let chainCountMax = 4

    /// Judges it as a TLS connection to the node would, now.
    ///
    /// - Throws: `CertificateFault`: malformed, not issued by the authorities of `credentials`, expired, another
    ///   cluster's, not a node's, or of a kind of key that signs no claims.
    public init(chain: [[UInt8]], trusting credentials: Credentials) throws(CertificateFault) {
        guard (1...Self.chainCountMax).contains(chain.count),
            chain.reduce(0, { $0 + $1.count }) <= Self.chainBytesMax
        else {
            throw .invalid("a chain has 1-\(Self.chainCountMax) certificates of \(Self.chainBytesMax) bytes in all")
        }
        var parsed: [OwnedX509] = []
        for bytes in chain {
            guard let certificate = OwnedX509(der: bytes) else { throw .invalid("it is no certificate in DER form") }
            parsed.append(certificate)
        }
        guard let leaf = parsed.first, let key = X509_get_pubkey(leaf.pointer) else {
            ERR_clear_error()
            throw .invalid("it has no key that OpenSSL can read")
        }
        let authorities = credentials.material.authorities
        guard let material = Credentials.Material(authorities: authorities, chain: parsed, key: key) else {
            throw .missing
        }
        let path: [OwnedX509]
        do {
            path = try material.verify(atAnyTime: false)
        } catch {
            switch error {
            case .leaf(let fault), .authority(let fault): throw fault
            }
        }
        let certificate = leaf.certificate
        let name = try certificate.name()
        guard name.cluster == credentials.name.cluster else {
            throw .wrongCluster(name, expected: credentials.name.cluster)
        }
        guard name.role == .node else { throw .wrongRole(name, expected: .node) }
        guard certificate.allows(X509_PURPOSE_SSL_CLIENT), certificate.allows(X509_PURPOSE_SSL_SERVER) else {
            throw .wrongPurpose
        }
        guard let kind = RawSignature(of: material.key) else {
            throw .invalid("its key is neither on the curve P-256 or P-384 nor Ed25519")
        }
        guard let fingerprint = certificate.fingerprint else { throw .invalid("it has no SHA-256 fingerprint") }
        self.name = name.name
        self.fingerprint = fingerprint
        id = Self.id(fingerprint)
        notBefore = certificate.notBefore
        let between = path.dropFirst().dropLast()
        // The authority that stands for it, where several are trusted: the one that does so for longest.
        let top = between.last ?? leaf
        let authorityEnd = authorities.filter { X509_check_issued($0.pointer, top.pointer) == X509_V_OK }
            .map(\.certificate.notAfter).max()
        notAfter = between.map(\.certificate.notAfter).reduce(min(certificate.notAfter, authorityEnd ?? .max), min)
        // Others trust the same authorities: what came from among those they need not be sent.
        self.chain = zip(chain, parsed).enumerated().filter { index, brought in
            index == 0 || between.contains { X509_cmp($0.pointer, brought.1.pointer) == 0 }
        }.map(\.element.0)
        self.material = material
        self.kind = kind
    }

    /// False for anything but its holder's signature of this text.
    public func verifies(_ signature: [UInt8], of text: [UInt8]) -> Bool {
        kind.verifies(signature, of: text, with: material.key)
    }

    static func id(_ fingerprint: ContentDigest) -> UInt32 {
        fingerprint.bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }
}

// MARK: - One's own

extension Credentials {
    /// Of the CA that issued ours: where several are trusted, the one that stands for it for longest. All that it issued
    /// ends with it.
    public var authorityLife: CertificateLife? {
        let top = material.intermediates.last ?? material.leaf
        defer { ERR_clear_error() }
        return material.authorities.filter { X509_check_issued($0.pointer, top.pointer) == X509_V_OK }
            .map { CertificateLife(notBefore: $0.certificate.notBefore, notAfter: $0.certificate.notAfter) }
            .max { $0.notAfter < $1.notAfter }
    }

    /// What tells this set of certificates from another: ours, those between, and whom we trust.
    public var fingerprints: [ContentDigest] {
        ([material.leaf] + material.intermediates + material.authorities).compactMap(\.certificate.fingerprint)
    }

    /// Our certificate and those between it and the CA, in DER form: what others verify our signatures with.
    public var chain: [[UInt8]] { ([material.leaf] + material.intermediates).compactMap(\.der) }

    /// What our signatures name our certificate by.
    public var certificateID: UInt32? { material.leaf.certificate.fingerprint.map(NodeCertificate.id) }

    /// Signs with the certificate's key: 64 bytes with P-256 or Ed25519, 96 with P-384.
    ///
    /// - Throws: `TLSError.credentials` for a kind of key whose signatures are too long for a datagram.
    public func sign(_ text: [UInt8]) throws(TLSError) -> [UInt8] {
        guard let kind = RawSignature(of: material.key) else {
            throw .credentials(file: folder + "/key.pem", .wrongKindOfKey)
        }
        return try kind.sign(text, with: material.key)
    }
}

extension OwnedX509 {
    /// `nil` unless the bytes are exactly one certificate.
    convenience init?(der: [UInt8]) {
        var consumed = 0
        let pointer: OpaquePointer? = der.withUnsafeBufferPointer { buffer in
            var position = buffer.baseAddress
            let parsed = d2i_X509(nil, &position, buffer.count)
            if let position, let base = buffer.baseAddress { consumed = position - base }
            return parsed
        }
        guard let pointer else {
            ERR_clear_error()
            return nil
        }
        // Adopted also when there is more behind it, so that it is freed.
        self.init(adopting: pointer)
        guard consumed == der.count else { return nil }
    }

    var der: [UInt8]? {
        let count = i2d_X509(pointer, nil)
        guard count > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        let written = bytes.withUnsafeMutableBufferPointer { buffer in
            var position = buffer.baseAddress
            return i2d_X509(pointer, &position)
        }
        return written == count ? bytes : nil
    }
}
