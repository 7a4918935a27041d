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

            public init(id: String, created: String, primary: Bool) {
                self.id = id
                self.created = created
                self.primary = primary
            }

            enum CodingKeys: String, CodingKey { case id, created, primary }
        }

        public var keys: [Key]

        public init(keys: [Key]) { self.keys = keys }

        enum CodingKeys: String, CodingKey { case keys }
    }
}
