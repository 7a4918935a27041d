import TLS
import Vocabulary

/// The next certificate of somebody who has one: a new key, what is sent to whoever has the CA, and what becomes of the
/// answer.
public struct Renewal: Sendable {
    public let name: CertificateName
    public let request: X509Request
    /// The one that there is.
    public let present: X509Certificate
    private let key: X509PrivateKey
    private let signers: [ContentDigest]

    public init(of credentials: Credentials) throws(AuthorityError) {
        name = credentials.name
        signers = credentials.authorityKeys
        do throws(X509Error) {
            guard let leaf = credentials.chain.first else {
                throw .failed(doing: "read the present certificate", reason: "there is none")
            }
            present = try X509Certificate(der: leaf)
            key = try .generate()
            request = try X509Request.make(for: key, role: name.role, name: name.name)
        } catch {
            throw .crypto(error)
        }
    }

    /// Of the certificate in a folder, as long as it is valid.
    public init(folder: String) throws(AuthorityError) {
        let credentials: Credentials
        do throws(TLSError) { credentials = try Credentials(folder: folder) } catch {
            throw .crypto(.failed(doing: "use the present certificate", reason: error.description))
        }
        try self.init(of: credentials)
    }

    /// Both as they are sent.
    public func texts() throws(AuthorityError) -> (request: String, present: String) {
        do throws(X509Error) {
            return (
                String(decoding: try request.pem(), as: UTF8.self), String(decoding: try present.pem(), as: UTF8.self)
            )
        } catch {
            throw .crypto(error)
        }
    }

    /// - Parameters: in PEM form.
    public func take(certificate: String, authorities: String) throws(AuthorityError) -> CertificateSet {
        try CertificateSet(
            key: key, name: name, certificate: Array(certificate.utf8), authorities: Array(authorities.utf8),
            signers: signers)
    }
}
