import HTTPTypes
import TLS
import Vocabulary

/// Law 8's roles, as CONTRACT words them: readers GET; clients also PUT and DELETE; admins also membership and keys;
/// nodes also `/v1/peer/…`; the unix socket is admin; plain HTTP sees metrics and health.
///
/// The rule looks at the route that the router matched, never at the text of the path: what the handler runs as is
/// what was judged, however the path was spelt.
enum AccessRules {
    /// What plain HTTP on loopback may see.
    static let publicRoutes: Set<String> = ["/metrics", "/healthz", "/readyz"]
    static let peerPrefix = "/v1/peer/"
    static let keysPrefix = "/v1/keys"
    static let invitationsPrefix = "/v1/invitations"
    static let authorityPrefix = "/v1/ca"
    /// Of it the last word is whose certificate was shown: everybody may get another for their own name.
    static let certificateRoute = "/v1/certificate"
    static let resourcesPrefix = "/v1/resources/"

    /// Nil when the caller may; else what would be needed.
    static func refusal(caller: Caller, method: HTTPRequest.Method, route: String) -> APIError? {
        if allows(caller, method, route) { return nil }
        return .forbidden(
            "\(caller.shown) may not \(method.rawValue) \(route)", hint: "it takes \(need(method, route))")
    }

    private static func allows(_ caller: Caller, _ method: HTTPRequest.Method, _ route: String) -> Bool {
        let reads = method == .get || method == .head
        switch caller {
        case .loopbackHTTP:
            return reads && publicRoutes.contains(route)
        case .unixSocket:
            return !route.hasPrefix(peerPrefix)
        case .certificate(let identity):
            switch identity.name.role {
            // Not even to look: a node that was taken over must not make itself others.
            case .node: return !isOfAuthority(route)
            case .admin: return !route.hasPrefix(peerPrefix)
            case .client:
                if isForAdmins(route) { return false }
                return reads || route == certificateRoute
                    || ((method == .put || method == .delete) && route.hasPrefix(resourcesPrefix))
            case .reader:
                return !isForAdmins(route) && (reads || route == certificateRoute)
            }
        }
    }

    /// Or for nodes.
    private static func isForAdmins(_ route: String) -> Bool {
        route.hasPrefix(peerPrefix) || route.hasPrefix(keysPrefix) || isOfAuthority(route)
    }

    private static func isOfAuthority(_ route: String) -> Bool {
        route.hasPrefix(invitationsPrefix) || route == authorityPrefix || route.hasPrefix(authorityPrefix + "/")
    }

    private static func need(_ method: HTTPRequest.Method, _ route: String) -> String {
        if route.hasPrefix(peerPrefix) { return "the certificate of a node" }
        if route.hasPrefix(keysPrefix) || isOfAuthority(route) {
            return "the certificate of an admin, or the agent's unix socket"
        }
        if method == .get || method == .head { return "a certificate of this cluster on the TLS port" }
        if (method == .put || method == .delete) && route.hasPrefix(resourcesPrefix) {
            return "the certificate of a client or an admin, or the agent's unix socket"
        }
        return "the certificate of an admin, or the agent's unix socket"
    }
}
