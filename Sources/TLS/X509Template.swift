import COpenSSL
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A host name or an address that a node's certificate carries beside its URI name, so that `curl https://HOST:7667`
/// and browsers can check it as they check any other server. Roost itself never looks at them.
public enum X509AlternativeName: Hashable, Sendable {
    case dns(String)
    case ip(String)

    /// - Throws: `X509Error.badAlternativeName` unless the text is a host name of 1–253 bytes whose labels have 1–63
    ///   letters, digits and inner hyphens. The same characters can not break out of OpenSSL's `DNS:…` syntax.
    public static func checked(dns text: String) throws(X509Error) -> X509AlternativeName {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        let good = (1...253).contains(text.utf8.count) && labels.allSatisfy { (try? NodeName($0.lowercased())) != nil }
        guard good else {
            throw .badAlternativeName(
                text: String(text.prefix(80)), reason: "a DNS name has 1-253 bytes of letters, digits, - and .")
        }
        return .dns(text.lowercased())
    }

    /// - Throws: `X509Error.badAlternativeName` unless the text is an IPv4 or IPv6 address.
    public static func checked(ip text: String) throws(X509Error) -> X509AlternativeName {
        var address = in6_addr()
        guard inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1 else {
            throw .badAlternativeName(
                text: String(text.prefix(80)), reason: "an address looks like 10.0.0.7 or fd00::7, without a port")
        }
        return .ip(text)
    }

    /// As a certificate carries it: four or sixteen bytes, in network order.
    init?(address bytes: [UInt8]) {
        let family: Int32
        switch bytes.count {
        case 4: family = AF_INET
        case 16: family = AF_INET6
        default: return nil
        }
        var text = [CChar](repeating: 0, count: 64)
        guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return nil }
        self = .ip(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// OpenSSL's notation in a configuration file.
    var notation: String {
        switch self {
        case .dns(let text): "DNS:\(text)"
        case .ip(let text): "IP:\(text)"
        }
    }
}

/// What a certificate of Roost is to say; signing makes it one.
///
/// The role is in the signed URI name, so a holder can not change it; only nodes may also serve (serverAuth); and the
/// CA itself is bound to one cluster, because nameConstraints permits one host in URI names and the cluster is the
/// host of `roost://CLUSTER/ROLE/NAME`. `certs/openssl.cnf` says the same for those who use their own CA.
public enum X509Template: Hashable, Sendable {
    case authority(ClusterName)
    case leaf(CertificateName, [X509AlternativeName])

    /// RFC 5280 §4.2, in OpenSSL's notation. Only checked names stand in the texts.
    private var extensions: [(id: Int32, value: String)] {
        switch self {
        case .authority(let cluster):
            [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                (NID_key_usage, "critical,keyCertSign,cRLSign"),
                (NID_subject_key_identifier, "hash"),
                // Not critical, though RFC 5280 §4.2.1.10 asks for it: OpenSSL enforces it either way, while software
                // that knows no URI constraints must refuse every certificate below a critical one. Both ends of
                // Roost are OpenSSL, and check the cluster themselves as well.
                (NID_name_constraints, "permitted;URI:\(cluster)"),
            ]
        case .leaf(let name, let alternatives):
            [
                (NID_basic_constraints, "critical,CA:FALSE"),
                (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, name.role == .node ? "serverAuth,clientAuth" : "clientAuth"),
                (NID_subject_key_identifier, "hash"),
                (NID_authority_key_identifier, "keyid:always"),
                (NID_subject_alt_name, (["URI:\(name.uri)"] + alternatives.map(\.notation)).joined(separator: ",")),
            ]
        }
    }

    /// For people who read a certificate; X.520 bounds each field to 64 characters, a label has at most 63.
    private func subject(serial: [UInt8]) -> [(field: String, value: String)] {
        switch self {
        case .authority(let cluster):
            // Two CAs of one cluster have different names, so that a message tells them apart.
            [("O", cluster.text), ("CN", "Roost CA " + Hexadecimal.text(serial.prefix(4)))]
        case .leaf(let name, _):
            [("O", name.cluster.text), ("OU", name.role.rawValue), ("CN", name.name.text)]
        }
    }

    /// Makes the certificate for `key` and signs it with the issuer's key; without an issuer it signs itself.
    ///
    /// - Parameters:
    ///   - notBefore: seconds since 1970.
    ///   - notAfter: seconds since 1970, later than `notBefore`.
    public func sign(
        for key: X509PrivateKey, by issuer: (certificate: X509Certificate, key: X509PrivateKey)?,
        notBefore: Int64, notAfter: Int64
    ) throws(X509Error) -> X509Certificate {
        try sign(
            for: key.pointer, by: issuer, with: issuer?.key ?? key, notBefore: notBefore, notAfter: notAfter)
    }

    /// The same for the key of a request, whose private half is elsewhere. Of the request nothing but the key is taken.
    public func sign(
        for request: X509Request, by issuer: (certificate: X509Certificate, key: X509PrivateKey),
        notBefore: Int64, notAfter: Int64
    ) throws(X509Error) -> X509Certificate {
        try sign(
            for: request.key, by: issuer, with: issuer.key, notBefore: notBefore, notAfter: notAfter)
    }

    private func sign(
        for subjectKey: OpaquePointer, by issuer: (certificate: X509Certificate, key: X509PrivateKey)?,
        with signer: X509PrivateKey, notBefore: Int64, notAfter: Int64
    ) throws(X509Error) -> X509Certificate {
        // 253402300799 is the last second of the year 9999, where the notation of X.509 ends.
        guard notBefore >= 0, notBefore < notAfter, notAfter <= 253_402_300_799 else {
            throw .badValidity(reason: "it must end after it begins, between 1970 and 9999")
        }
        guard let made = X509_new() else { throw .stack("allocate a certificate") }
        do throws(X509Error) {
            try fill(
                made, key: subjectKey, issuer: issuer?.certificate, signer: signer, notBefore: notBefore,
                notAfter: notAfter)
        } catch {
            X509_free(made)
            throw error
        }
        return try X509Certificate(taking: made)
    }

    private func fill(
        _ made: OpaquePointer, key: OpaquePointer, issuer: X509Certificate?, signer: X509PrivateKey,
        notBefore: Int64, notAfter: Int64
    ) throws(X509Error) {
        let serial = try Self.randomSerial()
        guard X509_set_version(made, 2) == 1,  // "2" is how X.509 writes version 3
            Self.set(serial: serial, of: made),
            ASN1_TIME_set(X509_getm_notBefore(made), time_t(notBefore)) != nil,
            ASN1_TIME_set(X509_getm_notAfter(made), time_t(notAfter)) != nil,
            X509_set_pubkey(made, key) == 1
        else { throw .stack("fill in a certificate") }
        for (field, value) in subject(serial: serial) {
            guard roost_x509_add_name(X509_get_subject_name(made), field, value) == 1 else {
                throw .stack("write \(field)=\(value) into a certificate")
            }
        }
        let parent = issuer?.pointer ?? made
        guard X509_set_issuer_name(made, X509_get_subject_name(parent)) == 1 else {
            throw .stack("write the issuer into a certificate")
        }
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, parent, made, nil, nil, 0)
        for (id, value) in extensions {
            guard let added = X509V3_EXT_conf_nid(nil, &context, id, value) else {
                throw .stack("write \(value) into a certificate")
            }
            defer { X509_EXTENSION_free(added) }
            guard X509_add_ext(made, added, -1) == 1 else { throw .stack("write \(value) into a certificate") }
        }
        guard X509_sign(made, signer.pointer, EVP_sha256()) > 0 else {
            throw .stack("sign a certificate")
        }
    }

    /// 128 random bits: no counter to keep, and none that two issues at once could share. Never 0 (RFC 5280 §4.1.2.2).
    private static func randomSerial() throws(X509Error) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 16)
        guard RAND_bytes(&bytes, 16) == 1 else { throw .stack("draw a random serial number") }
        if bytes.allSatisfy({ $0 == 0 }) { bytes[15] = 1 }
        return bytes
    }

    private static func set(serial: [UInt8], of certificate: OpaquePointer) -> Bool {
        guard let number = BN_bin2bn(serial, Int32(serial.count), nil) else { return false }
        defer { BN_free(number) }
        return BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil
    }
}
