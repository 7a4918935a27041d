import NIOCore
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Why the agent can not listen where it was told to, and what to do.
public enum ListenError: Error, Hashable, Sendable, CustomStringConvertible {
    case busy(Endpoint, transport: Transport, key: String)
    case notPermitted(Endpoint, transport: Transport, key: String)
    case notOurAddress(Endpoint, key: String)
    case failed(Endpoint, transport: Transport, reason: String)
    /// Somebody answers on the unix socket.
    case socketInUse(path: String)
    case notASocket(path: String)
    case socketFailed(path: String, reason: String)

    public enum Transport: String, Sendable, Hashable {
        case tcp = "TCP"
        case udp = "UDP"
    }

    /// Whether the same start would fail again until an operator has corrected a setting. What is only taken may come
    /// free by itself.
    public var isConfiguration: Bool {
        switch self {
        case .notPermitted, .notOurAddress, .notASocket, .socketFailed: true
        case .busy, .failed, .socketInUse: false
        }
    }

    public var description: String {
        switch self {
        case .busy(let endpoint, let transport, let key):
            "another process listens on \(endpoint) (\(transport.rawValue)); stop it"
                + " (`ss -lp\(transport == .tcp ? "t" : "u") 'sport = :\(endpoint.port)'` shows it)"
                + " or give this agent another \(key)"
        case .notPermitted(let endpoint, let transport, let key):
            "listening on \(endpoint) (\(transport.rawValue)) is not permitted to this user;"
                + " give \(key) a port above 1023, or the service CAP_NET_BIND_SERVICE"
        case .notOurAddress(let endpoint, let key):
            "\(endpoint.host) is not an address of this machine; correct \(key) (`ip address` lists them)"
        case .failed(let endpoint, let transport, let reason):
            "cannot listen on \(endpoint) (\(transport.rawValue)): \(reason)"
        case .socketInUse(let path):
            "another agent answers on \(path); stop it, or give this one another socket"
        case .notASocket(let path):
            "\(path) exists and is no socket; move it away, or give this agent another socket"
        case .socketFailed(let path, let reason):
            "cannot listen on the unix socket \(path): \(reason); its folder must exist and be writable for this user"
        }
    }

    static func from(_ error: any Error, _ endpoint: Endpoint, _ transport: Transport, key: String) -> ListenError {
        // The name of a host that is none.
        if error is SocketAddressError || error is SocketAddressError.UnknownHost {
            return .notOurAddress(endpoint, key: key)
        }
        guard let error = error as? IOError else {
            return .failed(endpoint, transport: transport, reason: "\(error)")
        }
        switch error.errnoCode {
        case EADDRINUSE: return .busy(endpoint, transport: transport, key: key)
        case EACCES, EPERM: return .notPermitted(endpoint, transport: transport, key: key)
        case EADDRNOTAVAIL, EAFNOSUPPORT: return .notOurAddress(endpoint, key: key)
        default: return .failed(endpoint, transport: transport, reason: String(cString: strerror(error.errnoCode)))
        }
    }
}
