import Vocabulary

/// Who is on the other side, as its certificate says and this cluster's CA confirms.
public struct PeerIdentity: Sendable, Hashable {
    public let name: CertificateName
    /// Unix seconds.
    public let notAfter: Int64
    /// Hexadecimal, as `openssl x509 -serial` prints it.
    public let serial: String
    /// SHA-256 of the certificate's DER form.
    public let fingerprint: ContentDigest
    /// SHA-256 of the public key of the CA that stands for it.
    public let authority: ContentDigest?

    public init(
        name: CertificateName, notAfter: Int64, serial: String, fingerprint: ContentDigest,
        authority: ContentDigest? = nil
    ) {
        self.authority = authority
        self.name = name
        self.notAfter = notAfter
        self.serial = serial
        self.fingerprint = fingerprint
    }
}

/// Whom a client means to call. A server takes any certificate of its own cluster and looks at the role later.
public enum ExpectedPeer: Sendable, Hashable {
    case node(NodeName)
    case anyNode
}

/// The user inbound event that `TLSHandler` fires once, before the first plaintext.
public struct TLSHandshakeCompleted: Sendable, Hashable {
    public let identity: PeerIdentity

    public init(identity: PeerIdentity) { self.identity = identity }
}

/// The user inbound event in its place on a connection of a host that has no certificate yet and asks for one.
public struct TLSEnrolmentBegun: Sendable, Hashable {
    /// A secret of this one connection (RFC 8446 §7.5): a proof over it is worth nothing on any other.
    public let binding: [UInt8]
}
