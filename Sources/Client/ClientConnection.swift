import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import TLS
import Vocabulary

/// One HTTP/1.1 keep-alive connection to an agent: over mutual TLS, or over its unix socket.
///
/// It carries one request at a time. Bodies of any size stream both ways in constant memory. It reconnects never and
/// retries nothing: that is for its callers (`AgentClient`, the agent's peers table), who know what may be repeated.
public final class ClientConnection: Sendable {
    /// Bounds on what an answer's head may cost us.
    static let headerBytesMax = 64 * 1024
    static let headerFieldBytesMax = 16 * 1024
    static let headerFieldsMax = 100
    /// Bodies longer than this wait for `100 Continue` first, so that a refusal costs no transfer.
    static let expectContinueBytesMin: UInt64 = 64 * 1024

    private enum Phase { case idle, busy, closed }

    public let address: AgentAddress
    /// Whom the certificate names; `nil` over a unix socket.
    public let remoteIdentity: PeerIdentity?

    private let channel: any Channel
    private let handler: NIOLoopBound<ExchangeHandler>
    private let phase: NIOLockedValueBox<Phase>

    private init(
        address: AgentAddress, remoteIdentity: PeerIdentity?, channel: any Channel,
        handler: NIOLoopBound<ExchangeHandler>, phase: NIOLockedValueBox<Phase>
    ) {
        self.address = address
        self.remoteIdentity = remoteIdentity
        self.channel = channel
        self.handler = handler
        self.phase = phase
    }

    deinit {
        // The last reference may be an exchange that the handler lets go of just now: the close, which calls the
        // handler again, waits until it has done so.
        let channel = channel
        channel.eventLoop.execute { channel.close(promise: nil) }
    }

    public var isOpen: Bool { phase.withLockedValue { $0 != .closed } }
    public var isIdle: Bool { phase.withLockedValue { $0 == .idle } }

    /// Our own end, as the other side may see us; `nil` over a unix socket.
    public var localAddress: Endpoint? { Self.endpoint(channel.localAddress) }
    public var remoteAddress: Endpoint? { Self.endpoint(channel.remoteAddress) }

    private static func endpoint(_ address: SocketAddress?) -> Endpoint? {
        guard let address, let host = address.ipAddress, let port = address.port.flatMap({ UInt16(exactly: $0) })
        else { return nil }
        return try? Endpoint(host: host, port: port)
    }

    /// Connects, and over TLS completes the handshake: a connection that exists has a verified peer.
    ///
    /// - Parameters:
    ///   - tls: our certificate; needed for `https`, unused for `unix`.
    ///   - expecting: who must answer.
    ///   - timeout: for resolving, connecting and the handshake together.
    ///   - keepAliveSeconds: silence after which the kernel asks whether the other side is there.
    /// - Throws: `ClientError`, or `CancellationError`.
    public static func connect(
        to address: AgentAddress, tls: TLSContext?, expecting: ExpectedPeer = .anyNode,
        timeout: Duration = .seconds(10), keepAliveSeconds: CInt = TCPLiveness.idleSeconds,
        eventLoopGroup: any EventLoopGroup
    ) async throws -> ClientConnection {
        if case .https = address, tls == nil {
            throw ClientError.cannotConnect(
                to: address, cause: "a certificate of the cluster is needed", remedy: "name its folder with --certs")
        }
        let phase = NIOLockedValueBox(Phase.idle)
        let limit = TimeAmount(timeout)
        let channelBox = NIOLockedValueBox<(any Channel)?>(nil)
        let handlerBox = NIOLockedValueBox<NIOLoopBound<ExchangeHandler>?>(nil)
        let eventLoop = eventLoopGroup.next()
        let ready = eventLoop.makePromise(of: PeerIdentity?.self)

        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(limit)
            .channelOption(.writeBufferWaterMark, value: .init(low: 256 * 1024, high: 1024 * 1024))
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 65536, maximum: 262_144)
            )
            .channelInitializer { channel in
                channelBox.withLockedValue { $0 = channel }
                if case .https = address {
                    TCPLiveness.watch(
                        channel, unconfirmedSeconds: TCPLiveness.callerSeconds, idleSeconds: keepAliveSeconds)
                }
                return channel.eventLoop.makeCompletedFuture {
                    let handler = try configure(
                        channel, address: address, tls: tls, expecting: expecting, phase: phase, ready: ready)
                    handlerBox.withLockedValue { $0 = NIOLoopBound(handler, eventLoop: channel.eventLoop) }
                }
            }
        let timer = eventLoop.scheduleTask(in: limit) { ready.fail(ChannelError.connectTimeout(limit)) }
        let connecting =
            switch address {
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            case .https(let endpoint): bootstrap.connect(host: endpoint.host, port: Int(endpoint.port))
            }
        connecting.whenFailure { ready.fail($0) }

        return try await withTaskCancellationHandler {
            do {
                let identity = try await ready.futureResult.get()
                timer.cancel()
                let channel = try await connecting.get()
                // Not looked up in the pipeline: a peer that refuses our certificate ends the connection right after
                // the handshake, and the handler, gone from there, still knows why.
                guard let handler = handlerBox.withLockedValue({ $0 }) else { throw ConnectionFailure.EndOfStream() }
                return ClientConnection(
                    address: address, remoteIdentity: identity, channel: channel, handler: handler, phase: phase)
            } catch {
                timer.cancel()
                connecting.whenSuccess { $0.close(promise: nil) }
                channelBox.withLockedValue { $0 }?.close(promise: nil)
                if Task.isCancelled { throw CancellationError() }
                throw ConnectionFailure.connecting(error, address: address, timeout: timeout)
            }
        } onCancel: {
            ready.fail(CancellationError())
        }
    }

    private static func configure(
        _ channel: any Channel, address: AgentAddress, tls: TLSContext?, expecting: ExpectedPeer,
        phase: NIOLockedValueBox<Phase>, ready: EventLoopPromise<PeerIdentity?>
    ) throws -> ExchangeHandler {
        let pipeline = channel.pipeline.syncOperations
        var usesTLS = false
        if case .https = address, let tls {
            usesTLS = true
            try pipeline.addHandler(TLSHandler.client(context: tls, expecting: expecting))
        }
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = headerFieldBytesMax
        limits.maxHeaderListSize = headerBytesMax
        limits.maxHeaderFieldCount = headerFieldsMax
        try pipeline.addHandler(HTTPRequestEncoder(configuration: framing))
        try pipeline.addHandler(
            ByteToMessageHandler(
                HTTPResponseDecoder(
                    leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .forward,
                    limitConfiguration: limits)))
        try pipeline.addHandler(NIOHTTPRequestHeadersValidator())
        try pipeline.addHandler(ConnectHandler(usesTLS: usesTLS, ready: ready))
        let handler = ExchangeHandler(
            address: address, eventLoop: channel.eventLoop,
            onIdle: { phase.withLockedValue { if $0 == .busy { $0 = .idle } } },
            onClose: { phase.withLockedValue { $0 = .closed } })
        try pipeline.addHandler(handler)
        return handler
    }

    /// The connection writes `Content-Length` and `Transfer-Encoding` itself, since it knows the body.
    private static var framing: HTTPRequestEncoder.Configuration {
        var configuration = HTTPRequestEncoder.Configuration()
        configuration.automaticallySetFramingHeaders = true
        return configuration
    }

    /// Sends one request and returns with the head of its answer. The body of the request may still be on its way
    /// when the answer is final: it is cut short then, and the connection closes after the answer.
    ///
    /// - Throws: `ClientError`, `CancellationError`, or whatever the request's own body throws. The connection is
    ///   closed after each of them.
    public func send(_ request: ClientRequest, timeouts: ClientTimeouts = .standard) async throws -> ClientResponse {
        let head = try requestHead(request)
        guard
            phase.withLockedValue({ phase in
                guard phase == .idle else { return false }
                phase = .busy
                return true
            })
        else {
            let handler = handler
            let reason = try await channel.eventLoop.submit { handler.value.failure }.get()
            throw reason.map { ConnectionFailure.beforeAnswer($0, address: address) } ?? ClientError.notIdle(address)
        }
        return try await withTaskCancellationHandler {
            try await exchange(request, head: head, timeouts: timeouts)
        } onCancel: {
            abort(CancellationError())
        }
    }

    /// Ends the connection now; whatever is under way fails.
    public func close() async {
        abort(ClientError.closed(by: address, during: "the request", cause: "it was closed on this side"))
        do { try await channel.closeFuture.get() } catch {
            // Closing is what was asked for; how it went changes nothing.
        }
    }

    private func abort(_ error: any Error) {
        phase.withLockedValue { $0 = .closed }
        let handler = handler
        channel.eventLoop.execute { handler.value.close(with: error) }
    }

    private func requestHead(_ request: ClientRequest) throws(ClientError) -> HTTPRequestHead {
        guard request.path.hasPrefix("/"), request.path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .badRequest(reason: "the path must begin with / and be percent-encoded")
        }
        guard !request.method.isEmpty, request.method.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) else {
            throw .badRequest(reason: "the method must be capital letters")
        }
        var headers = HTTPHeaders(request.headers.fields.map { ($0.name, $0.value) })
        if !headers.contains(name: "host") {
            switch address {
            case .unix: headers.add(name: "Host", value: "localhost")
            case .https(let endpoint): headers.add(name: "Host", value: endpoint.description)
            }
        }
        switch request.body {
        case .none: break
        case .bytes(let buffer): headers.replaceOrAdd(name: "Content-Length", value: "\(buffer.readableBytes)")
        case .stream(let length, _):
            if let length {
                headers.replaceOrAdd(name: "Content-Length", value: "\(length)")
            } else {
                headers.replaceOrAdd(name: "Transfer-Encoding", value: "chunked")
            }
            if expectsContinue(request) { headers.replaceOrAdd(name: "Expect", value: "100-continue") }
        }
        return HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: request.method), uri: request.path, headers: headers)
    }

    private func expectsContinue(_ request: ClientRequest) -> Bool {
        guard case .stream(let length, _) = request.body else { return false }
        return length.map { $0 >= Self.expectContinueBytesMin } ?? true
    }

    private func exchange(
        _ request: ClientRequest, head: HTTPRequestHead, timeouts: ClientTimeouts
    ) async throws -> ClientResponse {
        let eventLoop = channel.eventLoop
        let handler = handler
        let queue = BodyQueue(
            resume: { eventLoop.execute { handler.value.resumeReading() } },
            // Held strongly: a connection lives as long as an answer on it is being read. The exchange ends with the
            // answer or the connection, and the circle with it.
            abandon: { self.abort($0) })
        let answer = eventLoop.makePromise(of: HTTPResponseHead.self)
        let go = expectsContinue(request) ? eventLoop.makePromise(of: Bool.self) : nil
        let isHead = request.method == "HEAD"
        var wholeBody: ByteBuffer?
        var streams = false
        switch request.body {
        case .none: break
        case .bytes(let buffer): wholeBody = buffer
        case .stream: streams = true
        }
        let sending = (wholeBody, streams)
        eventLoop.execute {
            let state: Exchange.Sending = go.map { .awaitingContinue($0) } ?? (sending.1 ? .body : .done)
            let exchange = Exchange(
                queue: queue, timeouts: timeouts, isHead: isHead, sending: state, head: answer, now: .now())
            handler.value.begin(exchange, head: head, body: sending.0, complete: !sending.1)
        }
        let answered: HTTPResponseHead
        if case .stream(let length, let source) = request.body {
            answered = try await withThrowingTaskGroup(of: HTTPResponseHead?.self) { group in
                group.addTask {
                    try await self.pump(source, length: length, go: go?.futureResult)
                    return nil
                }
                group.addTask { try await answer.futureResult.get() }
                while let result = try await group.next() {
                    guard let result else { continue }
                    group.cancelAll()
                    return result
                }
                throw ClientError.notIdle(address)
            }
        } else {
            answered = try await answer.futureResult.get()
        }
        var fields = HeaderFields()
        for (name, value) in answered.headers { fields.add(name, value) }
        return ClientResponse(
            address: address, status: Int(answered.status.code), headers: fields, body: ResponseBody(queue: queue))
    }

    /// Sends the body as fast as the socket takes it, until its end or until a final answer comes.
    private func pump(
        _ source: any AsyncSequence<ByteBuffer, any Error> & Sendable, length: UInt64?, go: EventLoopFuture<Bool>?
    ) async throws {
        let handler = handler
        if let go, try await !go.get() { return }
        var sent: UInt64 = 0
        do {
            for try await part in source {
                if part.readableBytes == 0 { continue }
                sent += UInt64(part.readableBytes)
                if let length, sent > length {
                    throw ClientError.badRequest(reason: "its body has more than the \(length) bytes announced")
                }
                let isLast = length == sent
                let goesOn = try await channel.eventLoop.flatSubmit { handler.value.send(part, isLast: isLast) }.get()
                if !goesOn { return }
            }
            // A stream ends in order when its reader is cancelled: what came of it is not the whole, and must not be ended as
            // such.
            if Task.isCancelled { return }
            if let length, sent < length {
                throw ClientError.badRequest(reason: "its body ended at byte \(sent) of the \(length) announced")
            }
        } catch {
            // A final answer cancels this task, and is no failure; anything else leaves a request that can not be
            // ended in order, so the connection goes.
            if Task.isCancelled { return }
            abort(error)
            throw error
        }
        try await channel.eventLoop.submit { handler.value.endBody() }.get()
    }
}

/// Watches the start of a connection: completes `ready` once requests may be sent, then takes itself out.
private final class ConnectHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any

    private let usesTLS: Bool
    private let ready: EventLoopPromise<PeerIdentity?>

    init(usesTLS: Bool, ready: EventLoopPromise<PeerIdentity?>) {
        self.usesTLS = usesTLS
        self.ready = ready
    }

    func channelActive(context: ChannelHandlerContext) {
        if !usesTLS { ready.succeed(nil) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let completed = event as? TLSHandshakeCompleted { ready.succeed(completed.identity) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ready.fail(error)
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ready.fail(ConnectionFailure.EndOfStream())
        context.fireChannelInactive()
    }
}
