import Client
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Resources
import Storage
import Vocabulary

@testable import Agent
@testable import TLS

/// Bytes of a connection behind TLS: through the guards and the HTTP decoder that the API server puts there, and each
/// request's head through all that the routes read of it.
///
/// The first byte says in pieces of how many bytes the rest comes.
struct HTTPSubject: Subject {
    private let peer: PeerIdentity
    private let routes: RouteTable
    private let node: NodeName

    init() throws {
        node = try NodeName("simba")
        peer = PeerIdentity(
            name: try CertificateName(uri: "roost://savanna/node/chui"), notAfter: .max, serial: "1",
            fingerprint: SHA256.digest([1]))
        let router = APIRouter.make()
        for path in ["/v1/resources/**", "/v1/history/**", "/v1/members", "/v1/peer/members", "/metrics"] {
            router.get(RouterPath(path)) { _, _ in Response(status: .ok) }
        }
        router.put("/v1/resources/**") { _, _ in Response(status: .ok) }
        routes = RouteTable(router)
    }

    func run(_ input: [UInt8]) throws {
        guard let first = input.first else { return }
        let limits = ServerLimits()
        let logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
        let table = ConnectionTable()
        let channel = EmbeddedChannel()
        let connection = table.open(channel, .tls)
        connection.authenticated(peer)
        let heads = Heads()
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(
            RequestGuard(
                connection: connection, limits: limits, table: table, failures: TLSFailures(logger: logger),
                handshakes: Handshakes(limits.handshakes), logger: logger))
        var decoder = NIOHTTPDecoderLimitConfiguration()
        decoder.maxHeaderFieldSize = limits.headerBytesMax
        decoder.maxHeaderListSize = limits.headerBytesMax
        decoder.maxHeaderFieldCount = limits.headerFieldsMax
        // As Hummingbird's `HTTP1Channel` does it.
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false,
            withEncoderConfiguration: .init(), withDecoderLimitConfiguration: decoder)
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        try pipeline.addHandlers([
            PartCounter(connection: connection), ParserRefusal(node: node, limits: limits),
            BodyStallGuard(timeout: limits.idleTimeout), heads,
        ])
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }

        var bytes = input.dropFirst()
        while !bytes.isEmpty, channel.isActive {
            let part = bytes.prefix(first == 0 ? bytes.count : Int(first))
            bytes = bytes.dropFirst(part.count)
            _ = try? channel.writeInbound(ByteBuffer(bytes: part))
        }
        let context = APIContext(source: .init(logger: logger, connection: connection))
        for head in heads.all { try judge(Request(head: head, body: .init(buffer: ByteBuffer())), context) }
        // A head that never ends: the guard must have set its time.
        channel.embeddedEventLoop.advanceTime(by: limits.idleTimeout + .seconds(1))
    }

    private func judge(_ request: Request, _ context: APIContext) throws {
        _ = routes.refusal(for: request)
        _ = AccessRules.refusal(caller: context.caller, method: request.method, route: request.uri.path)
        if let name = attempt({ () throws(APIError) in try ResourceRoutes.name(request) }) {
            let path = ResourcePath.encode(name.text)
            let decoded = attempt { () throws(APIError) in try PercentEncoding.decode(path, what: "it") }
            try demand(
                decoded == name.text && ResourcePath.decode(path) == name.text, "a name comes back as it was",
                name.text)
        }
        if let query = attempt({ () throws(APIError) in try request.query() }) {
            try demand(query.count <= 32, "a query has its bound")
            if let version = query["version"], let dot = Dot(version) {
                try demand(dot.description == version, "a version has one text", version)
            }
            if let pattern = query["pattern"] { _ = Glob(pattern).matches("herd/2026/zebra.txt") }
        }
        _ = attempt { () throws(APIError) in try CatalogueRoutes.query(request) }
        try range(request)
        _ = EntityTags(request.headers[.ifNoneMatch])?.weaklyMatches("\"a\"")
        _ = EntityTags(request.headers[.ifMatch])?.stronglyMatches("\"a\"")
        _ = attempt { () throws(APIError) in try ResourceRoutes.precondition(of: request) }
        if let type = attempt({ () throws(APIError) in try ResourceRoutes.mediaType(of: request) }) {
            try demand(type.utf8.count <= Version.mediaTypeByteCountMax, "a media type has its bound")
        }
        _ = attempt { () throws(APIError) in try Visited.nodes(of: request, context) }
        _ = attempt { () throws(APIError) in try Visited.unsure(of: request, context) }
        if let body = attempt({ () throws(APIError) in try request.boundedBody(upTo: 1 << 20, context: context) }) {
            try demand(body.announced ?? 0 <= 1 << 20, "a body has its bound")
        }
        _ = request.announcesBody
    }

    private func range(_ request: Request) throws {
        for size in [0, 1, 10, 1 << 40, .max] {
            switch ByteRange.parse(request, etag: "\"a\"", size: size) {
            case .whole, .unsatisfiable: break
            case .part(let offset, let count):
                try demand(
                    offset >= 0 && count > 0 && offset < size && count <= size - offset, "a part lies in the whole",
                    "\(offset) and \(count) of \(size)")
                _ = ByteRange.contentRange(offset: offset, count: count, size: size)
            }
        }
    }

    private func attempt<Value>(_ body: () throws(APIError) -> Value) -> Value? {
        do { return try body() } catch {
            _ = error.json
            return nil
        }
    }

    func seeds() throws -> [[UInt8]] {
        let texts = [
            "GET /v1/resources/herd/z%C3%A9bra.txt?version=simba.a1.2&via=chui&redirect=1 HTTP/1.1\r\nHost: a\r\n"
                + "Range: bytes=2-9\r\nIf-Range: \"a\"\r\nIf-None-Match: W/\"a\", \"b\"\r\nRoost-Visited: simba,fisi\r\n"
                + "Roost-Unsure: simba\r\nRoost-Verifies: sha256\r\n\r\n",
            "PUT /v1/resources/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nIf-Match: \"simba.a1.2\"\r\n"
                + "Content-Type: text/plain\r\nRoost-Home: simba\r\nRoost-SHA256: "
                + String(repeating: "0a", count: 32) + "\r\nExpect: 100-continue\r\n\r\nabc",
            "PUT /v1/resources/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nIf-None-Match: *\r\n\r\n"
                + "3\r\nabc\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\nRange: bytes=-5\r\nIf-Match: *\r\n\r\n",
            "GET /v1/resources?prefix=a%2F&pattern=*.txt&limit=10&after=b HTTP/1.1\r\nHost: a\r\nRange: bytes=7-\r\n\r\n",
            "GET /v1/events?after=0 HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 17\r\nConnection: close\r\n\r\n",
            "HEAD //v1/resources/%2e%2e/%00 HTTP/1.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET http://a/v1/history/x?a=b=c&&d HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        ]
        return texts.flatMap { text in [UInt8(0), 7].map { [$0] + Array(text.utf8) } }
    }
}

/// The requests' heads that the decoder hands up; what it refuses is answered as the server does.
private final class Heads: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private(set) var all: [HTTPRequest] = []

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) { all.append(head) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError else { return }
        context.write(wrapOutboundOut(.head(HTTPResponse(status: .badRequest))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(promise: nil)
    }
}
