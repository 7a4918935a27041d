import Vocabulary

/// Where an agent answers: its unix socket on this machine, or its TLS port.
public enum AgentAddress: Hashable, Sendable, CustomStringConvertible {
    case unix(path: String)
    case https(Endpoint)

    /// What the agent's package sets up and the command line tries first.
    public static let standard = AgentAddress.unix(path: "/run/roost/roost.sock")

    /// Linux's `sun_path` has 108 bytes with the zero at the end.
    public static let socketPathByteCountMax = 107

    /// Parses `unix:/path` or `https://host[:port]`.
    ///
    /// - Throws: `ClientError.badAddress` with what is wrong and both forms.
    public init(parsing text: String) throws(ClientError) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), !path.utf8.contains(0) else {
                throw .badAddress(text: text, reason: "the path of a unix socket must begin with /")
            }
            guard path.utf8.count <= Self.socketPathByteCountMax else {
                throw .badAddress(
                    text: text, reason: "the path of a unix socket has at most \(Self.socketPathByteCountMax) bytes")
            }
            self = .unix(path: path)
        } else if text.hasPrefix("https://") {
            var rest = text.dropFirst("https://".count)
            if rest.hasSuffix("/") { rest.removeLast() }
            do {
                self = .https(try Endpoint(parsing: String(rest)))
            } catch {
                throw .badAddress(text: text, reason: error.description)
            }
        } else {
            throw .badAddress(text: text, reason: "it has neither form")
        }
    }

    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .https(let endpoint): "https://\(endpoint)"
        }
    }
}
