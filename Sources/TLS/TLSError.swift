import Vocabulary

/// Everything that can go wrong in this module: what was being done, to whose certificate, why, and what to do.
public enum TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A file of our own credentials is not usable.
    case credentials(file: String, CredentialsFault)
    /// We refused the peer. `certificate` says which certificate (its URI name or subject), empty when none was sent.
    case refusedPeer(CertificateFault, certificate: String)
    /// The peer refused us, in its own words. In TLS 1.3 a client learns this only after its handshake is complete.
    case refusedByPeer(Alert, ours: CertificateName)
    /// The peer ended the connection with a fatal alert that is not about our certificate.
    case alert(Alert)
    /// The first bytes were no TLS.
    case notTLS(PlainBytes)
    /// The peer speaks TLS, and no version as new as 1.3.
    case oldVersion
    /// The peer did not agree to `http/1.1` by ALPN.
    case noCommonProtocol
    /// The stream ended without close_notify: what came last may be missing.
    case truncated
    case closedDuringHandshake
    case handshakeTimeout(milliseconds: Int64)
    /// A write after the connection was closed, or while it was closing.
    case closed
    /// More was written before the handshake ended than is kept.
    case tooMuchBeforeHandshake(limitBytes: Int)
    /// The peer sent more key updates (or tickets) in a row, without any data between, than an honest one has use for.
    case tooManyControlMessages(limit: Int)
    /// AES-GCM: the tag does not fit. Wrong key, wrong nonce, other associated data, or tampering.
    case authenticationFailed
    /// A key, nonce or count of a length that the algorithm does not have.
    case wrongLength(of: String, count: Int, expected: String)
    /// OpenSSL failed at something that has no better name.
    case openssl(during: String, [OpenSSLFault])

    public var description: String {
        switch self {
        case .credentials(let file, let fault): "cannot use \(file): \(fault)"
        case .refusedPeer(let fault, let certificate):
            certificate.isEmpty
                ? "refused the peer's certificate: \(fault)" : "refused the peer's certificate \(certificate): \(fault)"
        case .refusedByPeer(let alert, let ours): "the peer refused our certificate \(ours): \(alert.meaning)"
        case .alert(let alert): "the peer ended the TLS connection with the alert \(alert)"
        case .notTLS(let bytes): "the peer does not speak TLS: \(bytes)"
        case .oldVersion: "the peer does not speak TLS 1.3, the only version allowed here; update its TLS library"
        case .noCommonProtocol: "the peer did not agree to http/1.1 by ALPN, the only protocol spoken here"
        case .truncated:
            "the peer closed the connection without saying that it was done (no close_notify): the last answer may be cut short"
        case .closedDuringHandshake:
            "the peer closed the connection during the TLS handshake; its log may say why"
        case .handshakeTimeout(let milliseconds):
            "the TLS handshake was not complete after \(milliseconds) ms; the peer is overloaded, or not an agent"
        case .closed: "the TLS connection is closed"
        case .tooMuchBeforeHandshake(let limit):
            "more than \(limit) bytes were written before the TLS handshake was complete; wait for it first"
        case .tooManyControlMessages(let limit):
            "the peer sent more than \(limit) TLS key updates in a row without any data; it is broken, or an attack"
        case .authenticationFailed:
            "the bytes are not authentic: another key sealed them, or they were changed on the way"
        case .wrongLength(let of, let count, let expected): "\(of) has \(count) bytes; \(expected) are needed"
        case .openssl(let during, let faults):
            "OpenSSL failed at \(during): \(faults.isEmpty ? "no reason given" : faults.map(\.text).joined(separator: "; "))"
        }
    }
}

/// What a peer sent instead of TLS.
public enum PlainBytes: Hashable, Sendable, CustomStringConvertible {
    case http
    /// The first five bytes.
    case other([UInt8])

    public var description: String {
        switch self {
        case .http: "it sent plain HTTP; use https:// and a client certificate"
        case .other(let bytes):
            "its first bytes are \(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " "))"
        }
    }
}

/// Why a file of our own credentials is not usable.
public enum CredentialsFault: Hashable, Sendable, CustomStringConvertible {
    case unreadable(String)
    case tooLarge(limitBytes: Int)
    /// No PEM block of the kind that belongs into this file.
    case malformed(expected: String, [OpenSSLFault])
    /// A block behind good ones; it counts from 1.
    case malformedBlock(number: Int, [OpenSSLFault])
    case tooManyCertificates(max: Int)
    /// A folder, a pipe, a device.
    case notAFile
    case encryptedKey
    /// The key is not the one whose public half the certificate carries.
    case keyMismatch
    /// Its signatures do not fit a datagram.
    case wrongKindOfKey
    case certificate(CertificateFault)

    public var description: String {
        switch self {
        case .unreadable(let reason): "\(reason); it must be readable by the user that runs roost"
        case .tooLarge(let limit): "it is larger than \(limit) bytes"
        case .malformed(let expected, let faults):
            "it holds no readable \(expected) in PEM form"
                + (faults.isEmpty ? "" : " (\(faults.map(\.text).joined(separator: "; ")))")
        case .malformedBlock(let number, let faults):
            "its certificate number \(number) is damaged (\(faults.map(\.text).joined(separator: "; "))); "
                + "put it in whole, or take it out"
        case .tooManyCertificates(let max): "it holds more than \(max) certificates; leave those of this cluster"
        case .notAFile: "it is not a regular file"
        case .encryptedKey: "the key is protected by a passphrase; store it without one, mode 0600"
        case .keyMismatch: "the key does not belong to cert.pem; both must come from the same issue"
        case .wrongKindOfKey:
            "a node signs with a key on the curve P-256 (or P-384, or Ed25519), and this is none; issue a certificate "
                + "with such a key"
        case .certificate(let fault): fault.description
        }
    }
}

/// Unix seconds as RFC 3339 in UTC, without Foundation (Hinnant's civil-from-days).
enum RFC3339 {
    static func text(_ seconds: Int64) -> String {
        // Certificates end at year 9999; what lies outside is shown as the number that it is.
        guard (-62_135_596_800...253_402_300_799).contains(seconds) else { return "\(seconds) s" }
        let days = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400
        let rest = seconds - days * 86_400
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthIndex + 2) / 5 + 1
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
            + "T\(padded(rest / 3_600, 2)):\(padded(rest / 60 % 60, 2)):\(padded(rest % 60, 2))Z"
    }
}
