import Gossip
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SWIM
import Vocabulary

/// The UDP half of DESIGN's picture: seals what SWIM wants sent, opens what arrives, and hands up only what a member
/// of this cluster can have said.
///
/// Nothing that a stranger sends, no ICMP error that it provokes and no address that can not be reached closes the
/// port: each is counted and forgotten. Should the socket be lost all the same (NIO closes one at errors of reading
/// that it does not know), the same port is bound again, with the same sessions, so that nothing can be replayed to it.
public final class GossipPort: Sendable {
    /// Called on the port's event loop: do little, or hand over.
    public typealias Receive = @Sendable (Packet, Endpoint) -> Void

    private struct Socket {
        var channel: any Channel
        var boundAt = NIODeadline.now()
        /// Before the next attempt to bind, when this socket is lost.
        var pause = GossipPort.rebindPauseFirst
        var isClosed = false
    }

    /// The actual address: what port 0 became.
    public let port: UInt16
    private let endpoint: Endpoint
    private let eventLoop: any EventLoop
    private let handler: NIOLoopBound<GossipHandler>
    private let socket: NIOLockedValueBox<Socket>
    private let resolver: EndpointResolver
    private let counters: GossipCounters
    private let logger: Logger

    private init(
        endpoint: Endpoint, channel: any Channel, handler: NIOLoopBound<GossipHandler>, counters: GossipCounters,
        logger: Logger
    ) {
        self.endpoint = endpoint
        port = endpoint.port
        eventLoop = channel.eventLoop
        self.handler = handler
        socket = NIOLockedValueBox(Socket(channel: channel))
        resolver = EndpointResolver(family: channel.localAddress?.protocol ?? .inet)
        self.counters = counters
        self.logger = logger
        watch(channel)
    }

    /// Binds the port; datagrams are handed to `receive` from now on.
    ///
    /// - Parameter keyring: an empty one sends and opens nothing until `use` brings the cluster's.
    public static func bind(
        _ endpoint: Endpoint, keyring: Keyring, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger, receive: @escaping Receive
    ) async throws(ListenError) -> GossipPort {
        try await bind(endpoint, keyring: keyring, flood: .init(), group: group, logger: logger, receive: receive)
    }

    /// The same with other bounds of a flood, for tests.
    static func bind(
        _ endpoint: Endpoint, keyring: Keyring, flood: FloodMeter.Bounds,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger, receive: @escaping Receive
    ) async throws(ListenError) -> GossipPort {
        let counters = GossipCounters()
        let eventLoop = group.next()
        do {
            let handler = try await eventLoop.submit {
                NIOLoopBound(
                    GossipHandler(
                        keyring: keyring, flood: flood, counters: counters, logger: logger, receive: receive),
                    eventLoop: eventLoop)
            }.get()
            let channel = try await open(endpoint, on: eventLoop, handler).get()
            let port = channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? endpoint.port
            return GossipPort(
                endpoint: try Endpoint(host: endpoint.host, port: port), channel: channel, handler: handler,
                counters: counters, logger: logger)
        } catch {
            throw ListenError.from(error, endpoint, .udp, key: "bind")
        }
    }

    /// Datagrams that one system call takes in at most.
    private static let datagramsPerReadMax = 16
    /// Room for one of them. Ours have at most 1,400 bytes; a longer one is seen to be longer, and refused.
    private static let datagramRoomBytes = 2_048
    /// Some 3,000 datagrams: a burst after a pause of the process is not lost.
    static let receiveBufferBytes = 4 << 20

    private static func open(
        _ endpoint: Endpoint, on eventLoop: any EventLoop, _ handler: NIOLoopBound<GossipHandler>
    ) -> EventLoopFuture<any Channel> {
        DatagramBootstrap(group: eventLoop)
            // NIO divides the buffer by the number of datagrams: what exceeds its share is cut off.
            .channelOption(
                .recvAllocator,
                value: FixedSizeRecvByteBufferAllocator(capacity: datagramsPerReadMax * datagramRoomBytes)
            )
            .channelOption(.datagramVectorReadMessageCount, value: datagramsPerReadMax)
            .channelOption(.socketOption(.so_rcvbuf), value: receiveBufferBytes)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(handler.value)
                }
            }
            .bind(host: endpoint.host, port: Int(endpoint.port))
    }

    // MARK: Binding anew

    private static let rebindPauseFirst = TimeAmount.milliseconds(10)
    private static let rebindPauseMax = TimeAmount.seconds(5)
    /// A socket that lived this long was well: what takes it then is a new trouble, with short pauses again.
    private static let wellAfter = TimeAmount.seconds(60)

    private func watch(_ channel: any Channel) {
        channel.closeFuture.whenComplete { [weak self] _ in self?.lost() }
    }

    private func lost() {
        let pause: TimeAmount? = socket.withLockedValue { socket in
            guard !socket.isClosed else { return nil }
            if NIODeadline.now() - socket.boundAt >= Self.wellAfter { socket.pause = Self.rebindPauseFirst }
            defer { socket.pause = min(socket.pause * 2, Self.rebindPauseMax) }
            return socket.pause
        }
        guard let pause else { return }
        logger.warning(
            "the gossip socket was lost; binding it again",
            metadata: ["address": "\(endpoint)", "pause_ms": "\(pause.nanoseconds / 1_000_000)"])
        rebind(after: pause)
    }

    private func rebind(after pause: TimeAmount) {
        eventLoop.scheduleTask(in: pause) { [weak self] in
            guard let self, !self.socket.withLockedValue({ $0.isClosed }) else { return }
            Self.open(self.endpoint, on: self.eventLoop, self.handler).whenComplete { [weak self] result in
                switch result {
                case .success(let channel):
                    guard let self, self.take(channel) else { return channel.close(promise: nil) }
                    self.counters.update { $0.rebinds += 1 }
                    self.logger.notice("the gossip socket is bound again", metadata: ["address": "\(self.endpoint)"])
                    self.watch(channel)
                case .failure(let error):
                    guard let self else { return }
                    let reason = ListenError.from(error, self.endpoint, .udp, key: "bind")
                    self.logger.error("the gossip port is deaf", metadata: ["error": "\(reason)"])
                    self.rebind(after: min(pause * 2, Self.rebindPauseMax))
                }
            }
        }
    }

    /// - Returns: false when the port was closed meanwhile.
    private func take(_ channel: any Channel) -> Bool {
        socket.withLockedValue { socket in
            guard !socket.isClosed else { return false }
            socket.channel = channel
            socket.boundAt = .now()
            return true
        }
    }

    // MARK: Sending

    /// Seals and sends. It never waits and never fails: a datagram that can not be sent is counted, as the network
    /// may lose any other.
    public func send(_ packet: Packet, to endpoint: Endpoint) {
        if let address = resolver.cached(endpoint) {
            transmit(packet, to: address)
            return
        }
        resolver.resolve(endpoint) { [weak self] address in
            guard let self else { return }
            if let address { self.transmit(packet, to: address) } else { self.counters.count(.unresolved) }
        }
    }

    private func transmit(_ packet: Packet, to address: SocketAddress) {
        eventLoop.execute { [handler] in handler.value.send(packet, to: address) }
    }

    /// Seals with the keyring's primary key and opens with all of its keys from now on.
    public func use(_ keyring: Keyring) {
        eventLoop.execute { [handler] in handler.value.use(keyring) }
    }

    /// For the metrics.
    public var counts: GossipCounters.Values { counters.values }

    /// Datagrams that the kernel dropped at the present socket, before the agent saw them.
    func droppedBySystem() async -> UInt64 {
        (try? await eventLoop.submit { [handler] in handler.value.droppedBySystem }.get()) ?? 0
    }

    func isFiltering() async -> Bool {
        (try? await eventLoop.submit { [handler] in handler.value.isFiltering }.get()) ?? false
    }

    /// The present socket.
    var channel: any Channel { socket.withLockedValue { $0.channel } }

    public func close() async {
        do { try await retire().close().get() } catch {
            // Closed already: that is what was asked for.
        }
    }

    /// From now on a closed socket stays closed.
    private func retire() -> any Channel {
        socket.withLockedValue { socket in
            socket.isClosed = true
            return socket.channel
        }
    }

    deinit { retire().close(promise: nil) }
}
