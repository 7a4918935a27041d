import Client
import HummingbirdCore
import Logging
import NIOConcurrencyHelpers
import NIOCore
import TLS
import Vocabulary

/// The certificates in use: replaced at a reload, read once for each connection accepted, so that those that are open
/// keep what they were made with.
public final class CurrentCredentials: Sendable {
    private let box: NIOLockedValueBox<TLSContext>

    public init(_ context: TLSContext) { box = NIOLockedValueBox(context) }

    public var context: TLSContext { box.withLockedValue { $0 } }
    public func replace(with context: TLSContext) { box.withLockedValue { $0 = context } }
}

/// Puts our TLS and our guards in front of Hummingbird's HTTP/1.1 channel, and serves it:
///
///     socket ─ (Vestibule) ─ WriteStallGuard ─ TLSHandler ─ (EnrolmentHandler) ─ RequestGuard ─ HTTP decoder ─ PartCounter ─ ParserRefusal ─ BodyStallGuard ─ Hummingbird
struct APIChildChannel: Sendable {
    typealias Respond = @Sendable (Request, consuming ResponseWriter, Connection) async throws -> Void

    /// Nil for the transports without TLS.
    let credentials: CurrentCredentials?
    /// On a node that has the CA.
    let enrolment: EnrolmentDesk?
    let limits: ServerLimits
    let table: ConnectionTable
    let failures: TLSFailures
    let handshakes: Handshakes
    let node: NodeName
    let respond: Respond
    let logger: Logger

    /// On the channel's event loop, before anything of the connection was read.
    func greet(_ connection: Connection) -> EventLoopFuture<Void> {
        let channel = connection.channel
        guard let credentials else { return serve(connection, nil) }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
                Vestibule(connection, timeout: limits.handshakeTimeout, failures: failures) { timeLeft in
                    // Small answers leave at once; a socket that just closed is no reason to refuse the next.
                    channel.setOption(.tcpOption(.tcp_nodelay), value: 1).whenFailure { _ in }
                    TCPLiveness.watch(
                        channel, unconfirmedSeconds: TCPLiveness.serverSeconds,
                        idleSeconds: TCPLiveness.peerIdleSeconds)
                    return serve(connection, (credentials.context, timeLeft))
                })
        }
    }

    private func serve(
        _ connection: Connection, _ tls: (context: TLSContext, timeout: TimeAmount)?
    ) -> EventLoopFuture<Void> {
        let channel = connection.channel
        let http = HTTP1Channel(
            responder: { [respond] request, writer, _ in try await respond(request, writer, connection) },
            configuration: .init(
                additionalChannelHandlers: [
                    PartCounter(connection: connection), ParserRefusal(node: node, limits: limits),
                    BodyStallGuard(timeout: limits.idleTimeout),
                ],
                idleTimeout: limits.idleTimeout,
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headerBytesMax, maxHeaderListSize: limits.headerBytesMax,
                    maxHeaderFieldCount: limits.headerFieldsMax)))
        return channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            let pace = WriteStallGuard.Pace(
                window: limits.writeStallTimeout, bytesPerSecondMin: limits.answerBytesPerSecondMin)
            try pipeline.addHandler(WriteStallGuard(pace: pace, connection: connection))
            if let tls { try addTLS(tls.context, timeout: tls.timeout, to: channel) }
            try pipeline.addHandler(
                RequestGuard(
                    connection: connection, limits: limits, table: table, failures: failures, handshakes: handshakes,
                    logger: logger))
        }.flatMap {
            http.setup(channel: channel, logger: logger)
        }.map { parts in
            // Its own task: it ends with the connection, and `run()` waits for all connections.
            Task { await http.handle(value: parts, logger: logger) }
        }
    }

    private func addTLS(_ context: TLSContext, timeout: TimeAmount, to channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let source = CallSource(channel.remoteAddress)
        let desk = enrolment.map { desk in
            EnrolmentHandler(desk: desk, handshakes: handshakes, source: source, limits: limits)
        }
        try pipeline.addHandler(
            TLSHandler.server(
                context: context, handshakeTimeout: timeout,
                admits: desk.map { desk in { desk.admit(channel) } },
                turn: { [handshakes] in
                    handshakes.spoke(channel)
                    handshakes.pace(of: channel).turn(of: source.key, $0)
                }))
        if let desk { try pipeline.addHandler(desk) }
    }
}
