import TLS
import Vocabulary

/// The cluster's own CA: a folder with `ca.pem`, `ca.key.pem` (mode 0600) and `issued.log`.
///
/// Law 8 rests on it: no certificate of the cluster, no byte of state. It needs no server; it can live on one
/// operator's machine, offline. What a certificate says is in `X509Template`.
public struct CertificateAuthority: Sendable {
    /// Ten years: the CA changes only with all certificates of the cluster.
    public static let defaultValidity = Duration.seconds(3_650 * 86_400)
    /// One year: at half, operators renew twice as often; at double, a stolen key is good for two years.
    public static let defaultLeafValidity = Duration.seconds(365 * 86_400)
    /// A peer whose clock is behind by up to this takes a certificate that was made just now.
    static let clockSkew: Int64 = 300
    /// Enough for any host; the certificate stays under one TLS record.
    static let addressesMax = 64

    public static let certificateFile = "ca.pem"
    public static let keyFile = "ca.key.pem"

    public let folder: String
    public let cluster: ClusterName
    public let certificate: X509Certificate
    let key: X509PrivateKey
    /// `ca.pem` as it stands. While one CA gives way to another it holds both, and every node needs both.
    let trusted: [UInt8]

    /// Seconds since 1970: the end of the CA, and with it of every certificate it issued.
    public var notAfter: Int64 { certificate.notAfter }

    /// Makes a CA for the cluster in a new folder (mode 0700), or in one that holds none of its three files.
    ///
    /// - Parameter now: seconds since 1970; a test passes another to make a CA that has expired.
    public static func create(
        folder: String, cluster: ClusterName, validity: Duration = defaultValidity, now: Int64 = Timestamp.now
    ) throws(AuthorityError) -> CertificateAuthority {
        let folder = normal(folder)
        let times = try period(validity, from: now, until: .max)
        let key: X509PrivateKey
        let certificate: X509Certificate
        let trusted: [UInt8]
        let files: NewFiles
        do throws(X509Error) {
            key = try .generate()
            certificate = try X509Template.authority(cluster)
                .sign(for: key, by: nil, notBefore: times.notBefore, notAfter: times.notAfter)
            trusted = try certificate.pem()
            files = try NewFiles(
                folder: folder,
                items: [
                    .init(name: keyFile, bytes: key.pem(), mode: 0o600),
                    .init(name: certificateFile, bytes: trusted, mode: 0o644),
                    .init(name: IssueLog.fileName, bytes: [], mode: 0o600),
                ])
        } catch {
            throw .crypto(error)
        }
        try files.write()
        return CertificateAuthority(
            folder: folder, cluster: cluster, certificate: certificate, key: key, trusted: trusted)
    }

    /// Opens a CA that `create` made, or one of your own with the extensions of `certs/openssl.cnf`.
    ///
    /// `ca.pem` may hold more CAs that the cluster trusts; the one that `ca.key.pem` belongs to issues.
    public static func open(folder: String) throws(AuthorityError) -> CertificateAuthority {
        let folder = normal(folder)
        let certificatePath = "\(folder)/\(certificateFile)"
        let keyPath = "\(folder)/\(keyFile)"
        let certificateBytes: [UInt8]
        do throws(AuthorityError) {
            certificateBytes = try DurableFiles.read(certificatePath).bytes
        } catch .cannotRead(_, let reason) where reason.isMissing {
            throw .noAuthority(folder: folder)
        }
        let (keyBytes, mode) = try DurableFiles.read(keyPath)
        // A group may read it (a credential of systemd has mode 0440); nobody else, and none but the owner may write.
        guard mode & 0o027 == 0 else {
            throw .exposedKey(path: keyPath, mode: UInt16(truncatingIfNeeded: mode & 0o7777))
        }
        let certificates: [X509Certificate]
        let key: X509PrivateKey
        do throws(X509Error) { certificates = try X509Certificate.all(pem: certificateBytes) } catch {
            throw .notAnAuthority(path: certificatePath, reason: error.description)
        }
        do throws(X509Error) { key = try X509PrivateKey(pem: keyBytes) } catch {
            throw .notAnAuthority(path: keyPath, reason: error.description)
        }
        guard let certificate = certificates.first(where: { $0.matches(key) }) else {
            throw .notAnAuthority(path: keyPath, reason: "it is not the key of \(certificateFile)")
        }
        guard certificate.isAuthority else {
            throw .notAnAuthority(path: certificatePath, reason: "it is not the certificate of a CA")
        }
        guard certificate.isSelfSigned else {
            throw .notAnAuthority(
                path: certificatePath,
                reason:
                    "it was signed by \(certificate.issuer), not by itself, and a cluster trusts only a CA of its own")
        }
        guard certificate.permittedURIHosts.count == 1, let cluster = try? ClusterName(certificate.permittedURIHosts[0])
        else {
            throw .notAnAuthority(
                path: certificatePath, reason: "its nameConstraints do not permit URI names of exactly one cluster")
        }
        return CertificateAuthority(
            folder: folder, cluster: cluster, certificate: certificate, key: key, trusted: certificateBytes)
    }

    /// Issues a certificate with a new key, and writes `ca.pem`, `cert.pem` and `key.pem` (mode 0600) into `folder`.
    ///
    /// - Parameters:
    ///   - ips: addresses that a node is called by from outside Roost (curl, browsers).
    ///   - dns: host names for the same; a node's own name is always among them.
    ///   - validity: cut to the CA's own end, since the certificate is worth nothing after it.
    ///   - now: seconds since 1970.
    public func issue(
        role: Role, name: NodeName, ips: [String] = [], dns: [String] = [],
        validity: Duration = defaultLeafValidity, now: Int64 = Timestamp.now, into folder: String
    ) throws(AuthorityError) -> IssuedCertificate {
        let folder = Self.normal(folder)
        let grant = try grant(role: role, name: name, ips: ips, dns: dns, validity: validity, now: now)
        let leaf: X509Certificate
        let (leafBytes, keyBytes): ([UInt8], [UInt8])
        do throws(X509Error) {
            let key = try X509PrivateKey.generate()
            leaf = try grant.template.sign(
                for: key, by: (certificate, self.key), notBefore: grant.notBefore, notAfter: grant.notAfter)
            (leafBytes, keyBytes) = (try leaf.pem(), try key.pem())
        } catch {
            throw .crypto(error)
        }
        do throws(TLSError) {
            try Credentials.check(folder: folder, authorities: trusted, certificate: leafBytes, key: keyBytes)
        } catch {
            throw .notAnAuthority(
                path: "\(self.folder)/\(Self.certificateFile)", reason: "peers would refuse what it signs (\(error))")
        }
        let files = NewFiles(folder: folder, key: keyBytes, certificate: leafBytes, authorities: trusted)
        try files.refuseTaken()
        let entry = entry(of: leaf, for: grant.identity)
        return try IssueLog(folder: self.folder).record(entry) { () throws(AuthorityError) in
            try files.write()
            return entry
        }
    }

    /// What this CA has issued, oldest first.
    public func issued() throws(AuthorityError) -> [IssuedCertificate] { try IssueLog(folder: folder).entries() }

    // MARK: Checking what was asked for

    /// A certificate that this CA may give, whoever has the key.
    struct Grant {
        let identity: CertificateName
        let template: X509Template
        /// Seconds since 1970.
        let notBefore: Int64
        let notAfter: Int64
    }

    func grant(
        role: Role, name: NodeName, ips: [String], dns: [String], validity: Duration, now: Int64
    ) throws(AuthorityError) -> Grant {
        guard role == .node || (ips.isEmpty && dns.isEmpty) else { throw .addressesNeedNode(role: role) }
        guard certificate.notAfter > now else { throw .expired(path: folder, notAfter: certificate.notAfter) }
        let identity = CertificateName(cluster: cluster, role: role, name: name)
        let times = try Self.period(validity, from: now, until: certificate.notAfter)
        let names = try Self.alternatives(name: name, role: role, ips: ips, dns: dns)
        return Grant(
            identity: identity, template: .leaf(identity, names), notBefore: times.notBefore, notAfter: times.notAfter)
    }

    /// Its line in the log.
    func entry(of leaf: X509Certificate, for identity: CertificateName) -> IssuedCertificate {
        IssuedCertificate(
            name: identity, serial: leaf.serial, notBefore: leaf.notBefore, notAfter: leaf.notAfter,
            key: leaf.keyDigest, authority: certificate.keyDigest)
    }

    /// - Parameter name: nil where it is not known yet.
    static func alternatives(
        name: NodeName?, role: Role, ips: [String], dns: [String]
    ) throws(AuthorityError) -> [X509AlternativeName] {
        guard role == .node else { return [] }
        // Before any is looked at: `ips` and `dns` may come from a script.
        let count = ips.count + dns.count
        guard count <= addressesMax else { throw .tooManyAddresses(count: count, max: addressesMax) }
        var names: [X509AlternativeName] = name.map { [.dns($0.text)] } ?? []
        do throws(X509Error) {
            for text in dns { names.append(try .checked(dns: text)) }
            for text in ips { names.append(try .checked(ip: text)) }
        } catch {
            throw .badAddress(reason: error.description)
        }
        var seen: Set<X509AlternativeName> = []
        return names.filter { seen.insert($0).inserted }
    }

    static func period(
        _ validity: Duration, from now: Int64, until limit: Int64
    ) throws(AuthorityError) -> (notBefore: Int64, notAfter: Int64) {
        let seconds = validity.components.seconds
        // A hundred years bounds the sum below as well.
        guard (1...36_500 * 86_400).contains(seconds) else {
            throw .badValidity(reason: "it must be between one second and 36500 days")
        }
        guard (clockSkew...253_000_000_000).contains(now) else {
            throw .badValidity(reason: "this host's clock says \(now) seconds since 1970: set the clock")
        }
        return (now - clockSkew, min(now + seconds, limit))
    }

    /// Without a slash at the end, so that the parent is what stands before the last one.
    static func normal(_ folder: String) -> String {
        var text = folder[...]
        while text.count > 1, text.hasSuffix("/") { text = text.dropLast() }
        return text.isEmpty ? "." : String(text)
    }
}
