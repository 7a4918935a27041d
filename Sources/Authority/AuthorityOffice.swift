import TLS
import Vocabulary

/// The CA's folder as an agent uses it, one thing at a time: invites hosts, gives those who come their certificates,
/// renews those that there are, and gives way to another CA.
///
/// The folder is opened for each, so that its key may lie on a disk that is put in when it is needed.
public actor AuthorityOffice {
    /// From a minute to thirty days. An hour is time to type a line on another host, and little to find it in.
    public static let expiries: ClosedRange<Duration> = .seconds(60)...(.seconds(30 * 86_400))
    public static let defaultExpiry = Duration.seconds(3_600)

    public nonisolated let folder: String

    public init(folder: String) { self.folder = folder }

    /// What only the cluster knows of a name.
    public struct Standing: Sendable {
        public let isMember: Bool
        public let isRevoked: Bool

        public init(isMember: Bool, isRevoked: Bool) {
            self.isMember = isMember
            self.isRevoked = isRevoked
        }
    }

    /// What is invited: one certificate.
    public struct Offer: Sendable {
        public var role: Role
        public var name: NodeName?
        public var ips: [String]
        public var dns: [String]
        public var validFor: Duration

        public init(
            role: Role = .node, name: NodeName? = nil, ips: [String] = [], dns: [String] = [],
            validFor: Duration = AuthorityOffice.defaultExpiry
        ) {
            self.role = role
            self.name = name
            self.ips = ips
            self.dns = dns
            self.validFor = validFor
        }
    }

    /// Makes one; its secret is in the token and nowhere else.
    public func invite(
        _ offer: Offer, addresses: [Endpoint], now: Int64 = Timestamp.now
    ) throws(AuthorityError) -> (InvitationToken, Invitation) {
        guard Self.expiries.contains(offer.validFor) else {
            throw .badValidity(reason: "an invitation is good for a minute to thirty days")
        }
        let authority = try CertificateAuthority.open(folder: folder)
        guard authority.notAfter > now else { throw .expired(path: folder, notAfter: authority.notAfter) }
        guard offer.role == .node || (offer.ips.isEmpty && offer.dns.isEmpty) else {
            throw .addressesNeedNode(role: offer.role)
        }
        // Found out now, not on the other host, which may have to choose a name yet.
        _ = try CertificateAuthority.alternatives(
            name: offer.name, role: offer.role, ips: offer.ips, dns: offer.dns)
        guard let pin = authority.certificate.keyDigest else {
            throw .notAnAuthority(path: folder, reason: "its key can not be read")
        }
        let (id, secret, verifier): ([UInt8], [UInt8], [UInt8])
        do throws(TLSError) {
            id = try SecureRandom.bytes(InvitationToken.idBytes)
            secret = try SecureRandom.bytes(InvitationProof.secretBytes)
            verifier = try InvitationProof.verifier(secret: secret, id: id)
        } catch {
            throw .crypto(.failed(doing: "make an invitation", reason: error.description))
        }
        let invitation = Invitation(
            id: Hexadecimal.text(id), verifier: Hexadecimal.text(verifier), role: offer.role, name: offer.name,
            ips: offer.ips, dns: offer.dns, created: now, expires: now + offer.validFor.components.seconds)
        var book = try InvitationBook(folder: authority.folder)
        try book.add(invitation, now: now)
        let token = InvitationToken(
            cluster: authority.cluster, role: offer.role, name: offer.name, addresses: addresses, pin: pin, id: id,
            secret: secret)
        return (token, invitation)
    }

    public func list() throws(AuthorityError) -> [Invitation] { try InvitationBook(folder: folder).all }

    /// - Returns: false when there is none of that id.
    public func revoke(_ id: String) throws(AuthorityError) -> Bool {
        var book = try InvitationBook(folder: folder)
        guard var invitation = book.find(id) else { return false }
        invitation.revoked = true
        try book.replace(invitation)
        return true
    }

    /// Whether a request is by a holder of an invitation; all else about it is for `redeem`.
    private func holder(of request: EnrolmentRequest, binding: [UInt8]) throws(EnrolmentRefusal) -> Invitation {
        let book: InvitationBook
        do throws(AuthorityError) { book = try InvitationBook(folder: folder) } catch { throw .unable("\(error)") }
        guard let invitation = book.find(Hexadecimal.text(request.id)),
            let verifier = Hexadecimal.bytes(invitation.verifier), request.isProven(by: verifier, binding: binding)
        else { throw .unknown }
        return invitation
    }

    /// Signs the request of an invitation's holder. That it was used is on the disk before this returns, so no crash
    /// lets a second host in; the same key may come again until the invitation expires, for an answer that was lost.
    ///
    /// - Parameters:
    ///   - source: the address that the host called from, for its certificate.
    ///   - standing: what the cluster knows of a name.
    public func redeem(
        _ request: EnrolmentRequest, binding: [UInt8], source: String?, now: Int64 = Timestamp.now,
        standing: @Sendable (CertificateName) -> Standing
    ) throws(EnrolmentRefusal) -> CertificateAuthority.Signed {
        var invitation = try holder(of: request, binding: binding)
        guard !invitation.revoked else { throw .revoked }
        guard now < invitation.expires else { throw .expired(at: invitation.expires) }
        let wanted: X509Request
        do throws(X509Error) { wanted = try X509Request(der: request.request) } catch {
            throw .badRequest(error.description)
        }
        if let use = invitation.use, use.key != wanted.keyDigest.hex { throw .used }
        if let bound = invitation.name, let asked = request.name, asked != bound { throw .nameIsBound(bound) }
        if let use = invitation.use, let asked = request.name, asked != use.name { throw .used }
        guard let name = invitation.name ?? invitation.use?.name ?? request.name else { throw .nameNeeded }
        do throws(AuthorityError) {
            let authority = try CertificateAuthority.open(folder: folder)
            let identity = CertificateName(cluster: authority.cluster, role: invitation.role, name: name)
            let known = standing(identity)
            if known.isRevoked { throw AuthorityError.refused(.nameRevoked(identity)) }
            // Only who was invited by name may take over a name.
            if invitation.name == nil {
                let others = try authority.issued().contains {
                    $0.name == identity && $0.key != wanted.keyDigest && $0.notAfter > now
                }
                let isOwnUse = invitation.use?.key == wanted.keyDigest.hex
                if others || (known.isMember && !isOwnUse) { throw AuthorityError.refused(.nameTaken(identity)) }
            }
            if invitation.use == nil {
                invitation.use = Invitation.Use(key: wanted.keyDigest.hex, name: name, at: now)
                var book = try InvitationBook(folder: folder)
                try book.replace(invitation)
            }
            var ips = invitation.ips
            if invitation.role == .node, let source, !ips.contains(source),
                (try? X509AlternativeName.checked(ip: source)) != nil
            {
                ips.append(source)
            }
            return try authority.sign(
                wanted, role: invitation.role, name: name, ips: ips, dns: invitation.dns, now: now)
        } catch {
            if case .refused(let refusal) = error { throw refusal }
            throw .unable("\(error)")
        }
    }
}
