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

/// Puts our TLS and our guards in front of Hummingbird's HTTP/1.1 channel:
///
///     socket ─ WriteStallGuard ─ TLSHandler ─ (EnrolmentHandler) ─ RequestGuard ─ HTTP decoder ─ PartCounter ─ ParserRefusal ─ BodyStallGuard ─ Hummingbird
struct APIChildChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let http: HTTP1Channel
        let parts: HTTP1Channel.Value
        let connection: Connection
        var channel: any Channel { connection.channel }
    }

    typealias Respond = @Sendable (Request, consuming ResponseWriter, Connection) async throws -> Void

    let transport: Connection.Transport
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

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let connection = table.open(channel, transport)
        channel.closeFuture.whenComplete { _ in table.closed(connection) }
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
            try pipeline.addHandler(WriteStallGuard(timeout: limits.writeStallTimeout))
            if let credentials {
                let desk = enrolment.map { desk in
                    EnrolmentHandler(
                        desk: desk, handshakes: handshakes, source: CallSource(channel.remoteAddress),
                        timeout: limits.enrolmentTimeout)
                }
                try pipeline.addHandler(
                    TLSHandler.server(
                        context: credentials.context, handshakeTimeout: limits.handshakeTimeout,
                        admits: desk.map { desk in { desk.admit() } },
                        turn: { [handshakes, source = CallSource(channel.remoteAddress).key] in
                            handshakes.spoke(channel)
                            handshakes.pace(of: channel).turn(of: source, $0)
                        }))
                if let desk { try pipeline.addHandler(desk) }
            }
            try pipeline.addHandler(
                RequestGuard(
                    connection: connection, limits: limits, table: table, failures: failures, handshakes: handshakes,
                    logger: logger))
        }.flatMap {
            http.setup(channel: channel, logger: logger)
        }.map { parts in
            Value(http: http, parts: parts, connection: connection)
        }
    }

    func handle(value: Value, logger: Logger) async {
        await value.http.handle(value: value.parts, logger: logger)
    }
}
