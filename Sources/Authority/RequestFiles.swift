import TLS
import Vocabulary

/// `key.pem` and `request.pem` in a folder, and the request read again where the CA is.
public enum RequestFiles {
    public static func make(role: Role, name: NodeName, into folder: String) throws(AuthorityError) {
        let items: [NewFiles.Item]
        do throws(X509Error) {
            let key = try X509PrivateKey.generate()
            let request = try X509Request.make(for: key, role: role, name: name)
            items = [
                .init(name: "key.pem", bytes: try key.pem(), mode: 0o600),
                .init(name: "request.pem", bytes: try request.pem(), mode: 0o644),
            ]
        } catch {
            throw .crypto(error)
        }
        try NewFiles(folder: CertificateAuthority.normal(folder), items: items).write()
    }

    /// The request, and for whom it says that it is.
    public static func read(
        _ path: String
    ) throws(AuthorityError) -> (request: X509Request, role: Role?, name: NodeName?) {
        let bytes = try DurableFiles.read(path).bytes
        do throws(X509Error) {
            let request = try X509Request(pem: bytes)
            return (request, request.role, request.name)
        } catch {
            throw .crypto(error)
        }
    }
}
