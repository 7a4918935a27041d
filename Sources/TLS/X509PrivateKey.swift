import COpenSSL

/// A private key on the curve P-256: what every node, client and CA of Roost signs with.
///
/// P-256 because every TLS 1.3 implementation must have it (RFC 8446 §9.1) and OpenSSL signs with it fastest.
public final class X509PrivateKey: Sendable {
    /// An `EVP_PKEY`, never changed after `init` and released once in `deinit`. OpenSSL documents concurrent reads of
    /// one object as safe, so sharing the pointer between threads is.
    nonisolated(unsafe) let pointer: OpaquePointer

    private init(taking pointer: OpaquePointer) { self.pointer = pointer }

    deinit { EVP_PKEY_free(pointer) }

    /// A new key from OpenSSL's own random generator.
    public static func generate() throws(X509Error) -> X509PrivateKey {
        guard let pointer = roost_x509_generate_p256() else { throw .stack("make a P-256 key") }
        return X509PrivateKey(taking: pointer)
    }

    /// Reads an unencrypted key (PKCS #8 or SEC 1).
    public convenience init(pem: [UInt8]) throws(X509Error) {
        var wanted = false
        let pointer = try withX509Input(pem) { bio throws(X509Error) -> OpaquePointer in
            // Without a callback of ours OpenSSL would ask the terminal for a pass phrase, and an agent would hang.
            let key = withUnsafeMutablePointer(to: &wanted) { wanted in
                PEM_read_bio_PrivateKey(
                    bio, nil,
                    { _, _, _, context in
                        context?.assumingMemoryBound(to: Bool.self).pointee = true
                        return -1
                    }, wanted)
            }
            guard let key else {
                let reason = X509Error.drainStack()
                throw wanted ? .encryptedKey : .notPEM(kind: "private key", reason: reason)
            }
            return key
        }
        self.init(taking: pointer)
    }

    /// PKCS #8, unencrypted: the file's mode is what protects it.
    public func pem() throws(X509Error) -> [UInt8] {
        try x509Output("write the private key as PEM") {
            PEM_write_bio_PrivateKey($0, pointer, nil, nil, 0, nil, nil)
        }
    }
}
