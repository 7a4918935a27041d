/// Invitations of hosts and users: `GET` and `POST /v1/invitations`, `POST /v1/invitations/revoke`.
extension API {
    public struct InviteRequest: Codable, Hashable, Sendable {
        /// node, client, reader or admin.
        public var role: String
        /// The name that it is good for; nil where the holder may choose one that is free.
        public var name: String?
        /// As `1h`; nil for the default.
        public var expires: String?
        /// Addresses of the issuer that its holder is to call first.
        public var via: [String]
        /// What a node's certificate carries beside its name and the address that it calls from.
        public var ips: [String]
        public var dns: [String]

        public init(
            role: String, name: String? = nil, expires: String? = nil, via: [String] = [], ips: [String] = [],
            dns: [String] = []
        ) {
            self.role = role
            self.name = name
            self.expires = expires
            self.via = via
            self.ips = ips
            self.dns = dns
        }
    }

    public struct Invitation: Codable, Hashable, Sendable {
        public var id: String
        public var role: String
        public var name: String?
        /// open, used, expired or revoked.
        public var state: String
        /// RFC 3339.
        public var created: String
        public var expires: String
        public var usedBy: String?
        public var usedAt: String?

        public init(
            id: String, role: String, name: String?, state: String, created: String, expires: String, usedBy: String?,
            usedAt: String?
        ) {
            self.id = id
            self.role = role
            self.name = name
            self.state = state
            self.created = created
            self.expires = expires
            self.usedBy = usedBy
            self.usedAt = usedAt
        }

        enum CodingKeys: String, CodingKey {
            case id, role, name, state, created, expires
            case usedBy = "used_by"
            case usedAt = "used_at"
        }
    }

    /// The one answer that a token is ever in.
    public struct Invite: Codable, Hashable, Sendable {
        public var token: String
        public var invitation: Invitation

        public init(token: String, invitation: Invitation) {
            self.token = token
            self.invitation = invitation
        }
    }

    public struct RevokeInvitationRequest: Codable, Hashable, Sendable {
        public var id: String

        public init(id: String) { self.id = id }
    }
}

extension AgentClient {
    public func invite(_ request: API.InviteRequest) async throws -> API.Invite {
        try await postJSON(API.Invite.self, "/v1/invitations", request)
    }

    public func invitations() async throws -> [API.Invitation] {
        try await getJSON([API.Invitation].self, "/v1/invitations")
    }

    public func revokeInvitation(_ id: String) async throws {
        try await post("/v1/invitations/revoke", API.RevokeInvitationRequest(id: id))
    }
}
