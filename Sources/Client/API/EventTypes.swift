/// What happened to whom: the `data` of each server-sent event of `GET /v1/events`.
extension API {
    /// On the wire: `id: N`, `event: TYPE`, `data: {…}` and an empty line; a line `:` now and then keeps a silent
    /// stream alive.
    public struct Event: Codable, Hashable, Sendable {
        /// Grows by one an event since this agent started; `Last-Event-ID` takes it.
        public var id: UInt64
        /// RFC 3339.
        public var time: String
        /// `joined`, `suspected`, `crashed`, `left`, `returned`, `updated`, …: a text, so that an older command line
        /// shows the events of a newer agent.
        public var type: String
        /// The node that it happened to.
        public var node: String
        public var address: String?
        /// Who said so.
        public var by: String?
        public var detail: String?

        public init(
            id: UInt64, time: String, type: String, node: String, address: String? = nil, by: String? = nil,
            detail: String? = nil
        ) {
            self.id = id
            self.time = time
            self.type = type
            self.node = node
            self.address = address
            self.by = by
            self.detail = detail
        }

        enum CodingKeys: String, CodingKey { case id, time, type, node, address, by, detail }
    }
}
