/// What a change of the membership would move: `GET /v1/plan/CHANGE/NODE`.
extension API {
    public struct Plan: Codable, Hashable, Sendable {
        /// What a node would fetch from others.
        public struct Move: Codable, Hashable, Sendable {
            public var node: String
            public var resources: Int
            public var bytes: UInt64
            /// At the rate at which it has fetched of late; absent while no node has fetched enough to tell.
            public var durationMilliseconds: UInt64?
            /// Bytes on its disk; absent where it does not say.
            public var free: UInt64?

            /// What does not fit others hold in its place.
            public var fits: Bool { free.map { bytes <= $0 } ?? true }

            public init(node: String, resources: Int, bytes: UInt64, durationMilliseconds: UInt64?, free: UInt64?) {
                self.node = node
                self.resources = resources
                self.bytes = bytes
                self.durationMilliseconds = durationMilliseconds
                self.free = free
            }

            enum CodingKeys: String, CodingKey {
                case node, resources, bytes, free
                case durationMilliseconds = "duration_ms"
            }
        }

        /// What a node would drop when its new owners have it.
        public struct Drop: Codable, Hashable, Sendable {
            public var node: String
            public var resources: Int
            public var bytes: UInt64

            public init(node: String, resources: Int, bytes: UInt64) {
                self.node = node
                self.resources = resources
                self.bytes = bytes
            }

            enum CodingKeys: String, CodingKey { case node, resources, bytes }
        }

        /// What would have fewer copies than `replicas`, for want of members.
        public struct Short: Codable, Hashable, Sendable {
            public var resources: Int
            public var bytes: UInt64

            public init(resources: Int, bytes: UInt64) {
                self.resources = resources
                self.bytes = bytes
            }

            enum CodingKeys: String, CodingKey { case resources, bytes }
        }

        /// `leave`, `join` or `fail`.
        public var change: String
        public var node: String
        public var replicas: Int
        /// Copies that would be made, and their bytes, over all nodes.
        public var resources: Int
        public var bytes: UInt64
        /// Until the last node has what it fetches; absent while no node has fetched enough to tell.
        public var durationMilliseconds: UInt64?
        /// For how long nothing moves first: `relocation.delay`, for a node that fails.
        public var startsAfterMilliseconds: UInt64
        /// Sorted by node; those that would fetch nothing are not in it.
        public var moves: [Move]
        public var drops: [Drop]
        public var short: Short
        /// Members that did not say what they hold: what only they know of is not counted.
        public var unreachable: [String]

        public init(
            change: String, node: String, replicas: Int, resources: Int, bytes: UInt64, durationMilliseconds: UInt64?,
            startsAfterMilliseconds: UInt64, moves: [Move], drops: [Drop], short: Short, unreachable: [String]
        ) {
            self.change = change
            self.node = node
            self.replicas = replicas
            self.resources = resources
            self.bytes = bytes
            self.durationMilliseconds = durationMilliseconds
            self.startsAfterMilliseconds = startsAfterMilliseconds
            self.moves = moves
            self.drops = drops
            self.short = short
            self.unreachable = unreachable
        }

        enum CodingKeys: String, CodingKey {
            case change, node, replicas, resources, bytes, moves, drops, short, unreachable
            case durationMilliseconds = "duration_ms"
            case startsAfterMilliseconds = "starts_after_ms"
        }
    }
}
