// What Roost reads from a certificate: who it is, until when, and who says so. Everything here is another's bytes.
import COpenSSL
import Vocabulary

#if canImport(Glibc)
    import Glibc
#endif

/// A borrowed `X509 *`, valid for as long as its owner keeps it; used within one call and never stored.
struct Certificate {
    let pointer: OpaquePointer

    /// The only way to a name: exactly one URI in subjectAltName, and that of the form `roost://CLUSTER/ROLE/NAME`.
    func name() throws(CertificateFault) -> CertificateName {
        let uris = uriNames
        guard let uri = uris.first else { throw .noName }
        guard uris.count == 1 else { throw .severalNames(uris) }
        guard let name = try? CertificateName(uri: uri) else { throw .notAName(uri) }
        return name
    }

    /// All URI names, at most 16 of them: two are already too many.
    var uriNames: [String] {
        // A repeated extension is refused by OpenSSL's decoder: this returns nil, and the certificate has no name.
        guard let raw = X509_get_ext_d2i(pointer, NID_subject_alt_name, nil, nil) else { return [] }
        let names = OpaquePointer(raw)
        defer { GENERAL_NAMES_free(names) }
        var uris: [String] = []
        for index in 0..<max(0, OPENSSL_sk_num(names)) where uris.count < 16 {
            guard let value = OPENSSL_sk_value(names, index) else { continue }
            let name = value.assumingMemoryBound(to: GENERAL_NAME.self)
            guard name.pointee.type == GEN_URI, let text = name.pointee.d.uniformResourceIdentifier,
                let bytes = ASN1_STRING_get0_data(text)
            else { continue }
            // The length counts, not a NUL: "roost://a/node/b\0.evil" must not read as its beginning.
            let buffer = UnsafeBufferPointer(start: bytes, count: Int(max(0, ASN1_STRING_length(text))))
            uris.append(String(decoding: buffer, as: UTF8.self))
        }
        return uris
    }

    var notBefore: Int64 { Self.seconds(X509_get0_notBefore(pointer)) }
    var notAfter: Int64 { Self.seconds(X509_get0_notAfter(pointer)) }

    var subject: String { Self.text(X509_get_subject_name(pointer)) }
    var issuer: String { Self.text(X509_get_issuer_name(pointer)) }

    /// How messages call it: by its URI name if it has just one, else by its subject.
    var label: String { (try? name())?.uri ?? subject }

    /// The serial number in hexadecimal, as `openssl x509 -serial` prints it.
    var serial: String {
        guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(pointer), nil) else { return "" }
        defer { BN_free(number) }
        guard let digits = BN_bn2hex(number) else { return "" }
        defer { CRYPTO_free(digits, nil, 0) }
        return String(cString: digits)
    }

    /// SHA-256 of the DER form.
    var fingerprint: ContentDigest? {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { output in
            var count: UInt32 = 0
            guard X509_digest(pointer, DigestAlgorithm.sha256, output.baseAddress, &count) == 1 else { return nil }
            return ContentDigest(bytes: output)
        }
    }

    /// OpenSSL could not make sense of its extensions.
    var hasBadExtensions: Bool { X509_get_extension_flags(pointer) & UInt32(EXFLAG_INVALID) != 0 }

    func allows(_ purpose: Int32) -> Bool { X509_check_purpose(pointer, purpose, 0) == 1 }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        var calendar = tm()
        guard let time, ASN1_TIME_to_tm(time, &calendar) == 1 else { return 0 }
        return Int64(timegm(&calendar))
    }

    private static func text(_ name: OpaquePointer?) -> String {
        guard let name else { return "an unnamed issuer" }
        var buffer = [CChar](repeating: 0, count: 256)
        // Cuts at the buffer's end and escapes what is not printable.
        guard X509_NAME_oneline(name, &buffer, Int32(buffer.count)) != nil else { return "an unreadable name" }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return bytes.isEmpty ? "an empty name" : "\"\(String(decoding: bytes, as: UTF8.self))\""
    }
}

extension CertificateFault: Error {}

extension CertificateFault {
    /// What OpenSSL's path validation says of a certificate, as ours.
    ///
    /// - Parameter depth: 0 for the certificate itself, more for one of those above it.
    init(code: Int32, depth: Int32, certificate: Certificate?) {
        // OpenSSL then finds no issuer for it, which says nothing of the cause.
        if let certificate, certificate.hasBadExtensions {
            self = .invalid("an extension in it is malformed, or stands there twice")
            return
        }
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED where depth > 0:
            self = .authorityExpired(certificate?.subject ?? "its CA", at: certificate?.notAfter ?? 0)
        case X509_V_ERR_CERT_HAS_EXPIRED: self = .expired(at: certificate?.notAfter ?? 0)
        case X509_V_ERR_CERT_NOT_YET_VALID: self = .notYetValid(before: certificate?.notBefore ?? 0)
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE,
            X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY,
            X509_V_ERR_CERT_UNTRUSTED:
            self = .untrusted(issuer: certificate?.issuer ?? "an unknown issuer")
        case X509_V_ERR_INVALID_PURPOSE: self = .wrongPurpose
        // An open set of OpenSSL's numbers; its own words are the best that can be said.
        default: self = .invalid(String(cString: X509_verify_cert_error_string(Int(code))))
        }
    }
}
