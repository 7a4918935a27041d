import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Binds the listeners of one server. They accept nothing until `autoRead` is set: what arrives earlier waits in the
/// kernel's backlog.
struct ListenerBinder {
    let limits: ServerLimits
    let group: any EventLoopGroup
    let table: ConnectionTable
    let failures: TLSFailures
    let handshakes: Handshakes
    let enrolment: EnrolmentDesk?
    let responder: APIResponder
    let logger: Logger

    func bind(
        _ endpoint: Endpoint, _ transport: Connection.Transport, credentials: CurrentCredentials?, key: String
    ) async throws(ListenError) -> any Channel {
        do {
            let channel = try await bootstrap(transport, credentials)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(host: endpoint.host, port: Int(endpoint.port)).get()
            if transport == .tls { await keepSilentOnesOut(of: channel) }
            return channel
        } catch {
            throw ListenError.from(error, endpoint, .tcp, key: key)
        }
    }

    /// With TLS the one who calls speaks first: until then the kernel keeps the connection to itself, in a queue that no
    /// other has to wait in. A kernel that does not know the option is no reason not to listen.
    private func keepSilentOnesOut(of channel: any Channel) async {
        #if os(Linux)
            let option = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_DEFER_ACCEPT))
            try? await channel.setOption(option, value: .init(limits.silentSeconds)).get()
        #endif
    }

    func bind(unixSocket path: String) async throws(ListenError) -> any Channel {
        try await UnixSocketFile.clear(path, on: group)
        do {
            return try await bootstrap(.unixSocket, nil).bind(unixDomainSocketPath: path).get()
        } catch {
            throw .socketFailed(path: path, reason: "\(error)")
        }
    }

    private func bootstrap(_ transport: Connection.Transport, _ credentials: CurrentCredentials?) -> ServerBootstrap {
        let child = APIChildChannel(
            credentials: credentials, enrolment: enrolment, limits: limits, table: table, failures: failures,
            handshakes: handshakes, node: responder.node, respond: responder.respond, logger: logger)
        let connectionsMax = transport == .tls ? limits.connectionsMax : limits.localConnectionsMax
        let crowd = Int(Double(connectionsMax) * limits.crowdedShare)
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: limits.backlog)
            .serverChannelOption(.autoRead, value: false)
            .serverChannelOption(.maxMessagesPerRead, value: limits.acceptsAtOnce)
            .serverChannelInitializer { [handshakes, failures] channel in
                channel.eventLoop.makeCompletedFuture {
                    if transport == .tls {
                        try channel.pipeline.syncOperations.addHandler(HandshakeDoor(handshakes, failures: failures))
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        AvailableConnectionsChannelHandler(maxConnections: connectionsMax))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [table] channel in
                let connection = table.open(channel, transport)
                channel.closeFuture.whenComplete { _ in table.closed(connection) }
                table.makeRoom(transport, crowd: crowd)
                return child.greet(connection)
            }
    }
}
