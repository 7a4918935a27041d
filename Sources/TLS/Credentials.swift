import COpenSSL
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

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
    ///
    /// - Parameters:
    ///   - handedKeys: files that may have the key instead of `key.pem`; the first that is the certificate's is used, and
    ///     the folder's own when none is.
    ///   - atAnyTime: also one whose time is over, or has not come.
    public init(folder: String, handedKeys: [String] = [], atAnyTime: Bool = false) throws(TLSError) {
        let files = try Files.find(folder: folder, handedKeys: handedKeys)
        self.init(files, name: try files.judge(atAnyTime: atAnyTime))
    }

    /// Judges files that are to be written into `folder`, as a start with them would, but for the time: a CA whose
    /// certificates nobody would take must not hand them out.
    public static func check(
        folder: String, authorities: [UInt8], certificate: [UInt8], key: [UInt8]
    ) throws(TLSError) {
        let files = try Files(
            folder: folder, authorities: PEMFile(path: folder + "/ca.pem", bytes: authorities),
            certificate: PEMFile(path: folder + "/cert.pem", bytes: certificate),
            key: PEMFile(path: folder + "/key.pem", bytes: key))
        _ = try files.judge(atAnyTime: true)
    }

    /// What the files hold, whatever a peer would say of the certificate.
    init(unverified folder: String, as name: CertificateName) throws(TLSError) {
        self.init(try Files(folder: folder), name: name)
    }

    /// The CAs of `ca.pem`, by the SHA-256 of their public keys.
    public var authorityKeys: [ContentDigest] {
        material.authorities.compactMap { SubjectKey.digest(of: X509_get_X509_PUBKEY($0.pointer)) }
    }

    /// The one of them that stands for our certificate.
    public var issuerKey: ContentDigest? {
        let top = material.intermediates.last ?? material.leaf
        defer { ERR_clear_error() }
        return material.authorities.first {
            X509_check_issued($0.pointer, top.pointer) == X509_V_OK
                && X509_verify(top.pointer, X509_get0_pubkey($0.pointer)) == 1
        }.flatMap { SubjectKey.digest(of: X509_get_X509_PUBKEY($0.pointer)) }
    }

    public func trusts(keyDigest: ContentDigest) -> Bool { authorityKeys.contains(keyDigest) }

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
    let authoritiesPath: String
    let certificatePath: String
    let material: Credentials.Material
    let warnings: [String]

    /// - Parameter handedKey: the file with the key; by default `key.pem` of the folder.
    init(folder: String, handedKey: String? = nil) throws(TLSError) {
        let base = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        try self.init(
            folder: base, authorities: PEMFile(path: base + "/ca.pem"),
            certificate: PEMFile(path: base + "/cert.pem"), key: PEMFile(path: handedKey ?? base + "/key.pem"),
            isHanded: handedKey != nil)
    }

    static func find(folder: String, handedKeys: [String]) throws(TLSError) -> Files {
        var fault: TLSError?
        // A replacement that was cut off behind its certificate.
        let next = "\(folder)/\(Credentials.nextKeyFile)"
        for path in handedKeys + (access(next, F_OK) == 0 ? [next] : []) {
            do throws(TLSError) { return try Files(folder: folder, handedKey: path) } catch {
                // Of the other files the folder's own attempt tells.
                if case .credentials(path, _) = error { fault = fault ?? error }
            }
        }
        do throws(TLSError) { return try Files(folder: folder) } catch {
            // Where keys are handed over, the folder's own is not for us to read.
            if let fault, case .credentials(_, .unreadable) = error { throw fault }
            throw error
        }
    }

    /// - Parameter isHanded: whoever handed the key over has seen to who may read it.
    init(
        folder: String, authorities: PEMFile, certificate: PEMFile, key keyFile: PEMFile, isHanded: Bool = false
    ) throws(TLSError) {
        self.folder = folder
        authoritiesPath = authorities.path
        certificatePath = certificate.path
        let authorities = try authorities.certificates()
        let chain = try certificate.certificates()
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
            isHanded || keyFile.mode & 0o077 == 0
            ? []
            : [
                "\(keyFile.path) may be read by others than its owner (mode 0\(String(keyFile.mode, radix: 8))); chmod 600 it"
            ]
    }

    /// Whether peers would take the certificate, and as whom.
    func judge(atAnyTime: Bool) throws(TLSError) -> CertificateName {
        let leaf = material.leaf.certificate
        do throws(Credentials.Material.Unverified) {
            let name: CertificateName
            do throws(CertificateFault) { name = try leaf.name() } catch { throw .leaf(error) }
            try material.verify(atAnyTime: atAnyTime)
            guard leaf.allows(X509_PURPOSE_SSL_CLIENT), name.role != .node || leaf.allows(X509_PURPOSE_SSL_SERVER)
            else { throw .leaf(.wrongPurpose) }
            return name
        } catch {
            throw switch error {
            case .leaf(let fault): .credentials(file: certificatePath, .certificate(fault))
            case .authority(let fault): .credentials(file: authoritiesPath, .certificate(fault))
            }
        }
    }
}

extension Credentials {
    /// Where a new key lies while its certificate takes the place of the old one.
    public static let nextKeyFile = "next.key.pem"

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

        /// Which file is to blame: `cert.pem`, intermediates included, or `ca.pem`.
        enum Unverified: Error {
            case leaf(CertificateFault)
            case authority(CertificateFault)
        }

        /// Whether the leaf chains to the authorities now, as a peer will see it.
        ///
        /// - Returns: the certificates that prove it, from the leaf to the authority; what else was brought along is not
        ///   among them, since nobody vouches for it.
        @discardableResult
        func verify(atAnyTime: Bool) throws(Unverified) -> [OwnedX509] {
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
            guard let store, let attempt, let untrusted else {
                throw .leaf(.invalid("OpenSSL has no memory to verify it"))
            }
            for certificate in intermediates {
                // The stack only borrows; `intermediates` outlives it.
                OPENSSL_sk_push(untrusted, UnsafeRawPointer(certificate.pointer))
            }
            guard X509_STORE_CTX_init(attempt, store, leaf.pointer, untrusted) == 1 else {
                throw .leaf(.invalid("OpenSSL cannot verify it"))
            }
            if atAnyTime { X509_STORE_CTX_set_flags(attempt, UInt(X509_V_FLAG_NO_CHECK_TIME)) }
            guard X509_verify_cert(attempt) != 1 else { return Self.path(of: attempt) }
            let culprit = X509_STORE_CTX_get_current_cert(attempt).map(Certificate.init)
            let fault = CertificateFault(
                code: X509_STORE_CTX_get_error(attempt), depth: X509_STORE_CTX_get_error_depth(attempt),
                certificate: culprit)
            // An unknown issuer is the leaf's fault even where a certificate of ca.pem is the last that was found.
            if case .untrusted = fault { throw .leaf(fault) }
            let isOfAuthorities = authorities.contains { X509_cmp($0.pointer, culprit?.pointer) == 0 }
            throw isOfAuthorities ? .authority(fault) : .leaf(fault)
        }

        private static func path(of attempt: OpaquePointer) -> [OwnedX509] {
            guard let stack = X509_STORE_CTX_get0_chain(attempt) else { return [] }
            return (0..<OPENSSL_sk_num(stack)).compactMap { index in
                guard let raw = OPENSSL_sk_value(stack, index) else { return nil }
                let certificate = OpaquePointer(raw)
                // The stack goes with the attempt.
                return X509_up_ref(certificate) == 1 ? OwnedX509(adopting: certificate) : nil
            }
        }
    }
}
