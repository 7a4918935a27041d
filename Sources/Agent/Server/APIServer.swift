import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import ServiceLifecycle
import Vocabulary

/// Who may be connected, as the peers table decides it: asked before each request of another node.
public protocol InboundGate: Sendable {
    /// False when the table is full of busy peers: the request is answered 503.
    func begin(_ peer: NodeName, for path: String, on connection: Connection) async -> Bool
    func end(_ peer: NodeName, on connection: Connection) async
}

/// The API of DESIGN's picture: one router behind TLS on TCP, a unix socket, and plain HTTP on loopback.
///
/// It is bound when it exists (the port is known, a busy one is an error at once) and serves from `run()` on, until a
/// graceful shutdown, a cancellation or `stop()`.
public final class APIServer: Service {
    public struct Listeners: Sendable {
        public var tls: (endpoint: Endpoint, credentials: CurrentCredentials)?
        public var unixSocket: String?
        public var loopbackHTTP: Endpoint?
        /// Takes in hosts that have no certificate yet, on the TLS port of a node that has the CA.
        var enrolment: EnrolmentDesk?

        public init(
            tls: (endpoint: Endpoint, credentials: CurrentCredentials)? = nil, unixSocket: String? = nil,
            loopbackHTTP: Endpoint? = nil
        ) {
            self.tls = tls
            self.unixSocket = unixSocket
            self.loopbackHTTP = loopbackHTTP
        }
    }

    /// The actual ports: what port 0 became.
    public let tlsPort: UInt16?
    public let httpPort: UInt16?

    private let listeners: [any Channel]
    private let socketFile: UnixSocketFile?
    let table: ConnectionTable
    /// Connections that TLS refused since the start.
    let failures: TLSFailures
    let handshakes: Handshakes
    private let limits: ServerLimits
    private let stopped: StopSignal

    private init(
        listeners: [any Channel], ports: (tls: UInt16?, http: UInt16?), socketFile: UnixSocketFile?,
        table: ConnectionTable, failures: TLSFailures, handshakes: Handshakes, limits: ServerLimits
    ) {
        self.listeners = listeners
        tlsPort = ports.tls
        httpPort = ports.http
        self.socketFile = socketFile
        self.table = table
        self.failures = failures
        self.handshakes = handshakes
        self.limits = limits
        stopped = StopSignal()
    }

    /// Binds every listener, or none: a failure closes those that were bound before it.
    ///
    /// - Parameter router: of `APIRouter.make`, with all routes added.
    public static func bind(
        _ listeners: Listeners, node: NodeName, router: Router<APIContext>, gate: (any InboundGate)? = nil,
        limits: ServerLimits = ServerLimits(), group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger
    ) async throws(ListenError) -> APIServer {
        let table = ConnectionTable()
        let failures = TLSFailures(logger: logger)
        let handshakes = Handshakes(limits.handshakes)
        let responder = APIResponder(
            node: node, router: router, gate: gate, requests: RequestsUnderWay(max: limits.requestsPerIdentityMax),
            logger: logger)
        let binder = ListenerBinder(
            limits: limits, group: group, table: table, failures: failures, handshakes: handshakes,
            enrolment: listeners.enrolment, responder: responder, logger: logger)
        var bound: [any Channel] = []
        var ports: (tls: UInt16?, http: UInt16?) = (nil, nil)
        var socketFile: UnixSocketFile?
        do throws(ListenError) {
            if let (endpoint, credentials) = listeners.tls {
                let channel = try await binder.bind(endpoint, .tls, credentials: credentials, key: "bind")
                bound.append(channel)
                ports.tls = channel.localAddress?.port.flatMap { UInt16(exactly: $0) }
            }
            if let endpoint = listeners.loopbackHTTP {
                let channel = try await binder.bind(endpoint, .loopbackHTTP, credentials: nil, key: "http.bind")
                bound.append(channel)
                ports.http = channel.localAddress?.port.flatMap { UInt16(exactly: $0) }
            }
            if let path = listeners.unixSocket {
                bound.append(try await binder.bind(unixSocket: path))
                socketFile = try UnixSocketFile(bound: path)
            }
        } catch {
            for channel in bound { channel.close(promise: nil) }
            throw error
        }
        return APIServer(
            listeners: bound, ports: ports, socketFile: socketFile, table: table, failures: failures,
            handshakes: handshakes, limits: limits)
    }

    /// Connections open now.
    public var connections: Int { table.count }

    /// Serves until it is told to stop; then requests under way have `stopGrace` to end.
    public func run() async throws {
        for channel in listeners {
            channel.setOption(.autoRead, value: true).whenSuccess { channel.read() }
        }
        await withTaskCancellationOrGracefulShutdownHandler {
            await stopped.wait()
        } onCancelOrGracefulShutdown: {
            self.stop()
        }
        await drain()
    }

    /// Takes no more connections, lets those that are idle go, and makes `run()` return.
    public func stop() {
        guard stopped.signal() else { return }
        for channel in listeners { channel.close(promise: nil) }
        socketFile?.remove()
        table.forEach { $0.quiesce() }
    }

    /// A server that is dropped without having run leaves nothing behind.
    deinit { stop() }

    private func drain() async {
        let deadline = ContinuousClock.now + limits.stopGrace
        await waitUntilEmpty(deadline)
        table.forEach { $0.close() }
        await waitUntilEmpty(.now + .seconds(1))
    }

    private func waitUntilEmpty(_ deadline: ContinuousClock.Instant) async {
        while table.count > 0, ContinuousClock.now < deadline {
            // Shielded: a cancelled task's sleep returns at once, and this loop would spin.
            await Task { try? await Task.sleep(for: .milliseconds(10)) }.value
        }
    }
}

extension Connection {
    /// Hummingbird closes the connection when it is idle, else after the answer under way.
    func quiesce() { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
}

/// Set once; many may wait.
final class StopSignal: Sendable {
    private let state = NIOLockedValueBox((isSet: false, waiters: [CheckedContinuation<Void, Never>]()))

    /// False when it was set before.
    func signal() -> Bool {
        let waiters: [CheckedContinuation<Void, Never>]? = state.withLockedValue { state in
            if state.isSet { return nil }
            state.isSet = true
            defer { state.waiters = [] }
            return state.waiters
        }
        waiters?.forEach { $0.resume() }
        return waiters != nil
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isSet = state.withLockedValue { state in
                if !state.isSet { state.waiters.append(continuation) }
                return state.isSet
            }
            if isSet { continuation.resume() }
        }
    }
}
