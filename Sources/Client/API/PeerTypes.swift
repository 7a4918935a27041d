/// The peers table as the API shows it: `GET /v1/peers`.
extension API {
    public struct Peers: Codable, Hashable, Sendable {
        /// `peers.max`
        public var max: Int
        public var connected: Int
        public var peers: [Peer]

        public init(max: Int, connected: Int, peers: [Peer]) {
            self.max = max
            self.connected = connected
            self.peers = peers
        }

        enum CodingKeys: String, CodingKey { case max, connected, peers }
    }

    public struct Peer: Codable, Hashable, Sendable {
        public enum State: String, Codable, Hashable, Sendable, CaseIterable {
            case connecting, busy, idle
        }

        public var name: String
        public var address: String
        public var state: State
        /// Connections to it that are open now.
        public var connections: Int
        /// Requests sent to it since this agent started.
        public var requests: UInt64
        public var rttMilliseconds: Double?
        /// Time since the last request ended; absent while busy.
        public var idleMilliseconds: UInt64?

        public init(
            name: String, address: String, state: State, connections: Int, requests: UInt64, rttMilliseconds: Double?,
            idleMilliseconds: UInt64?
        ) {
            self.name = name
            self.address = address
            self.state = state
            self.connections = connections
            self.requests = requests
            self.rttMilliseconds = rttMilliseconds
            self.idleMilliseconds = idleMilliseconds
        }

        enum CodingKeys: String, CodingKey {
            case name, address, state, connections, requests
            case rttMilliseconds = "rtt_ms"
            case idleMilliseconds = "idle_ms"
        }
    }
}
