import NIOCore
import Vocabulary

/// The rest of the API, one call a line of CONTRACT's table.
extension AgentClient {
    /// - Parameter conflictsOnly: wants only names with conflicts, those of which a delete goes first among them. An agent
    ///   that is older answers with all names that are not deleted.
    public func list(
        prefix: String? = nil, pattern: String? = nil, limit: Int? = nil, after: String? = nil,
        conflictsOnly: Bool = false
    ) async throws -> API.ResourceList {
        try await getJSON(
            API.ResourceList.self,
            ResourcePath.with(
                "/v1/resources",
                query: [
                    ("prefix", prefix), ("pattern", pattern), ("limit", limit.map(String.init)), ("after", after),
                    ("conflicts", conflictsOnly ? "1" : nil),
                ]))
    }

    public func history(_ name: String) async throws -> API.History {
        try await getJSON(API.History.self, "/v1/history/" + ResourcePath.encode(name))
    }

    public func whereIs(_ name: String) async throws -> API.Where {
        try await getJSON(API.Where.self, "/v1/where/" + ResourcePath.encode(name))
    }

    /// What one GET of the path brings, asked once: `get` asks again where that may help.
    ///
    /// - Parameter limit: bytes, at most.
    /// - Throws: `ClientError.status` for any status but 2xx.
    public func fetch(
        _ path: String, upTo limit: Int, timeouts: ClientTimeouts? = nil
    ) async throws -> (bytes: [UInt8], version: String?) {
        let request = ClientRequest("GET", path)
        let response = try await send(request, timeouts: timeouts)
        try await Self.check(response, request)
        let body = try await response.body.collect(upTo: limit)
        return (Array(body.readableBytesView), response.headers["roost-version"])
    }

    public func members() async throws -> [API.Member] { try await getJSON([API.Member].self, "/v1/members") }

    public func why(_ member: String) async throws -> API.Explanation {
        try await getJSON(API.Explanation.self, "/v1/members/\(ResourcePath.encode(member))/why")
    }

    public func status() async throws -> API.Status { try await getJSON(API.Status.self, "/v1/status") }

    public func peers() async throws -> API.Peers { try await getJSON(API.Peers.self, "/v1/peers") }

    public func ring() async throws -> API.RingInfo { try await getJSON(API.RingInfo.self, "/v1/ring") }

    /// - Parameters:
    ///   - change: `leave`, `join` or `fail`.
    ///   - weight: with `join`, the weight that the node would have, 0-10,000.
    public func plan(
        _ change: String, node: String, weight: UInt32? = nil, zone: String? = nil
    ) async throws -> API.Plan {
        try await getJSON(
            API.Plan.self,
            ResourcePath.with(
                "/v1/plan/\(change)/\(ResourcePath.encode(node))",
                query: [("weight", weight.map(String.init)), ("zone", zone)]))
    }

    public func keys() async throws -> API.Keys { try await getJSON(API.Keys.self, "/v1/keys") }

    /// Has the agent make a new key for the gossip; `keys` says how far it is.
    public func rotateKeys() async throws -> API.KeyRotation {
        try await postJSON(API.KeyRotation.self, "/v1/keys/rotate", API.RotateRequest())
    }

    public func join(_ addresses: [String]) async throws -> API.JoinResult {
        try await postJSON(API.JoinResult.self, "/v1/join", API.JoinRequest(addresses: addresses))
    }

    /// Answers when the agent has handed over all that it holds, or its time for that is up. The connection may be
    /// silent for as long: an hour is past any sensible `leave.timeout`.
    public func leave(now: Bool, timeout: Duration? = nil) async throws -> API.LeaveResult {
        let milliseconds = timeout.map { UInt64(max(0, $0.saturatingNanoseconds) / 1_000_000) }
        let patience = timeout.map { $0 + .seconds(60) } ?? .seconds(3600)
        return try await postJSON(
            API.LeaveResult.self, "/v1/leave", API.LeaveRequest(now: now, timeoutMilliseconds: milliseconds),
            timeouts: ClientTimeouts(idle: patience))
    }

    /// Answers when the members know that the agent restarts, a few seconds at most; then it ends.
    public func restart() async throws -> API.RestartResult {
        try await postJSON(API.RestartResult.self, "/v1/restart", API.RestartRequest())
    }

    /// Has the agent check all bytes on its disk now; `status` says how far it is.
    public func scrub() async throws -> API.ScrubStatus {
        try await postJSON(API.ScrubStatus.self, "/v1/scrub", API.ScrubRequest())
    }

    public func forget(_ node: String) async throws -> API.ForgetResult {
        try await postJSON(API.ForgetResult.self, "/v1/forget", API.ForgetRequest(node: node))
    }

    public func revoke(_ name: String) async throws { try await post("/v1/revoke", API.RevokeRequest(name: name)) }

    /// The events that the agent remembers, and with `follow` those to come, until the connection ends. It does not
    /// reconnect: the caller knows the last id, and whether a gap matters.
    public func events(follow: Bool, after lastID: UInt64? = nil) async throws -> EventStream {
        var headers: HeaderFields = ["Accept": "text/event-stream"]
        if let lastID { headers.add("Last-Event-ID", "\(lastID)") }
        let request = ClientRequest(
            "GET", ResourcePath.with("/v1/events", query: [("follow", follow ? "1" : "0")]), headers: headers)
        // Silence is normal on a quiet cluster: agents send a comment now and then, but need not.
        let response = try await send(request, timeouts: follow ? ClientTimeouts(idle: nil) : nil)
        try await Self.check(response, request)
        return EventStream(body: response.body)
    }
}
