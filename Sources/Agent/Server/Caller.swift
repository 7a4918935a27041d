import TLS
import Vocabulary

/// Who is asking, as far as it is proven.
public enum Caller: Sendable, Hashable {
    /// A verified certificate of this cluster.
    case certificate(PeerIdentity)
    /// The socket's file mode decided who may open it; acts as admin.
    case unixSocket
    /// Plain HTTP on loopback: nobody in particular, who may see metrics and health.
    case loopbackHTTP

    /// The name of the calling node; nil for any other role.
    public var node: NodeName? {
        guard case .certificate(let identity) = self, identity.name.role == .node else { return nil }
        return identity.name.name
    }

    /// For logs and for error messages.
    public var shown: String {
        switch self {
        case .certificate(let identity): "\(identity.name.role.rawValue) \(identity.name.name)"
        case .unixSocket: "the unix socket"
        case .loopbackHTTP: "plain HTTP"
        }
    }
}
