import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import TLS
import Vocabulary

/// From one request to one answer on its way: asks the gate, runs the router, adds what every answer carries.
struct APIResponder: Sendable {
    let node: NodeName
    private let router: RouterResponder<APIContext>
    private let routes: RouteTable
    private let gate: (any InboundGate)?
    private let requests: RequestsUnderWay
    private let logger: Logger
    private let date = HTTPDate()

    init(
        node: NodeName, router: Router<APIContext>, gate: (any InboundGate)?, requests: RequestsUnderWay, logger: Logger
    ) {
        self.node = node
        routes = RouteTable(router)
        self.router = router.buildResponder()
        self.gate = gate
        self.requests = requests
        self.logger = logger
    }

    @Sendable
    func respond(to request: Request, _ writer: consuming ResponseWriter, _ connection: Connection) async throws {
        connection.requestBegan()
        defer { connection.requestEnded() }
        let name = connection.identity?.name
        guard requests.begin(name) else {
            let refusal = APIError.unavailable(
                "\(connection.caller.shown) has \(requests.max) requests under way, as many as one may",
                code: "too_many_requests", retryAfterSeconds: 1)
            return try await send(refusal.response, request, writer, connection, bodyWasRead: false)
        }
        defer { requests.end(name) }
        let peer = connection.caller.node
        // This node's own certificate may come in, too (a command run on the host): it is no peer.
        guard let gate, let peer, peer != node else {
            return try await answer(request, writer, connection)
        }
        guard await gate.begin(peer, for: request.uri.path, on: connection) else {
            let refusal = APIError.unavailable(
                "\(node) is connected to as many peers as peers.max allows, and all are busy",
                code: PeersError.busyCode,
                retryAfterSeconds: 1)
            return try await send(refusal.response, request, writer, connection, bodyWasRead: false)
        }
        do {
            try await answer(request, writer, connection)
            await gate.end(peer, on: connection)
        } catch {
            await gate.end(peer, on: connection)
            throw error
        }
    }

    private func answer(
        _ request: Request, _ writer: consuming ResponseWriter, _ connection: Connection
    ) async throws {
        let context = APIContext(source: .init(logger: logger, connection: connection))
        let response = await response(to: request, context: context)
        try await send(response, request, writer, connection, bodyWasRead: context.bodyProgress.isComplete)
    }

    private func response(to request: Request, context: APIContext) async -> Response {
        do {
            let response = try await router.respond(to: request, context: context)
            // The router's own 404 has neither body nor route.
            if response.status == .notFound, context.endpointPath == "NotFound" || context.endpointPath == nil {
                return routes.refusal(for: request).response
            }
            return response
        } catch {
            return APIError.inside.response
        }
    }

    private func send(
        _ response: Response, _ request: Request, _ writer: consuming ResponseWriter, _ connection: Connection,
        bodyWasRead: Bool
    ) async throws {
        var response = request.method == .head ? response.createHeadResponse() : response
        // An answer that another node gave names that node.
        if response.headers[.roostNode] == nil { response.headers[.roostNode] = node.text }
        response.headers[.date] = date.now
        let refused = response.status.code >= 400 && request.announcesBody && !bodyWasRead
        if refused { response.headers[.connection] = "close" }
        try await writer.write(response: response.head, body: response.body)
        if refused { connection.channel.triggerUserOutboundEvent(RequestEvent.linger, promise: nil) }
    }
}
