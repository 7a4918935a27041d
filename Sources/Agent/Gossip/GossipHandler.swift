import Gossip
import Logging
import NIOCore
import SWIM
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Seals and opens on the event loop of the gossip port; both hold state that one thread at a time may change.
final class GossipHandler: ChannelDuplexHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundIn = Never

    /// 1,400 bytes pass every usual path unfragmented.
    static let datagramBytesMax = 1_400

    private var sealer: Sealer?
    private var opener: Opener
    private let counters: GossipCounters
    private let logger: Logger
    private let receive: GossipPort.Receive
    private var context: ChannelHandlerContext?
    private let flood: FloodMeter.Bounds
    private var foreign: FloodMeter
    private var keyring: Keyring
    /// Ends the filter that the kernel has; nil while there is none.
    private var unfiltering: Scheduled<Void>?
    private var reading = ReadingTurn()
    private var resting: Scheduled<Void>?

    init(
        keyring: Keyring, flood: FloodMeter.Bounds, counters: GossipCounters, logger: Logger,
        receive: @escaping GossipPort.Receive
    ) {
        opener = Opener(keyring: keyring)
        self.keyring = keyring
        self.flood = flood
        foreign = FloodMeter(bounds: flood)
        self.counters = counters
        self.logger = logger
        self.receive = receive
        sealer = Self.sealer(keyring, logger)
        refuseOwn()
    }

    private func refuseOwn() {
        if let session = sealer?.sealingSession { opener.refuse(session) }
    }

    private static func sealer(_ keyring: Keyring, _ logger: Logger) -> Sealer? {
        guard keyring.primary != nil else { return nil }
        do {
            return try Sealer(keyring: keyring)
        } catch {
            logger.error("no gossip can be sealed", metadata: ["error": "\(error)"])
            return nil
        }
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        unfiltering?.cancel()
        unfiltering = nil
        resting?.cancel()
        resting = nil
        reading = ReadingTurn()
    }

    func use(_ keyring: Keyring) {
        opener.use(keyring)
        self.keyring = keyring
        // It would drop what the new key sealed; in a flood it is back at once.
        stopFiltering()
        guard sealer != nil, keyring.primary != nil else {
            sealer = Self.sealer(keyring, logger)
            refuseOwn()
            return
        }
        defer { refuseOwn() }
        // The session goes on unless the key to seal with is another one: each session is one that all others remember.
        do throws(GossipError) {
            try sealer?.use(keyring)
        } catch {
            logger.error("gossip is sealed with the key before still", metadata: ["error": "\(error)"])
        }
    }

    /// Sends past NIO's queue of writes: at most of their errors NIO closes the channel, and one member that can not be
    /// reached (no route, the wrong family of addresses, port 0, a firewall's no) would make this node deaf to all.
    func send(_ packet: Packet, to address: SocketAddress) {
        guard let context else { return counters.count(.closed) }
        let bytes: [UInt8]
        do throws(GossipError) {
            guard let sealed = try sealer?.seal(packet) else { return counters.count(.unsealed) }
            bytes = sealed
        } catch {
            return counters.count(.unsealed)
        }
        guard bytes.count <= Self.datagramBytesMax else { return counters.count(.tooLarge) }
        guard let code = transmit(bytes, to: address, context) else { return counters.count(.closed) }
        switch code {
        case 0:
            counters.update {
                $0.sent += 1
                $0.sentBytes += UInt64(bytes.count)
            }
        case EAGAIN, ENOBUFS: counters.count(.congested)
        default:
            counters.count(.refused)
            logger.trace(
                "could not send a datagram",
                metadata: ["to": "\(address)", "error": "\(String(cString: strerror(code)))"])
        }
    }

    /// - Returns: 0, or the system's reason; `nil` when the socket is closed.
    private func transmit(_ bytes: [UInt8], to address: SocketAddress, _ context: ChannelHandlerContext) -> CInt? {
        withSocket(context) { socket in
            address.withSockAddr { pointer, size in
                sendto(socket, bytes, bytes.count, CInt(MSG_DONTWAIT), pointer, socklen_t(size)) < 0 ? errno : 0
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reading.began(.now())
        let envelope = unwrapInboundIn(data)
        let bytes = Array(envelope.data.readableBytesView)
        let packet: Packet
        do throws(GossipError) {
            packet = try opener.open(bytes)
        } catch {
            reading.refused += 1
            counters.update { $0.rejected[error.reason, default: 0] += 1 }
            if error.isForeign, unfiltering == nil, foreign.isFlood(at: .now()) { filter(context) }
            logger.trace(
                "dropped a datagram", metadata: ["from": "\(envelope.remoteAddress)", "error": "\(error)"])
            return
        }
        guard let from = Endpoint(envelope.remoteAddress) else { return }
        counters.update {
            $0.received += 1
            $0.receivedBytes += UInt64(bytes.count)
        }
        reading.taken += 1
        receive(packet, from)
    }

    // MARK: Floods

    func channelReadComplete(context: ChannelHandlerContext) {
        let rest = reading.rest(.now())
        reading = ReadingTurn()
        if let rest {
            resting = context.eventLoop.assumeIsolated().scheduleTask(in: rest) {
                self.resting = nil
                self.context?.read()
            }
        }
        context.fireChannelReadComplete()
    }

    /// The channel reads by itself, and asks here: what comes during a rest waits in the kernel.
    func read(context: ChannelHandlerContext) {
        if resting == nil { context.read() }
    }

    var isFiltering: Bool { unfiltering != nil }

    private func filter(_ context: ChannelHandlerContext) {
        let keys = keyring.keys.map(\.id)
        let isDone = withSocket(context) { DatagramFilter.attach(to: $0, keys: keys) } ?? false
        if isDone { counters.update { $0.filtered += 1 } }
        // Where the kernel has no such thing it is asked again, and not for each datagram.
        unfiltering = context.eventLoop.assumeIsolated().scheduleTask(in: flood.filterFor) { self.stopFiltering() }
    }

    private func stopFiltering() {
        guard let unfiltering else { return }
        unfiltering.cancel()
        self.unfiltering = nil
        guard let context else { return }
        withSocket(context) { DatagramFilter.detach(from: $0) }
    }

    /// Datagrams that the kernel dropped at this socket: its filter, or because the socket's buffer was full.
    var droppedBySystem: UInt64 {
        UInt64(context.flatMap { withSocket($0) { DatagramFilter.dropped(at: $0) } ?? nil } ?? 0)
    }

    @discardableResult
    private func withSocket<T>(_ context: ChannelHandlerContext, _ body: (NIOBSDSocket.Handle) -> T) -> T? {
        try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self, body)
    }

    /// What the system reports of the socket. At some of it NIO closes the channel: `GossipPort` binds another then.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        counters.update { $0.socketErrors += 1 }
        logger.trace("the gossip port has an error", metadata: ["error": "\(error)"])
    }
}

extension Endpoint {
    /// Nil for a unix socket's address.
    init?(_ address: SocketAddress) {
        guard let host = address.ipAddress, let port = address.port.flatMap({ UInt16(exactly: $0) }),
            let endpoint = try? Endpoint(host: host, port: port)
        else { return nil }
        self = endpoint
    }
}
