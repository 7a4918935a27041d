import TLS
import Vocabulary

/// What a host without a certificate says, once, on a connection of `roost-enroll/1`: docs/PROTOCOL.md has the bytes.
/// Everything in one that arrives is a stranger's until the signature was found right.
public struct EnrolmentRequest: Hashable, Sendable {
    static let version: UInt8 = 1
    /// Behind the two bytes of its length.
    public static let bytesMax = 1_280

    public let id: [UInt8]
    /// The name that the host would have; nil for the one that it was invited as.
    public let name: NodeName?
    /// PKCS #10 in DER form.
    public let request: [UInt8]
    public let signature: [UInt8]

    /// Proves that its maker holds the secret, on this connection and for this request alone.
    public static func make(
        token: InvitationToken, name: NodeName?, request: [UInt8], binding: [UInt8]
    ) throws(TLSError) -> EnrolmentRequest {
        let text = proven(id: token.id, name: name, request: request, binding: binding)
        let signature = try InvitationProof.sign(text, secret: token.secret, id: token.id)
        return EnrolmentRequest(id: token.id, name: name, request: request, signature: signature)
    }

    public func isProven(by verifier: [UInt8], binding: [UInt8]) -> Bool {
        let text = Self.proven(id: id, name: name, request: request, binding: binding)
        return InvitationProof.verifies(signature, of: text, verifier: verifier)
    }

    private static func proven(id: [UInt8], name: NodeName?, request: [UInt8], binding: [UInt8]) -> [UInt8] {
        var writer = ByteWriter(capacity: 160)
        writer.write(shortText: "roost-enroll/1 request")
        writer.write(block: binding)
        writer.write(block: id)
        writer.write(shortText: name?.text ?? "")
        writer.write(raw: SHA256.digest(request).bytes)
        return writer.bytes
    }

    /// As it is sent, its length in front.
    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 512)
        writer.write(Self.version)
        writer.write(raw: id)
        writer.write(raw: signature)
        writer.write(shortText: name?.text ?? "")
        writer.write(block: request)
        var framed = ByteWriter(capacity: writer.bytes.count + 2)
        framed.write(block: writer.bytes)
        return framed.bytes
    }

    /// - Parameter body: what stands behind the length.
    /// - Returns: nil for anything but one whole request.
    public init?(body: [UInt8]) {
        guard body.count <= Self.bytesMax else { return nil }
        do {
            var reader = ByteReader(body)
            guard try reader.read(UInt8.self) == Self.version else { return nil }
            id = Array(try reader.read(count: InvitationToken.idBytes))
            signature = Array(try reader.read(count: InvitationProof.signatureBytes))
            name = try reader.readNodeNameOrNone()
            request = Array(try reader.readBlock())
            guard reader.remaining == 0, request.count <= X509Request.bytesMax else { return nil }
        } catch {
            return nil
        }
    }

    private init(id: [UInt8], name: NodeName?, request: [UInt8], signature: [UInt8]) {
        self.id = id
        self.name = name
        self.request = request
        self.signature = signature
    }
}

/// What comes back: JSON, behind four bytes of its length.
public struct EnrolmentAnswer: Codable, Hashable, Sendable {
    public struct Granted: Codable, Hashable, Sendable {
        /// `roost://CLUSTER/ROLE/NAME`
        public let uri: String
        /// PEM.
        public let certificate: String
        public let authorities: String
        /// Members to join through.
        public let join: [String]

        public init(uri: String, certificate: String, authorities: String, join: [String]) {
            self.uri = uri
            self.certificate = certificate
            self.authorities = authorities
            self.join = join
        }
    }

    public struct Refused: Codable, Hashable, Sendable {
        public let code: String
        public let message: String
        public let hint: String?
    }

    public let granted: Granted?
    public let refused: Refused?

    public init(granted: Granted) {
        self.granted = granted
        refused = nil
    }

    public init(_ refusal: EnrolmentRefusal) {
        granted = nil
        refused = Refused(code: refusal.code, message: refusal.message, hint: refusal.hint)
    }
}

/// Why a host gets no certificate. What is said before the proof was found right tells a stranger nothing.
public enum EnrolmentRefusal: Error, Hashable, Sendable {
    /// No such invitation, or not its holder.
    case unknown
    case expired(at: Int64)
    case revoked
    /// By another key.
    case used
    case nameNeeded
    case nameIsBound(NodeName)
    case nameTaken(CertificateName)
    case nameRevoked(CertificateName)
    case badRequest(String)
    /// The CA does not sign at the moment: its key is away, the disk is full.
    case unable(String)

    public var code: String {
        switch self {
        case .unknown: "unknown_invitation"
        case .expired: "invitation_expired"
        case .revoked: "invitation_revoked"
        case .used: "invitation_used"
        case .nameNeeded: "name_needed"
        case .nameIsBound: "name_is_bound"
        case .nameTaken: "name_taken"
        case .nameRevoked: "name_revoked"
        case .badRequest: "bad_request"
        case .unable: "unable"
        }
    }

    public var message: String {
        switch self {
        case .unknown: "there is no such invitation"
        case .expired(let at): "the invitation expired at \(Timestamp.text(at))"
        case .revoked: "the invitation was revoked"
        case .used: "the invitation was used already, with another key"
        case .nameNeeded: "the invitation is for no name in particular, and none was asked for"
        case .nameIsBound(let name): "the invitation is for the name \(name)"
        case .nameTaken(let name): "\(name) is a member, or has a certificate for another key"
        case .nameRevoked(let name): "\(name) was revoked in this cluster"
        case .badRequest(let reason): "the request for a certificate is not usable: \(reason)"
        case .unable(let reason): "the issuer can not sign at the moment: \(reason)"
        }
    }

    public var hint: String? {
        switch self {
        case .unknown, .expired, .revoked, .used: "ask for another: roost invite, on the host that has the CA"
        case .nameNeeded: "name this host: --name NAME"
        case .nameIsBound: "leave --name out, or ask for an invitation for the other name"
        case .nameTaken(let name):
            "choose another with --name; to set that host up anew, have it invited by name: "
                + "roost invite --role \(name.role.rawValue) --name \(name.name)"
        case .nameRevoked: "choose another name"
        case .badRequest: nil
        case .unable: "try again; the issuer's log says more"
        }
    }
}
