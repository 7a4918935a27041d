/// A TLS alert (RFC 8446 §6): what the other side has to say before it hangs up.
public struct Alert: Hashable, Sendable, CustomStringConvertible {
    public let code: UInt8

    public init(code: UInt8) { self.code = code }

    static let badCertificate = Alert(code: 42)
    static let unsupportedCertificate = Alert(code: 43)
    static let certificateRevoked = Alert(code: 44)
    static let certificateExpired = Alert(code: 45)
    static let certificateUnknown = Alert(code: 46)
    static let unknownCA = Alert(code: 48)
    static let accessDenied = Alert(code: 49)
    static let decryptError = Alert(code: 51)
    static let protocolVersion = Alert(code: 70)
    static let certificateRequired = Alert(code: 116)
    static let noApplicationProtocol = Alert(code: 120)

    /// Whether this alert judges the certificate of the one who receives it.
    var isAboutCertificate: Bool {
        switch self {
        case .badCertificate, .unsupportedCertificate, .certificateRevoked, .certificateExpired, .certificateUnknown,
            .unknownCA, .accessDenied, .decryptError, .certificateRequired:
            true
        // Alerts are an open set of numbers, not an enum of ours.
        default: false
        }
    }

    /// What the peer most likely means, and what to look at.
    var meaning: String {
        switch self {
        case .badCertificate:
            "bad certificate: it is of another cluster, lacks a usable roost:// name, or is not the one that the peer meant to call"
        case .unsupportedCertificate: "unsupported certificate: its extended key usage does not allow this direction"
        case .certificateRevoked: "revoked"
        case .certificateExpired: "expired on the peer's clock; issue a new one, or check both clocks"
        case .certificateUnknown: "it could not be accepted, for a reason that the peer keeps to itself"
        case .unknownCA: "unknown CA: the peer's ca.pem does not hold the CA that issued ours"
        case .accessDenied: "access denied"
        case .decryptError: "the signature on it does not fit the CA that the peer trusts"
        case .certificateRequired: "none was sent, and the peer requires one"
        default: name
        }
    }

    public var name: String {
        switch code {
        case 0: "close_notify"
        case 10: "unexpected_message"
        case 20: "bad_record_mac"
        case 22: "record_overflow"
        case 40: "handshake_failure"
        case 42: "bad_certificate"
        case 43: "unsupported_certificate"
        case 44: "certificate_revoked"
        case 45: "certificate_expired"
        case 46: "certificate_unknown"
        case 47: "illegal_parameter"
        case 48: "unknown_ca"
        case 49: "access_denied"
        case 50: "decode_error"
        case 51: "decrypt_error"
        case 70: "protocol_version"
        case 71: "insufficient_security"
        case 80: "internal_error"
        case 90: "user_canceled"
        case 109: "missing_extension"
        case 110: "unsupported_extension"
        case 116: "certificate_required"
        case 120: "no_application_protocol"
        default: "alert \(code)"
        }
    }

    public var description: String { name }
}
