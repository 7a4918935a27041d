import TLS

/// Whose a certificate is, for commands that look at one on the disk.
public enum IssuedNames {
    /// The URI names in a certificate in PEM form.
    public static func uris(pem: [UInt8]) throws(AuthorityError) -> [String] {
        do throws(X509Error) { return try X509Certificate(pem: pem).uris } catch { throw .crypto(error) }
    }
}
