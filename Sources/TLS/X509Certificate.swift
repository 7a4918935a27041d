import COpenSSL
import Vocabulary

/// A certificate as a value to read: names, validity, serial. Verifying a peer's chain is the TLS context's work.
public final class X509Certificate: Sendable {
    /// An `X509`, never changed after `init` and released once in `deinit`; OpenSSL locks what it caches inside, so
    /// concurrent reads are safe.
    nonisolated(unsafe) let pointer: OpaquePointer

    /// Seconds since 1970.
    public let notBefore: Int64
    /// Seconds since 1970: the last second of validity.
    public let notAfter: Int64
    /// Upper-case hexadecimal, as `openssl x509 -serial` prints it.
    public let serial: String
    /// One line, RFC 2253: for messages only. Who a peer is says `uris`.
    public let subject: String
    public let issuer: String
    /// The URI names of subjectAltName, as they stand; a certificate of Roost has exactly one.
    public let uris: [String]
    /// The hosts that nameConstraints permits in URI names: the cluster, in a CA of ours. Empty when unconstrained.
    public let permittedURIHosts: [String]
    /// basicConstraints CA:TRUE, with keyCertSign where keyUsage is present.
    public let isAuthority: Bool
    /// Signed with its own key: the end of a chain.
    public let isSelfSigned: Bool

    /// Takes over the reference.
    init(taking pointer: OpaquePointer) throws(X509Error) {
        self.pointer = pointer
        do throws(X509Error) {
            notBefore = try Self.seconds(X509_get0_notBefore(pointer))
            notAfter = try Self.seconds(X509_get0_notAfter(pointer))
            serial = try Self.hexadecimal(X509_get0_serialNumber(pointer))
            subject = try Self.line(X509_get_subject_name(pointer))
            issuer = try Self.line(X509_get_issuer_name(pointer))
        } catch {
            X509_free(pointer)
            throw error
        }
        uris = Self.uris(of: pointer)
        permittedURIHosts = Self.permittedURIHosts(of: pointer)
        isAuthority = X509_check_ca(pointer) == 1
        isSelfSigned = X509_self_signed(pointer, 1) == 1
        ERR_clear_error()
    }

    deinit { X509_free(pointer) }

    /// Reads the first certificate of a PEM text.
    public convenience init(pem: [UInt8]) throws(X509Error) {
        let pointer = try withX509Input(pem) { bio throws(X509Error) -> OpaquePointer in
            guard let certificate = PEM_read_bio_X509(bio, nil, { _, _, _, _ in -1 }, nil) else {
                throw .notPEM(kind: "certificate", reason: X509Error.drainStack())
            }
            return certificate
        }
        try self.init(taking: pointer)
    }

    /// Reads every certificate of a PEM text, at least one. A damaged one is an error, wherever it stands.
    public static func all(pem: [UInt8]) throws(X509Error) -> [X509Certificate] {
        try withX509Input(pem) { bio throws(X509Error) -> [X509Certificate] in
            var found: [X509Certificate] = []
            while let pointer = PEM_read_bio_X509(bio, nil, { _, _, _, _ in -1 }, nil) {
                found.append(try X509Certificate(taking: pointer))
                // Each has over a hundred bytes, so the input's bound of 1 MiB bounds the loop.
            }
            let code = ERR_peek_last_error()
            let isEnd = roost_ERR_library(code) == ERR_LIB_PEM && roost_ERR_reason(code) == PEM_R_NO_START_LINE
            let reason = X509Error.drainStack()
            guard isEnd, !found.isEmpty else { throw .notPEM(kind: "certificate", reason: reason) }
            return found
        }
    }

    public func pem() throws(X509Error) -> [UInt8] {
        try x509Output("write the certificate as PEM") { PEM_write_bio_X509($0, pointer) }
    }

    /// Whether this certificate was made for the key.
    public func matches(_ key: X509PrivateKey) -> Bool {
        defer { ERR_clear_error() }
        return X509_check_private_key(pointer, key.pointer) == 1
    }

    /// Whether this certificate was signed with the key of that one.
    public func isSigned(by authority: X509Certificate) -> Bool {
        defer { ERR_clear_error() }
        guard let key = X509_get0_pubkey(authority.pointer) else { return false }
        return X509_check_issued(authority.pointer, pointer) == X509_V_OK && X509_verify(pointer, key) == 1
    }

    /// SHA-256 of the public key (SubjectPublicKeyInfo in DER form): what a CA is pinned by.
    public var keyDigest: ContentDigest? { SubjectKey.digest(of: X509_get_X509_PUBKEY(pointer)) }

    /// Exactly one certificate in DER form.
    ///
    /// - Throws: `X509Error.failed` for anything else.
    public convenience init(der: [UInt8]) throws(X509Error) {
        guard let parsed = OwnedX509(der: der), X509_up_ref(parsed.pointer) == 1 else {
            throw .failed(doing: "read a certificate", reason: "it is not one in DER form")
        }
        try self.init(taking: parsed.pointer)
    }

    /// The host names and addresses of subjectAltName; other kinds of names are passed over.
    public var alternatives: [X509AlternativeName] {
        guard let raw = X509_get_ext_d2i(pointer, NID_subject_alt_name, nil, nil) else {
            ERR_clear_error()
            return []
        }
        let names = OpaquePointer(raw)
        defer { GENERAL_NAMES_free(names) }
        return (0..<max(0, roost_x509_count(names))).compactMap { index in
            var (count, kind) = (Int32(0), Int32(0))
            guard let bytes = roost_x509_host(names, index, &kind, &count), count >= 0 else { return nil }
            let host = Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
            return kind == GEN_DNS
                ? try? .checked(dns: String(decoding: host, as: UTF8.self)) : X509AlternativeName(address: host)
        }
    }

    // MARK: Reading the fields

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) throws(X509Error) -> Int64 {
        guard let epoch = ASN1_TIME_set(nil, 0) else { throw .stack("read the certificate's validity") }
        defer { ASN1_TIME_free(epoch) }
        var days: Int32 = 0
        var seconds: Int32 = 0
        guard let time, ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else {
            throw .stack("read the certificate's validity")
        }
        return Int64(days) * 86_400 + Int64(seconds)
    }

    private static func hexadecimal(_ serial: UnsafePointer<ASN1_INTEGER>?) throws(X509Error) -> String {
        guard let serial, let number = ASN1_INTEGER_to_BN(serial, nil) else {
            throw .stack("read the certificate's serial number")
        }
        defer { BN_free(number) }
        guard let text = BN_bn2hex(number) else { throw .stack("read the certificate's serial number") }
        defer { CRYPTO_free(text, nil, 0) }
        return String(cString: text)
    }

    private static func line(_ name: OpaquePointer?) throws(X509Error) -> String {
        guard let name else { return "" }
        let bytes = try x509Output("read the certificate's subject") { bio in
            // -1 is the failure of this one; 0 bytes is an empty name.
            roost_x509_print_name(bio, name) >= 0 ? 1 : 0
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func uris(of certificate: OpaquePointer) -> [String] {
        guard let raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else {
            ERR_clear_error()
            return []
        }
        let names = OpaquePointer(raw)
        defer { GENERAL_NAMES_free(names) }
        return (0..<max(0, roost_x509_count(names))).compactMap { index in
            var count: Int32 = 0
            return text(roost_x509_uri(names, index, &count), count)
        }
    }

    private static func permittedURIHosts(of certificate: OpaquePointer) -> [String] {
        guard let raw = X509_get_ext_d2i(certificate, NID_name_constraints, nil, nil) else {
            ERR_clear_error()
            return []
        }
        let constraints = raw.assumingMemoryBound(to: NAME_CONSTRAINTS.self)
        defer { NAME_CONSTRAINTS_free(constraints) }
        return (0..<max(0, roost_x509_permitted_count(constraints))).compactMap { index in
            var count: Int32 = 0
            return text(roost_x509_permitted_uri(constraints, index, &count), count)
        }
    }

    /// Bytes that anyone may have signed: kept whole, a zero byte included, so that no prefix passes for the name.
    private static func text(_ bytes: UnsafePointer<UInt8>?, _ count: Int32) -> String? {
        guard let bytes, count >= 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
    }
}
