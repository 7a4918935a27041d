import TLS
import Vocabulary

/// Certificates for keys that were made elsewhere and stay there.
extension CertificateAuthority {
    /// A certificate and what it is trusted by, both in PEM form.
    public struct Signed: Sendable {
        public let entry: IssuedCertificate
        public let certificate: [UInt8]
        public let authorities: [UInt8]
    }

    /// Signs the key of a request. The line in the log is durable before this returns; the request's own words are not
    /// looked at: who it is for is the caller's to decide.
    ///
    /// - Parameters: as those of `issue`.
    public func sign(
        _ request: X509Request, role: Role, name: NodeName, ips: [String] = [], dns: [String] = [],
        validity: Duration = defaultLeafValidity, now: Int64 = Timestamp.now
    ) throws(AuthorityError) -> Signed {
        try sign(request, role: role, name: name, ips: ips, dns: dns, validity: validity, now: now) {
            _ throws(AuthorityError) in
        }
    }

    /// The same into `cert.pem` and `ca.pem` of a folder, which is made when it is missing. The key stays where it is.
    public func sign(
        _ request: X509Request, role: Role, name: NodeName, ips: [String] = [], dns: [String] = [],
        validity: Duration = defaultLeafValidity, now: Int64 = Timestamp.now, into folder: String
    ) throws(AuthorityError) -> IssuedCertificate {
        let folder = Self.normal(folder)
        return try sign(request, role: role, name: name, ips: ips, dns: dns, validity: validity, now: now) {
            signed throws(AuthorityError) in
            let files = NewFiles(
                folder: folder,
                items: [
                    .init(name: "cert.pem", bytes: signed.certificate, mode: 0o644),
                    .init(name: "ca.pem", bytes: signed.authorities, mode: 0o644),
                ])
            try files.write()
        }.entry
    }

    private func sign(
        _ request: X509Request, role: Role, name: NodeName, ips: [String], dns: [String], validity: Duration,
        now: Int64, _ handOut: (Signed) throws(AuthorityError) -> Void
    ) throws(AuthorityError) -> Signed {
        let grant = try grant(role: role, name: name, ips: ips, dns: dns, validity: validity, now: now)
        let leaf: X509Certificate
        let bytes: [UInt8]
        do throws(X509Error) {
            leaf = try grant.template.sign(
                for: request, by: (certificate, key), notBefore: grant.notBefore, notAfter: grant.notAfter)
            bytes = try leaf.pem()
        } catch {
            throw .crypto(error)
        }
        let signed = Signed(entry: entry(of: leaf, for: grant.identity), certificate: bytes, authorities: trusted)
        return try IssueLog(folder: folder).record(signed.entry) { () throws(AuthorityError) in
            try handOut(signed)
            return signed
        }
    }
}
