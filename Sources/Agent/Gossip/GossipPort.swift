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
/// Nothing that a stranger sends, and no ICMP error that it provokes, closes the port: each is counted and forgotten.
public final class GossipPort: Sendable {
    /// Called on the port's event loop: do little, or hand over.
    public typealias Receive = @Sendable (Packet, Endpoint) -> Void

    /// The actual address: what port 0 became.
    public let port: UInt16
    private let channel: any Channel
    private let handler: NIOLoopBound<GossipHandler>
    private let resolver: EndpointResolver
    private let counters: GossipCounters

    private init(
        port: UInt16, channel: any Channel, handler: NIOLoopBound<GossipHandler>, resolver: EndpointResolver,
        counters: GossipCounters
    ) {
        self.port = port
        self.channel = channel
        self.handler = handler
        self.resolver = resolver
        self.counters = counters
    }

    /// Binds the port; datagrams are handed to `receive` from now on.
    ///
    /// - Parameter keyring: an empty one sends and opens nothing until `use` brings the cluster's.
    public static func bind(
        _ endpoint: Endpoint, keyring: Keyring, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger, receive: @escaping Receive
    ) async throws(ListenError) -> GossipPort {
        let counters = GossipCounters()
        do {
            let channel = try await DatagramBootstrap(group: group)
                // A datagram of ours has at most 1,400 bytes; one byte more is enough to tell that it is longer.
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 2048))
                .channelOption(.socketOption(.so_rcvbuf), value: GossipPort.receiveBufferBytes)
                .channelOption(.datagramVectorReadMessageCount, value: 16)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            GossipHandler(keyring: keyring, counters: counters, logger: logger, receive: receive))
                    }
                }
                .bind(host: endpoint.host, port: Int(endpoint.port)).get()
            let handler = try await channel.eventLoop.submit {
                NIOLoopBound(
                    try channel.pipeline.syncOperations.handler(type: GossipHandler.self), eventLoop: channel.eventLoop)
            }.get()
            let family = channel.localAddress?.protocol ?? .inet
            return GossipPort(
                port: channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? endpoint.port, channel: channel,
                handler: handler, resolver: EndpointResolver(family: family, group: group), counters: counters)
        } catch {
            throw ListenError.from(error, endpoint, .udp, key: "bind")
        }
    }

    /// Some 3,000 datagrams: a burst after a pause of the process is not lost.
    static let receiveBufferBytes = 4 << 20

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
        channel.eventLoop.execute { [handler] in handler.value.send(packet, to: address) }
    }

    /// Seals with the keyring's primary key and opens with all of its keys from now on.
    public func use(_ keyring: Keyring) {
        channel.eventLoop.execute { [handler] in handler.value.use(keyring) }
    }

    /// For the metrics.
    public var counts: GossipCounters.Values { counters.values }

    public func close() async {
        do { try await channel.close().get() } catch {
            // Closed already: that is what was asked for.
        }
    }

    deinit { channel.close(promise: nil) }
}

/// Datagrams sent, received and dropped, the latter by reason.
public final class GossipCounters: Sendable {
    public struct Values: Sendable, Hashable {
        public var sent: UInt64 = 0
        public var sentBytes: UInt64 = 0
        public var received: UInt64 = 0
        public var receivedBytes: UInt64 = 0
        /// What arrived and was refused, by the names of Gossip's own reasons.
        public var rejected: [String: UInt64] = [:]
        /// What was to be sent and was not.
        public var unsent: [String: UInt64] = [:]
        /// Errors of the socket, such as ICMP's "port unreachable".
        public var socketErrors: UInt64 = 0
    }

    enum Unsent: String {
        /// The host's name has no address.
        case unresolved
        /// The keyring is empty, or OpenSSL failed.
        case unsealed
        case tooLarge = "too_large"
        /// The socket's buffer is full: SWIM's own repetition makes up for it.
        case congested
        case refused
    }

    private let box = NIOLockedValueBox(Values())

    var values: Values { box.withLockedValue { $0 } }
    func update(_ body: (inout Values) -> Void) { box.withLockedValue(body) }
    func count(_ reason: Unsent) { update { $0.unsent[reason.rawValue, default: 0] += 1 } }
}
