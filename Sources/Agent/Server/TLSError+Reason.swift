import TLS

extension TLSError {
    /// One word for the metrics: a label must have few values, whatever strangers send.
    var reason: String {
        switch self {
        case .credentials: "credentials"
        case .refusedPeer: "refused_peer"
        case .refusedByPeer: "refused_by_peer"
        case .alert: "alert"
        case .notTLS: "not_tls"
        case .oldVersion: "old_version"
        case .noCommonProtocol: "no_common_protocol"
        case .truncated: "truncated"
        case .closedDuringHandshake: "closed_during_handshake"
        case .handshakeTimeout: "handshake_timeout"
        case .closed: "closed"
        case .tooMuchBeforeHandshake: "too_much_before_handshake"
        case .tooManyControlMessages: "too_many_control_messages"
        case .authenticationFailed: "authentication_failed"
        case .wrongLength: "wrong_length"
        case .openssl: "openssl"
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
