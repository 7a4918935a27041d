/// Who owns how much, and which keys seal the gossip: `GET /v1/ring`, `GET /v1/keys`.
extension API {
    public struct RingInfo: Codable, Hashable, Sendable {
        public struct Share: Codable, Hashable, Sendable {
            public var node: String
            public var weight: UInt32
            public var zone: String?
            /// Slots that it ranks first for.
            public var first: Int
            /// Slots that it is one of the owners of.
            public var owned: Int
            /// `owned` of all copies of all slots, 0–1.
            public var share: Double

            public init(node: String, weight: UInt32, zone: String?, first: Int, owned: Int, share: Double) {
                self.node = node
                self.weight = weight
                self.zone = zone
                self.first = first
                self.owned = owned
                self.share = share
            }

            enum CodingKeys: String, CodingKey { case node, weight, zone, first, owned, share }
        }

        public var slots: Int
        public var replicas: Int
        /// The eligible members, sorted by name.
        public var nodes: [Share]

        public init(slots: Int, replicas: Int, nodes: [Share]) {
            self.slots = slots
            self.replicas = replicas
            self.nodes = nodes
        }

        enum CodingKeys: String, CodingKey { case slots, replicas, nodes }
    }

    /// The cluster keys that this node knows; never the keys themselves.
    public struct Keys: Codable, Hashable, Sendable {
        public struct Key: Codable, Hashable, Sendable {
            /// Eight hexadecimal digits.
            public var id: String
            /// RFC 3339.
            public var created: String
            /// Whether datagrams are sealed with this one.
            public var primary: Bool
            /// Nil of an agent that is older, as is what follows.
            public var state: State?
            public var ageMilliseconds: UInt64?
            /// Members known to have it (spreading) or to seal with it (sealing), the node asked included.
            public var members: Int?
            /// Of one that opens: after that it is refused.
            public var retiresInMilliseconds: UInt64?

            public init(
                id: String, created: String, primary: Bool, state: State? = nil, ageMilliseconds: UInt64? = nil,
                members: Int? = nil, retiresInMilliseconds: UInt64? = nil
            ) {
                self.id = id
                self.created = created
                self.primary = primary
                self.state = state
                self.ageMilliseconds = ageMilliseconds
                self.members = members
                self.retiresInMilliseconds = retiresInMilliseconds
            }

            enum CodingKeys: String, CodingKey {
                case id, created, primary, state
                case ageMilliseconds = "age_ms"
                case members
                case retiresInMilliseconds = "retires_in_ms"
            }
        }

        public enum State: String, Codable, Hashable, Sendable, CaseIterable {
            /// On its way to every member; opens, and seals nothing yet.
            case spreading
            case sealing
            /// From before: opens, until it is retired.
            case opening
        }

        /// Newest first.
        public var keys: [Key]
        /// Those present, the node asked included.
        public var members: Int?
        /// A new key is on its way, or one from before still opens.
        public var rotating: Bool?

        public init(keys: [Key], members: Int? = nil, rotating: Bool? = nil) {
            self.keys = keys
            self.members = members
            self.rotating = rotating
        }

        enum CodingKeys: String, CodingKey { case keys, members, rotating }
    }

    /// Nothing to say yet: `{}`.
    public struct RotateRequest: Codable, Hashable, Sendable {
        public init() {}
    }

    /// What `POST /v1/keys/rotate` has begun.
    public struct KeyRotation: Codable, Hashable, Sendable {
        /// The new key's.
        public var id: String
        /// RFC 3339.
        public var created: String
        /// False when one was under way already.
        public var begun: Bool

        public init(id: String, created: String, begun: Bool) {
            self.id = id
            self.created = created
            self.begun = begun
        }

        enum CodingKeys: String, CodingKey { case id, created, begun }
    }
}
