import TLS
import Vocabulary

extension AuthorityOffice {
    /// The shortest life that is given: with the five minutes before its making, two thirds of less would be over at once.
    public static let renewedValidityMin = Duration.seconds(3_600)

    /// A certificate for another key of somebody who has one: the same name, role, hosts, addresses and length of life.
    ///
    /// - Parameters:
    ///   - present: one that was issued to that name, for what else it says.
    /// - Throws: `AuthorityError.refused(.badRequest)` when it was not.
    public func renew(
        _ request: X509Request, of name: CertificateName, present: X509Certificate, now: Int64 = Timestamp.now
    ) throws(AuthorityError) -> CertificateAuthority.Signed {
        let authority = try CertificateAuthority.open(folder: folder)
        let isOurs = try AuthorityRotation(of: authority).authorities.contains { present.isSigned(by: $0) }
        guard isOurs, present.uris == [name.uri] else {
            throw .refused(.badRequest("the certificate shown with it was not issued to \(name)"))
        }
        var (ips, dns): ([String], [String]) = ([], [])
        for host in present.alternatives where name.role == .node {
            switch host {
            case .ip(let text): ips.append(text)
            // A node's own name is among them anyway.
            case .dns(let text): dns.append(text)
            }
        }
        let life = present.notAfter.subtractingReportingOverflow(present.notBefore)
        let wanted = life.overflow ? 0 : max(0, life.partialValue - CertificateAuthority.clockSkew)
        let validity = min(
            CertificateAuthority.defaultLeafValidity, max(Self.renewedValidityMin, .seconds(wanted)))
        return try authority.sign(
            request, role: name.role, name: name.name, ips: ips, dns: dns, validity: validity, now: now)
    }
}
