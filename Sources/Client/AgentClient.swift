import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TLS
import Vocabulary

/// What a person or a test wants of a cluster, whichever agent gives it: the calls of the API over connections that
/// are opened as needed, to the first of the known agents that answers.
public final class AgentClient: Sendable {
    /// More agents than this are a list made by mistake.
    public static let agentsMax = 64
    /// Answers that are one JSON value: a list's page of 1,000 resources has some 500 kB.
    public static let jsonBytesMax = 64 << 20

    public let agents: [AgentAddress]
    let tls: TLSContext?
    let expecting: ExpectedPeer
    let connectTimeout: Duration
    let timeouts: ClientTimeouts
    let writePatience: WritePatience
    let eventLoopGroup: any EventLoopGroup

    private struct State {
        /// The agent that answered last: asked first next time.
        var current = 0
        var kept: [AgentAddress: ClientConnection] = [:]
    }

    private let state = NIOLockedValueBox(State())

    /// - Parameters:
    ///   - agents: tried in order; at least one.
    ///   - expecting: who must answer at an `https` address.
    ///   - writePatience: how long a write that all agents put off (503, of which nothing was written) is asked for again.
    /// - Throws: `ClientError.badAddress` for an empty or over-long list.
    public init(
        agents: [AgentAddress], tls: TLSContext?, expecting: ExpectedPeer = .anyNode,
        connectTimeout: Duration = .seconds(10), timeouts: ClientTimeouts = .standard,
        writePatience: WritePatience = .none,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) throws(ClientError) {
        guard (1...Self.agentsMax).contains(agents.count) else {
            throw .badAddress(text: "", reason: "1 to \(Self.agentsMax) agents can be named, not \(agents.count)")
        }
        self.agents = agents
        self.tls = tls
        self.expecting = expecting
        self.connectTimeout = connectTimeout
        self.timeouts = timeouts
        self.writePatience = writePatience
        self.eventLoopGroup = eventLoopGroup
    }

    /// Closes what is kept open. A client can be used again after it.
    public func close() async {
        let connections = state.withLockedValue { state in
            defer { state.kept = [:] }
            return Array(state.kept.values)
        }
        for connection in connections { await connection.close() }
    }

    /// Asks the first agent that can be reached; any status is an answer.
    public func send(_ request: ClientRequest, timeouts: ClientTimeouts? = nil) async throws -> ClientResponse {
        let isRead = request.method == "GET" || request.method == "HEAD"
        // A kept connection may have been closed at the other end just now: a read is simply asked again, but whether
        // anything else was carried out could not be told. So that goes out on connections of its own.
        if isRead, let kept = keptConnection() {
            do {
                return try await kept.send(request, timeouts: timeouts ?? self.timeouts)
            } catch ClientError.closed, ClientError.notIdle {
                // Asked again below.
            }
        }
        let connection = try await connect()
        return try await connection.send(request, timeouts: timeouts ?? self.timeouts)
    }

    private func keptConnection() -> ClientConnection? {
        state.withLockedValue { state in
            guard let kept = state.kept[agents[state.current]], kept.isIdle else { return nil }
            return kept
        }
    }

    /// A new connection to the first agent that takes one, beginning with the one that did last.
    func connect() async throws -> ClientConnection {
        var failure: (any Error)?
        for index in agentsInOrder {
            do { return try await connect(to: index) } catch let error as ClientError where error.isWorthAnotherAgent {
                failure = failure ?? error
            }
        }
        throw failure ?? ClientError.badAddress(text: "", reason: "no agent is named")
    }

    /// Where the agents are in the list, beginning with the one that took a connection last.
    var agentsInOrder: [Int] {
        let first = state.withLockedValue { $0.current }
        return agents.indices.map { (first + $0) % agents.count }
    }

    func connect(to index: Int) async throws -> ClientConnection {
        let connection = try await ClientConnection.connect(
            to: agents[index], tls: tls, expecting: expecting, timeout: connectTimeout, eventLoopGroup: eventLoopGroup)
        state.withLockedValue { state in
            state.current = index
            state.kept[agents[index]] = connection
        }
        return connection
    }

    /// Begins with another agent next time: the present one broke off.
    func preferNextAgent() {
        state.withLockedValue { state in
            state.kept[agents[state.current]] = nil
            state.current = (state.current + 1) % agents.count
        }
    }

    // MARK: JSON

    /// - Throws: `ClientError.status` for any status but 2xx.
    public func json<T: Decodable & Sendable>(
        _ type: T.Type, _ request: ClientRequest, timeouts: ClientTimeouts? = nil
    ) async throws -> T {
        let response = try await send(request, timeouts: timeouts)
        try await Self.check(response, request)
        return try API.JSON.decode(
            type, from: try await response.body.collect(upTo: Self.jsonBytesMax).readableBytesView)
    }

    public func getJSON<T: Decodable & Sendable>(_ type: T.Type, _ path: String) async throws -> T {
        try await json(type, ClientRequest("GET", path, headers: ["Accept": "application/json"]))
    }

    public func postJSON<T: Decodable & Sendable>(
        _ type: T.Type, _ path: String, _ body: some Encodable, timeouts: ClientTimeouts? = nil
    ) async throws -> T {
        try await json(type, try Self.post(path, body), timeouts: timeouts)
    }

    /// Posts where only the status matters.
    public func post(_ path: String, _ body: some Encodable, timeouts: ClientTimeouts? = nil) async throws {
        let request = try Self.post(path, body)
        let response = try await send(request, timeouts: timeouts)
        try await Self.check(response, request)
        await response.body.discard()
    }

    private static func post(_ path: String, _ body: some Encodable) throws(ClientError) -> ClientRequest {
        ClientRequest(
            "POST", path, headers: ["Accept": "application/json", "Content-Type": "application/json"],
            body: .bytes(ByteBuffer(bytes: try API.JSON.encode(body))))
    }

    /// Turns a refusal into its error, reading what the agent says about it.
    static func check(_ response: ClientResponse, _ request: ClientRequest) async throws {
        guard !(200...299).contains(response.status) else { return }
        let problem: API.ErrorBody.Problem
        do {
            let body = try await response.body.collect(upTo: 1 << 16)
            problem = try API.JSON.decode(API.ErrorBody.self, from: body.readableBytesView).error
        } catch let error as CancellationError {
            throw error
        } catch {
            // Something else than an agent answers so, or the body did not arrive: the status says enough.
            problem = API.ErrorBody.Problem(
                code: ClientError.unreadCode(status: response.status),
                message: "the request was answered with status \(response.status)")
        }
        throw ClientError.status(
            response.status, problem, request: "\(request.method) \(request.path)", node: response.headers["roost-node"]
        )
    }
}
