import HummingbirdCore
import Logging
import NIOCore
import TLS
import Vocabulary

/// What a request's task asks of its connection's event loop.
enum RequestEvent: Sendable {
    /// `Expect: 100-continue`: the handler wants the body now.
    case sendContinue
    /// The request was refused before its body was read: drop what still comes, then close.
    case linger
}

/// Stands between TLS and HTTP, where bytes are plain: notes who the handshake proved, bounds the time of a request's
/// head, answers `100 Continue`, and ends a refused upload without a reset that would eat the answer.
final class RequestGuard: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: Connection
    private let limits: ServerLimits
    private let table: ConnectionTable
    private let failures: TLSFailures
    private let handshakes: Handshakes
    private let logger: Logger
    private var headTimer: Scheduled<Void>?
    /// Bytes that may still be dropped; nil while the connection is well.
    private var lingerBytes: Int?
    private var lingerTimer: Scheduled<Void>?

    init(
        connection: Connection, limits: ServerLimits, table: ConnectionTable, failures: TLSFailures,
        handshakes: Handshakes, logger: Logger
    ) {
        self.connection = connection
        self.limits = limits
        self.table = table
        self.failures = failures
        self.handshakes = handshakes
        self.logger = logger
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        headTimer?.cancel()
        lingerTimer?.cancel()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if let left = lingerBytes {
            let rest = left - unwrapInboundIn(data).readableBytes
            lingerBytes = rest
            guard rest > 0 else {
                context.close(mode: .all, promise: nil)
                return
            }
        }
        // The decoder behind us is synchronous: bytes that complete no part belong to a head (or a chunk's length).
        let before = connection.parts
        context.fireChannelRead(data)
        if connection.parts != before {
            headTimer?.cancel()
            headTimer = nil
        } else if headTimer == nil {
            headTimer = context.eventLoop.assumeIsolated().scheduleTask(in: limits.headTimeout) {
                context.close(mode: .all, promise: nil)
            }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let completed = event as? TLSHandshakeCompleted {
            handshakes.ended(context.channel, .proven)
            guard table.authenticated(connection, completed.identity, max: limits.connectionsPerIdentityMax) else {
                failures.refusedIdentity(completed.identity, from: connection.remoteAddress)
                context.close(mode: .all, promise: nil)
                return
            }
            if completed.identity.name.role == .node { waitLonger(context) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Hummingbird's timer was set before anybody knew who calls; no request can be under way yet.
    private func waitLonger(_ context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        do {
            let timer = try pipeline.handler(type: HTTPConnectionStateHandler.self)
            try pipeline.addHandler(
                HTTPConnectionStateHandler(idleTimeout: Duration(limits.nodeIdleTimeout), logger: logger),
                position: .after(timer))
            pipeline.removeHandler(timer, promise: nil)
        } catch {
            context.fireErrorCaught(error)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? TLSError { failures.record(error, from: connection.remoteAddress) }
        context.fireErrorCaught(error)
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard let event = event as? RequestEvent else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        switch event {
        case .sendContinue:
            let line = ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")
            context.writeAndFlush(wrapOutboundOut(line), promise: promise)
        case .linger:
            lingerBytes = limits.lingerBytesMax
            lingerTimer?.cancel()
            lingerTimer = context.eventLoop.assumeIsolated().scheduleTask(in: limits.lingerTimeout) {
                context.close(mode: .all, promise: nil)
            }
            promise?.succeed(())
        }
    }
}

/// Counts what the HTTP decoder hands up; it looks at none of it.
final class PartCounter: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Never

    private let connection: Connection

    init(connection: Connection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.partDecoded()
        context.fireChannelRead(data)
    }
}
