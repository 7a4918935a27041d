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
final class GossipHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// 1,400 bytes pass every usual path unfragmented.
    static let datagramBytesMax = 1_400

    private var sealer: Sealer?
    private var opener: Opener
    private let counters: GossipCounters
    private let logger: Logger
    private let receive: GossipPort.Receive
    private var context: ChannelHandlerContext?

    init(keyring: Keyring, counters: GossipCounters, logger: Logger, receive: @escaping GossipPort.Receive) {
        opener = Opener(keyring: keyring)
        self.counters = counters
        self.logger = logger
        self.receive = receive
        sealer = Self.sealer(keyring, logger)
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
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func use(_ keyring: Keyring) {
        opener.use(keyring)
        guard sealer != nil, keyring.primary != nil else {
            sealer = Self.sealer(keyring, logger)
            return
        }
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
        try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
            address.withSockAddr { pointer, size in
                sendto(socket, bytes, bytes.count, CInt(MSG_DONTWAIT), pointer, socklen_t(size)) < 0 ? errno : 0
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let bytes = Array(envelope.data.readableBytesView)
        let packet: Packet
        do throws(GossipError) {
            packet = try opener.open(bytes)
        } catch {
            let rejections = opener.rejections.all
            counters.update { values in
                for (reason, count) in rejections where count > 0 { values.rejected[reason] = count }
            }
            logger.trace(
                "dropped a datagram", metadata: ["from": "\(envelope.remoteAddress)", "error": "\(error)"])
            return
        }
        guard let from = Endpoint(envelope.remoteAddress) else { return }
        counters.update {
            $0.received += 1
            $0.receivedBytes += UInt64(bytes.count)
        }
        receive(packet, from)
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
