import NIOConcurrencyHelpers
import NIOCore
import TLS

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One accepted connection: who it is, and what it is doing. Shared between its event loop and its task.
public final class Connection: Sendable {
    enum Transport: Sendable {
        case tls, unixSocket, loopbackHTTP
    }

    public let id: UInt64
    let channel: any Channel
    let transport: Transport
    public let remoteAddress: String
    private let state = NIOLockedValueBox(State())

    private struct State {
        var identity: PeerIdentity?
        /// HTTP parts decoded so far: tells whether bytes that came completed anything.
        var parts: UInt64 = 0
        var requestsUnderWay = 0
        var tellsEvents = false
        var lastUsed = NIODeadline.now()
    }

    init(id: UInt64, channel: any Channel, transport: Transport) {
        self.id = id
        self.channel = channel
        self.transport = transport
        remoteAddress = channel.remoteAddress.map(Self.shown) ?? "unix"
    }

    /// Nobody before the handshake, so nothing is served before it either.
    var caller: Caller {
        switch transport {
        case .unixSocket: .unixSocket
        case .loopbackHTTP: .loopbackHTTP
        // HTTP parts only pass after the handshake; were that ever broken, the fallback is the caller without rights.
        case .tls: state.withLockedValue { $0.identity }.map(Caller.certificate) ?? .loopbackHTTP
        }
    }

    func authenticated(_ identity: PeerIdentity) { state.withLockedValue { $0.identity = identity } }

    var parts: UInt64 { state.withLockedValue { $0.parts } }
    func partDecoded() { state.withLockedValue { $0.parts &+= 1 } }

    /// Its answer is a stream of events, which ends with the connection: there is no pace at which it can be taken.
    var tellsEvents: Bool { state.withLockedValue { $0.tellsEvents } }
    func beganToTellEvents() { state.withLockedValue { $0.tellsEvents = true } }

    func requestBegan() { state.withLockedValue { $0.requestsUnderWay += 1 } }
    func requestEnded() {
        state.withLockedValue {
            $0.requestsUnderWay -= 1
            $0.lastUsed = .now()
        }
    }

    /// When the connection became idle; nil while a request is under way.
    var idleSince: NIODeadline? {
        state.withLockedValue { $0.requestsUnderWay == 0 ? $0.lastUsed : nil }
    }

    public func close() { channel.close(mode: .all, promise: nil) }

    /// Ends the connection at once, with a reset: nothing that was written and has not arrived is sent any more. For one
    /// whose holder has lost its rights: a goodbye would wait for as long as it reads.
    func cut() {
        let channel = channel
        let slam: @Sendable () -> Void = {
            // Past TLS, which would say goodbye first.
            guard let tls = try? channel.pipeline.syncOperations.context(handlerType: TLSHandler.self) else {
                return channel.close(mode: .all, promise: nil)
            }
            tls.close(mode: .all, promise: nil)
        }
        guard let socket = channel as? any SocketOptionProvider else { return channel.eventLoop.execute(slam) }
        socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.eventLoop.execute(slam) }
    }

    /// Who is at the other end, by its certificate.
    var identity: PeerIdentity? { state.withLockedValue { $0.identity } }

    private static func shown(_ address: SocketAddress) -> String {
        switch address {
        case .v4, .v6:
            let host = address.ipAddress ?? "?"
            return address.port.map { host.contains(":") ? "[\(host)]:\($0)" : "\(host):\($0)" } ?? host
        case .unixDomainSocket: return "unix"
        }
    }
}

/// The connections of one server: their count is bounded by the listeners, and whoever has been idle longest gives
/// way when it becomes crowded.
final class ConnectionTable: Sendable {
    private let state = NIOLockedValueBox((connections: [UInt64: Connection](), next: UInt64(1)))

    var count: Int { state.withLockedValue { $0.connections.count } }

    func open(_ channel: any Channel, _ transport: Connection.Transport) -> Connection {
        state.withLockedValue { state in
            let connection = Connection(id: state.next, channel: channel, transport: transport)
            state.connections[state.next] = connection
            state.next += 1
            return connection
        }
    }

    func closed(_ connection: Connection) {
        state.withLockedValue { _ = $0.connections.removeValue(forKey: connection.id) }
    }

    /// Closes the connection of a transport that has been idle longest, when there are more than `crowd` of them. Of those
    /// over TLS one that has not said for long who it is goes before any that has.
    func makeRoom(_ transport: Connection.Transport, crowd: Int) {
        guard count > crowd else { return }
        let all = state.withLockedValue { Array($0.connections.values) }.filter { $0.transport == transport }
        guard all.count > crowd else { return }
        let idle = all.compactMap { connection in connection.idleSince.map { (connection, $0) } }
        let late = NIODeadline.now() - HandshakeRegister.Bounds().patience
        let unknown = transport == .tls ? idle.filter { $0.0.identity == nil && $0.1 <= late } : []
        (unknown.isEmpty ? idle : unknown).min { $0.1 < $1.1 }?.0.close()
    }

    /// Notes who a connection belongs to. Where its holder has as many as one may, the one of them that has been idle
    /// longest gives way.
    ///
    /// - Returns: false when all of them are busy: then this one is to be closed.
    func authenticated(_ connection: Connection, _ identity: PeerIdentity, max: Int) -> Bool {
        let others = state.withLockedValue { state in
            defer { connection.authenticated(identity) }
            // The usual case, without looking at each.
            guard state.connections.count > max else { return [Connection]() }
            return state.connections.values.filter { $0 !== connection && $0.identity?.name == identity.name }
        }
        guard others.count >= max else { return true }
        let idle = others.compactMap { other in other.idleSince.map { (other, $0) } }
        guard let oldest = idle.min(by: { $0.1 < $1.1 }) else { return false }
        oldest.0.close()
        return true
    }

    /// Ends the connections of those to whom this applies.
    ///
    /// - Returns: how many there were.
    @discardableResult
    func cut(where applies: (PeerIdentity) -> Bool) -> Int {
        let all = state.withLockedValue { Array($0.connections.values) }
        let found = all.filter { $0.identity.map(applies) ?? false }
        for connection in found { connection.cut() }
        return found.count
    }

    func forEach(_ body: (Connection) -> Void) {
        for connection in state.withLockedValue({ Array($0.connections.values) }) { body(connection) }
    }
}
