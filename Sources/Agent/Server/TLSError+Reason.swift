import TLS

/// Why a connection came to nothing before or in TLS; the raw texts are the labels of the metric.
enum TLSRefusal: String, Sendable, CaseIterable {
    case credentials
    case refusedPeer = "refused_peer"
    case refusedByPeer = "refused_by_peer"
    case alert
    case notTLS = "not_tls"
    case oldVersion = "old_version"
    case noCommonProtocol = "no_common_protocol"
    case truncated
    case closedDuringHandshake = "closed_during_handshake"
    case handshakeTimeout = "handshake_timeout"
    case closed
    case tooMuchBeforeHandshake = "too_much_before_handshake"
    case tooManyControlMessages = "too_many_control_messages"
    case authenticationFailed = "authentication_failed"
    case wrongLength = "wrong_length"
    case openssl
    /// No place was left for its handshake.
    case crowded
    /// Its holder has as many connections as one may.
    case crowdedIdentity = "crowded_identity"
}

extension TLSError {
    /// One word for the metrics: a label must have few values, whatever strangers send.
    var reason: TLSRefusal {
        switch self {
        case .credentials: .credentials
        case .refusedPeer: .refusedPeer
        case .refusedByPeer: .refusedByPeer
        case .alert: .alert
        case .notTLS: .notTLS
        case .oldVersion: .oldVersion
        case .noCommonProtocol: .noCommonProtocol
        case .truncated: .truncated
        case .closedDuringHandshake: .closedDuringHandshake
        case .handshakeTimeout: .handshakeTimeout
        case .closed: .closed
        case .tooMuchBeforeHandshake: .tooMuchBeforeHandshake
        case .tooManyControlMessages: .tooManyControlMessages
        case .authenticationFailed: .authenticationFailed
        case .wrongLength: .wrongLength
        case .openssl: .openssl
        }
    }

    /// A peer that hangs up is everyday life (a health check, a killed process), and no attempt to get in.
    var isEverydayEnd: Bool {
        switch self {
        case .truncated, .closed, .closedDuringHandshake: true
        case .credentials, .refusedPeer, .refusedByPeer, .alert, .notTLS, .oldVersion, .noCommonProtocol,
            .handshakeTimeout, .tooMuchBeforeHandshake, .tooManyControlMessages, .authenticationFailed, .wrongLength,
            .openssl:
            false
        }
    }
}
