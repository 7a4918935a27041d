/// Certificates while a cluster runs: `GET` and `POST /v1/certificate`, `/v1/ca`.
extension API {
    /// `{}`, for what says all by its path.
    public struct Empty: Codable, Hashable, Sendable {
        public init() {}
    }

    /// What a node proves itself with now.
    public struct Certificate: Codable, Hashable, Sendable {
        public var name: String
        public var serial: String
        /// RFC 3339.
        public var expires: String
        /// The CA that issued it, and all that the node trusts: SHA-256 of their public keys, hexadecimal.
        public var issuer: String?
        public var trusts: [String]

        public init(name: String, serial: String, expires: String, issuer: String?, trusts: [String]) {
            self.name = name
            self.serial = serial
            self.expires = expires
            self.issuer = issuer
            self.trusts = trusts
        }
    }

    /// Asks for a certificate for another key, for the name that the caller's own says.
    public struct RenewRequest: Codable, Hashable, Sendable {
        /// PKCS #10, PEM.
        public var request: String
        /// A certificate of the same name, PEM: its hosts, addresses and length of life are taken over.
        public var present: String

        public init(request: String, present: String) {
            self.request = request
            self.present = present
        }
    }

    public struct Renewed: Codable, Hashable, Sendable {
        /// How a node without the CA refuses (409): another one is to be asked.
        public static let noAuthorityCode = "no_authority"

        /// PEM, as is what follows.
        public var certificate: String
        public var authorities: String

        public init(certificate: String, authorities: String) {
            self.certificate = certificate
            self.authorities = authorities
        }
    }

    /// One step of the change to another CA: introduce, reissue, retire or abandon.
    public struct RotateAuthorityRequest: Codable, Hashable, Sendable {
        public var step: String
        /// Names that are left behind: nodes that are away, users who did not renew.
        public var without: [String]

        public init(step: String, without: [String] = []) {
            self.step = step
            self.without = without
        }
    }

    /// The cluster's CA, on the node that has it.
    public struct Authority: Codable, Hashable, Sendable {
        /// none, introduced or reissuing.
        public var phase: String
        public var issuing: Signer
        /// The one to come, or the one before; with none, the one that has gone, while members may trust it still.
        public var other: Signer?
        /// And, as `left`, nodes that are no members now and would be kept from coming back by the next step.
        public var members: [Member]
        /// Users whose newest certificate the next step would make useless.
        public var users: [User]
        /// Whether the next step would leave nobody behind.
        public var ready: Bool

        public init(
            phase: String, issuing: Signer, other: Signer?, members: [Member], users: [User], ready: Bool
        ) {
            self.phase = phase
            self.issuing = issuing
            self.other = other
            self.members = members
            self.users = users
            self.ready = ready
        }

        public struct Signer: Codable, Hashable, Sendable {
            /// SHA-256 of the public key, hexadecimal.
            public var key: String
            public var subject: String
            /// RFC 3339.
            public var expires: String

            public init(key: String, subject: String, expires: String) {
                self.key = key
                self.subject = subject
                self.expires = expires
            }
        }

        public struct Member: Codable, Hashable, Sendable {
            public var name: String
            public var state: MemberState
            /// Trusts whom it has to, and has a certificate of the one that signs now.
            public var ready: Bool
            /// Why not, as far as it is known.
            public var problem: String?

            public init(name: String, state: MemberState, ready: Bool, problem: String? = nil) {
                self.name = name
                self.state = state
                self.ready = ready
                self.problem = problem
            }
        }

        public struct User: Codable, Hashable, Sendable {
            public var name: String
            public var role: String
            /// RFC 3339.
            public var expires: String

            public init(name: String, role: String, expires: String) {
                self.name = name
                self.role = role
                self.expires = expires
            }
        }
    }
}

extension AgentClient {
    public func renew(_ request: API.RenewRequest) async throws -> API.Renewed {
        try await postJSON(API.Renewed.self, "/v1/certificate", request)
    }

    public func authority() async throws -> API.Authority { try await getJSON(API.Authority.self, "/v1/ca") }

    public func rotateAuthority(_ request: API.RotateAuthorityRequest) async throws -> API.Authority {
        try await postJSON(API.Authority.self, "/v1/ca/rotate", request)
    }
}
