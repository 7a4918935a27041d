import Gossip
import Logging
import NIOCore
import SWIM
import Vocabulary

/// Seals and opens on the event loop of the gossip port; both hold state that one thread at a time may change.
final class GossipHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    /// 1,400 bytes pass every usual path unfragmented.
    static let datagramBytesMax = 1_400
    /// Datagrams that wait for the socket; more are dropped, since old gossip is worth less than none.
    static let queuedMax = 1_024

    private var sealer: Sealer?
    private var opener: Opener
    private let counters: GossipCounters
    private let logger: Logger
    private let receive: GossipPort.Receive
    private var context: ChannelHandlerContext?
    private var queued = 0
    private var flushIsDue = false

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
        sealer = Self.sealer(keyring, logger)
    }

    func send(_ packet: Packet, to address: SocketAddress) {
        guard let context else { return }
        guard queued < Self.queuedMax else { return counters.count(.congested) }
        let bytes: [UInt8]
        do throws(GossipError) {
            guard let sealed = try sealer?.seal(packet) else { return counters.count(.unsealed) }
            bytes = sealed
        } catch {
            return counters.count(.unsealed)
        }
        guard bytes.count <= Self.datagramBytesMax else { return counters.count(.tooLarge) }
        let promise = context.eventLoop.makePromise(of: Void.self)
        queued += 1
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.queued -= 1
            switch result {
            case .success:
                self.counters.update {
                    $0.sent += 1
                    $0.sentBytes += UInt64(bytes.count)
                }
            case .failure: self.counters.count(.refused)
            }
        }
        context.write(wrapOutboundOut(.init(remoteAddress: address, data: ByteBuffer(bytes: bytes))), promise: promise)
        flushSoon(context)
    }

    /// One system call for all that one turn of the loop sends.
    private func flushSoon(_ context: ChannelHandlerContext) {
        guard !flushIsDue else { return }
        flushIsDue = true
        context.eventLoop.assumeIsolated().execute {
            self.flushIsDue = false
            context.flush()
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

    /// ICMP's answers to what we sent (ECONNREFUSED, EHOSTUNREACH) come as errors of the socket; the port lives on.
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
