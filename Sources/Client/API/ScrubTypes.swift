/// How the check of the bytes on one node's disk is doing: `GET /v1/status` has it, and `POST /v1/scrub` answers with it.
extension API {
    /// Nothing to say yet: `{}`.
    public struct ScrubRequest: Codable, Hashable, Sendable {
        public init() {}
    }

    public struct ScrubStatus: Codable, Hashable, Sendable {
        /// A pass is under way.
        public var running: Bool
        /// Passes that this agent has begun, or gone on with, since it started.
        public var passes: UInt64
        /// When the last whole pass ended (RFC 3339); nil before the first.
        public var lastPass: String?
        /// Blobs checked by the pass under way, else by the last one, and their bytes.
        public var checked: UInt64
        public var bytes: UInt64
        /// Bytes that the pass under way has to check in all.
        public var total: UInt64
        /// Blobs found missing or wrong since this agent started.
        public var rotten: UInt64
        /// Those of them that were fetched again from another holder.
        public var repaired: UInt64
        /// Blobs that this node lacks now.
        public var unrepaired: UInt64

        public init(
            running: Bool, passes: UInt64, lastPass: String?, checked: UInt64, bytes: UInt64, total: UInt64,
            rotten: UInt64, repaired: UInt64, unrepaired: UInt64
        ) {
            self.running = running
            self.passes = passes
            self.lastPass = lastPass
            self.checked = checked
            self.bytes = bytes
            self.total = total
            self.rotten = rotten
            self.repaired = repaired
            self.unrepaired = unrepaired
        }

        enum CodingKeys: String, CodingKey {
            case running, passes
            case lastPass = "last_pass"
            case checked, bytes, total, rotten, repaired, unrepaired
        }
    }
}
