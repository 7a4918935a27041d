import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A key of one's own and what a CA gave for it: what goes into `ca.pem`, `cert.pem` and `key.pem`.
public struct CertificateSet: Sendable {
    public let name: CertificateName
    let key: [UInt8]
    let certificate: [UInt8]
    let authorities: [UInt8]

    /// Judges what came back as those will who are shown it.
    ///
    /// - Parameters:
    ///   - name: whose it has to be.
    ///   - certificate: and `authorities`, in PEM form.
    ///   - signers: the public keys (SHA-256) of the CAs that are trusted already. Whoever answers is a node and no more:
    ///     only the signature of one of them shows that its word on whom to trust is the CA's.
    /// - Throws: `AuthorityError.notAnAuthority` unless it is that name's, for this key, by one of the signers, and stands
    ///   on these authorities.
    public init(
        key: X509PrivateKey, name: CertificateName, certificate: [UInt8], authorities: [UInt8],
        signers: [ContentDigest]
    ) throws(AuthorityError) {
        do throws(X509Error) {
            self.key = try key.pem()
            let leaf = try X509Certificate(pem: certificate)
            let isSigned = try X509Certificate.all(pem: authorities).contains { authority in
                authority.keyDigest.map(signers.contains) == true && leaf.isSigned(by: authority)
            }
            guard isSigned, leaf.uris == [name.uri] else {
                throw .failed(doing: "take a certificate", reason: "it is not what was asked for, or of another CA")
            }
        } catch {
            throw .crypto(error)
        }
        do throws(TLSError) {
            try Credentials.check(
                folder: "the answer", authorities: authorities, certificate: certificate, key: self.key)
        } catch {
            throw .notAnAuthority(path: "the answer", reason: "\(error)")
        }
        self.name = name
        self.certificate = certificate
        self.authorities = authorities
    }

    /// Puts the three files in the place of those that are there. At each moment, a power cut included, the folder has a
    /// set that is whole: whoever reads it takes the key that is the certificate's, and both CAs stand for both.
    public func replace(in folder: String) throws(AuthorityError) {
        let folder = CertificateAuthority.normal(folder)
        let next = "\(folder)/\(Credentials.nextKeyFile)"
        try DurableFiles.replace("\(folder)/ca.pem", authorities, mode: 0o644)
        try DurableFiles.replace(next, key, mode: 0o600)
        try DurableFiles.replace("\(folder)/cert.pem", certificate, mode: 0o644)
        guard rename(next, "\(folder)/key.pem") == 0 else {
            throw .cannotWrite(path: "\(folder)/key.pem", reason: .init(errno: errno))
        }
        try DurableFiles.sync(folder: folder)
    }

    /// Writes the three files, each new, durably: all of them or none.
    public func write(into folder: String) throws(AuthorityError) {
        try NewFiles(
            folder: CertificateAuthority.normal(folder), key: key, certificate: certificate, authorities: authorities
        ).write()
    }
}

extension NewFiles {
    /// What an agent and a user have in their folder.
    init(folder: String, key: [UInt8], certificate: [UInt8], authorities: [UInt8]) {
        self.init(
            folder: folder,
            items: [
                .init(name: "key.pem", bytes: key, mode: 0o600),
                .init(name: "cert.pem", bytes: certificate, mode: 0o644),
                .init(name: "ca.pem", bytes: authorities, mode: 0o644),
            ])
    }
}
