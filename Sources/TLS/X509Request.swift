import COpenSSL
import Vocabulary

/// A request for a certificate (PKCS #10): a public key, signed with its private half, so that nobody asks for a
/// certificate of another's key. Who it is for is said in its subject, for people; who decides is whoever signs.
public final class X509Request: Sendable {
    /// An `X509_REQ` and its key, never changed after `init` and released once in `deinit`: concurrent reads are safe.
    private nonisolated(unsafe) let pointer: OpaquePointer
    // The same holds for this one, which belongs to this object alone.
    nonisolated(unsafe) let key: OpaquePointer

    /// SHA-256 of the public key: whether two requests are one host's.
    public let keyDigest: ContentDigest
    /// What the subject says (OU, CN); nil where it says no role or name of ours.
    public let role: Role?
    public let name: NodeName?

    /// One has some 250 bytes with a P-256 key.
    public static let bytesMax = 1_024

    /// Takes over the reference, also when it fails.
    private init(taking pointer: OpaquePointer) throws(X509Error) {
        guard let key = X509_REQ_get_pubkey(pointer) else {
            X509_REQ_free(pointer)
            throw .stack("read the key of a request")
        }
        let digest = SubjectKey.digest(of: X509_REQ_get_X509_PUBKEY(pointer))
        let isOfKnownKind = RawSignature(of: key) != nil
        guard isOfKnownKind, X509_REQ_verify(pointer, key) == 1, let digest else {
            let reason = X509Error.drainStack()
            EVP_PKEY_free(key)
            X509_REQ_free(pointer)
            throw .failed(
                doing: "verify a request",
                reason: isOfKnownKind ? reason : "its key is neither on the curve P-256 or P-384 nor Ed25519")
        }
        self.pointer = pointer
        self.key = key
        keyDigest = digest
        role = Self.text(NID_organizationalUnitName, of: pointer).flatMap(Role.init(rawValue:))
        name = Self.text(NID_commonName, of: pointer).flatMap { try? NodeName($0) }
    }

    deinit {
        EVP_PKEY_free(key)
        X509_REQ_free(pointer)
    }

    /// Asks for the key's certificate.
    public static func make(for key: X509PrivateKey, role: Role, name: NodeName) throws(X509Error) -> X509Request {
        guard let made = X509_REQ_new() else { throw .stack("allocate a request") }
        let subject = X509_REQ_get_subject_name(made)
        guard X509_REQ_set_version(made, 0) == 1, X509_REQ_set_pubkey(made, key.pointer) == 1,
            roost_x509_add_name(subject, "OU", role.rawValue) == 1, roost_x509_add_name(subject, "CN", name.text) == 1,
            X509_REQ_sign(made, key.pointer, EVP_sha256()) > 0
        else {
            X509_REQ_free(made)
            throw .stack("make a request")
        }
        return try X509Request(taking: made)
    }

    /// - Throws: `X509Error` unless the bytes are exactly one request, of a kind of key that Roost signs with, signed by
    ///   that key.
    public convenience init(der: [UInt8]) throws(X509Error) {
        guard der.count <= Self.bytesMax else {
            throw .failed(doing: "read a request", reason: "it has more than \(Self.bytesMax) bytes")
        }
        var consumed = 0
        let parsed: OpaquePointer? = der.withUnsafeBufferPointer { buffer in
            var position = buffer.baseAddress
            let parsed = d2i_X509_REQ(nil, &position, buffer.count)
            if let position, let base = buffer.baseAddress { consumed = position - base }
            return parsed
        }
        guard let parsed else { throw .stack("read a request") }
        guard consumed == der.count else {
            X509_REQ_free(parsed)
            throw .failed(doing: "read a request", reason: "there are bytes behind it")
        }
        try self.init(taking: parsed)
    }

    public convenience init(pem: [UInt8]) throws(X509Error) {
        let pointer = try withX509Input(pem) { bio throws(X509Error) -> OpaquePointer in
            guard let request = PEM_read_bio_X509_REQ(bio, nil, { _, _, _, _ in -1 }, nil) else {
                throw .notPEM(kind: "certificate request", reason: X509Error.drainStack())
            }
            return request
        }
        try self.init(taking: pointer)
    }

    public func pem() throws(X509Error) -> [UInt8] {
        try x509Output("write the request as PEM") { PEM_write_bio_X509_REQ($0, pointer) }
    }

    public func der() throws(X509Error) -> [UInt8] {
        try x509Output("write the request") { i2d_X509_REQ_bio($0, pointer) }
    }

    private static func text(_ field: Int32, of request: OpaquePointer) -> String? {
        var bytes = [CChar](repeating: 0, count: 128)
        let count = X509_NAME_get_text_by_NID(
            X509_REQ_get_subject_name(request), field, &bytes, Int32(bytes.count))
        guard count > 0, count < bytes.count else { return nil }
        return String(validating: bytes.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A public key as certificates and requests carry it.
enum SubjectKey {
    /// SHA-256 of SubjectPublicKeyInfo in DER form.
    static func digest(of key: OpaquePointer?) -> ContentDigest? {
        guard let key else { return nil }
        let count = i2d_X509_PUBKEY(key, nil)
        guard count > 0 else {
            ERR_clear_error()
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        let written = bytes.withUnsafeMutableBufferPointer { buffer in
            var position = buffer.baseAddress
            return i2d_X509_PUBKEY(key, &position)
        }
        return written == count ? SHA256.digest(bytes) : nil
    }
}
