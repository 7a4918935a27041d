import Vocabulary

/// One invitation as the issuer keeps it: enough to check a proof, not to make one.
public struct Invitation: Hashable, Sendable, Codable {
    /// Hexadecimal.
    public let id: String
    /// Hexadecimal: what the holder's proof is checked with.
    public let verifier: String
    public let role: Role
    public let name: NodeName?
    /// What the certificate carries beside the node's name and the address that it called from.
    public let ips: [String]
    public let dns: [String]
    /// Seconds since 1970.
    public let created: Int64
    public let expires: Int64
    public var revoked = false
    public var use: Use?

    /// Written before the certificate goes out.
    public struct Use: Hashable, Sendable, Codable {
        /// SHA-256 of the public key, hexadecimal: the only one that may come again.
        public let key: String
        public let name: NodeName
        /// Seconds since 1970.
        public let at: Int64
    }

    public enum State: String, Sendable, Codable {
        case open, used, expired, revoked
    }

    public func state(at now: Int64) -> State {
        if revoked { return .revoked }
        if use != nil { return .used }
        return now < expires ? .open : .expired
    }
}
