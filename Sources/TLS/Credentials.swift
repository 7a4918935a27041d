import COpenSSL
import Vocabulary

/// What this process proves its identity with: `ca.pem`, `cert.pem` and `key.pem` of one folder, read once and checked
/// then, so that a bad file is named at start (or reload) and not at the first peer.
public struct Credentials: Sendable {
    public let folder: String
    public let name: CertificateName
    /// Unix seconds.
    public let notBefore: Int64
    /// Unix seconds.
    public let notAfter: Int64
    public let serial: String
    /// What is allowed and unwise, for the log: a key that others may read.
    public let warnings: [String]
    let material: Material

    /// - Throws: `TLSError.credentials`, naming the file: unreadable, malformed, the key of another certificate, not
    ///   issued by `ca.pem`, expired (and when), not exactly one `roost://` URI name, no use as a TLS client.
    public init(folder: String) throws(TLSError) {
        let files = try Files(folder: folder)
        let leaf = files.material.leaf.certificate
        let name: CertificateName
        do throws(CertificateFault) {
            name = try leaf.name()
            try files.material.verify()
            guard leaf.allows(X509_PURPOSE_SSL_CLIENT), name.role != .node || leaf.allows(X509_PURPOSE_SSL_SERVER)
            else { throw .wrongPurpose }
        } catch {
            throw .credentials(file: files.certificatePath, .certificate(error))
        }
        self.init(files, name: name)
    }

    /// What the files hold, whatever a peer would say of the certificate.
    init(unverified folder: String, as name: CertificateName) throws(TLSError) {
        self.init(try Files(folder: folder), name: name)
    }

    private init(_ files: Files, name: CertificateName) {
        self.name = name
        folder = files.folder
        material = files.material
        warnings = files.warnings
        let leaf = files.material.leaf.certificate
        notBefore = leaf.notBefore
        notAfter = leaf.notAfter
        serial = leaf.serial
    }
}

/// The three files, read, and the key compared with the certificate.
private struct Files {
    let folder: String
    let certificatePath: String
    let material: Credentials.Material
    let warnings: [String]

    init(folder: String) throws(TLSError) {
        let base = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        self.folder = base
        certificatePath = base + "/cert.pem"
        let authorities = try PEMFile(path: base + "/ca.pem").certificates()
        let chain = try PEMFile(path: certificatePath).certificates()
        let keyFile = try PEMFile(path: base + "/key.pem")
        let key = try keyFile.privateKey()
        guard let material = Credentials.Material(authorities: authorities, chain: chain, key: key) else {
            throw .credentials(file: certificatePath, .malformed(expected: "certificate", []))
        }
        guard X509_check_private_key(material.leaf.pointer, key) == 1 else {
            ERR_clear_error()
            throw .credentials(file: keyFile.path, .keyMismatch)
        }
        self.material = material
        warnings =
            keyFile.mode & 0o077 == 0
            ? []
            : [
                "\(keyFile.path) may be read by others than its owner (mode 0\(String(keyFile.mode, radix: 8))); chmod 600 it"
            ]
    }
}

extension Credentials {
    /// The OpenSSL objects.
    ///
    /// @unchecked Sendable is sound: all are set once and only read afterwards; their reference counts are atomic.
    final class Material: @unchecked Sendable {
        let authorities: [OwnedX509]
        let leaf: OwnedX509
        /// Certificates between the leaf and the CA, sent along with the leaf.
        let intermediates: [OwnedX509]
        let key: OpaquePointer

        /// Takes over `key`, also when it fails for want of a leaf.
        init?(authorities: [OwnedX509], chain: [OwnedX509], key: OpaquePointer) {
            guard let leaf = chain.first else {
                EVP_PKEY_free(key)
                return nil
            }
            self.authorities = authorities
            self.leaf = leaf
            intermediates = Array(chain.dropFirst())
            self.key = key
        }

        deinit { EVP_PKEY_free(key) }

        /// A new store that trusts the authorities. The caller owns it.
        func store() -> OpaquePointer? {
            guard let store = X509_STORE_new() else { return nil }
            for authority in authorities where X509_STORE_add_cert(store, authority.pointer) != 1 {
                X509_STORE_free(store)
                return nil
            }
            return store
        }

        /// Whether the leaf chains to the authorities now, as a peer will see it.
        func verify() throws(CertificateFault) {
            let store = store()
            let attempt = X509_STORE_CTX_new()
            let untrusted = OPENSSL_sk_new_null()
            // Each of these takes nil for nothing.
            defer {
                OPENSSL_sk_free(untrusted)
                X509_STORE_CTX_free(attempt)
                X509_STORE_free(store)
                ERR_clear_error()
            }
            guard let store, let attempt, let untrusted else { throw .invalid("OpenSSL has no memory to verify it") }
            for certificate in intermediates {
                // The stack only borrows; `intermediates` outlives it.
                OPENSSL_sk_push(untrusted, UnsafeRawPointer(certificate.pointer))
            }
            guard X509_STORE_CTX_init(attempt, store, leaf.pointer, untrusted) == 1 else {
                throw .invalid("OpenSSL cannot verify it")
            }
            guard X509_verify_cert(attempt) != 1 else { return }
            let culprit = X509_STORE_CTX_get_current_cert(attempt).map(Certificate.init)
            throw CertificateFault(code: X509_STORE_CTX_get_error(attempt), certificate: culprit)
        }
    }
}
