import Logging
import NIOCore
import NIOEmbedded

@testable import Agent
@testable import TLS

/// One connection whose bytes pass through the attacker's hands.
struct Attack {
    enum Side { case server, client }

    /// Kinds of steps in a script.
    static let steps = 14
    /// A script's bytes in all: more is more of the same.
    private static let stepsMax = 200

    private let server: EmbeddedChannel
    private let client: EmbeddedChannel
    private let ends: (server: Witness, client: Witness)
    private let victimSide: Side
    /// What the peer sent and the victim has not got yet.
    private var pending: [UInt8] = []
    private var last: [UInt8] = []
    private var sentByPeer: [UInt8] = []
    private var next: UInt8 = 0

    /// - Parameter isWhole: whether the agent's first reader stands before the server's TLS, as it does in the agent.
    init(
        _ serverContext: TLSContext, _ clientContext: TLSContext, victim: Side, hasDoor: Bool, isWhole: Bool
    ) throws {
        ends = (Witness(), Witness())
        victimSide = victim
        let serverTLS = TLSHandler.server(context: serverContext, admits: hasDoor ? { true } : nil)
        let clientTLS = TLSHandler.client(context: clientContext, expecting: .anyNode)
        if isWhole {
            server = EmbeddedChannel()
            try Self.addVestibule(to: server, before: [serverTLS, ends.server])
        } else {
            server = EmbeddedChannel(handlers: [serverTLS, ends.server])
        }
        client = EmbeddedChannel(handlers: [clientTLS, ends.client])
        let nowhere = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        server.connect(to: nowhere, promise: nil)
        client.connect(to: nowhere, promise: nil)
        collect()
    }

    /// As `APIChildChannel` does it: what is behind is made when the first record is whole.
    private static func addVestibule(to channel: EmbeddedChannel, before others: [any ChannelHandler]) throws {
        let logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
        let connection = ConnectionTable().open(channel, .tls)
        let handlers = NIOLoopBound(others, eventLoop: channel.eventLoop)
        try channel.pipeline.syncOperations.addHandler(
            Vestibule(connection, timeout: .seconds(10), failures: TLSFailures(logger: logger)) { _ in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(handlers.value)
                }
            })
    }

    private var victim: EmbeddedChannel { victimSide == .server ? server : client }
    private var peer: EmbeddedChannel { victimSide == .server ? client : server }
    private var witness: Witness { victimSide == .server ? ends.server : ends.client }

    /// The peer's bytes, as they are for the taking; the victim's reach the peer unchanged.
    private mutating func collect() {
        for _ in 0..<64 {
            victim.embeddedEventLoop.run()
            var moved = false
            while let part = try? victim.readOutbound(as: ByteBuffer.self) {
                moved = true
                if peer.isActive { _ = try? peer.writeInbound(part) }
            }
            peer.embeddedEventLoop.run()
            while let part = try? peer.readOutbound(as: ByteBuffer.self) {
                pending += Array(part.readableBytesView)
            }
            if !moved { return }
        }
    }

    private mutating func deliver(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        last = bytes
        if victim.isActive { _ = try? victim.writeInbound(ByteBuffer(bytes: bytes)) }
        collect()
    }

    private mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(pending.prefix(count))
        pending.removeFirst(taken.count)
        return taken
    }

    /// What the first of the two says, or the server's answer to it.
    func firstFlight() throws -> [UInt8] {
        if victimSide == .server { return pending }
        var copy = self
        copy.collect()
        return copy.pending
    }

    mutating func handshake() throws {
        while !pending.isEmpty { deliver(take(.max)) }
        try demand(ends.server.handshakes == 1 && ends.client.handshakes == 1, "two honest ends come together")
    }

    /// The input's bytes in the place of the peer's, in pieces of the size that its first byte says.
    mutating func stranger(_ script: inout Script) throws {
        let piece = Int(script.byte())
        var bytes = script.all()[...]
        while !bytes.isEmpty {
            let part = bytes.prefix(piece == 0 ? bytes.count : piece)
            bytes = bytes.dropFirst(part.count)
            deliver(Array(part))
        }
        try demand(witness.handshakes == 0, "nobody without a certificate comes in")
    }

    mutating func run(_ script: inout Script) throws {
        for _ in 0..<Self.stepsMax where !script.isOver { step(&script) }
        while !pending.isEmpty { deliver(take(.max)) }
    }

    private mutating func step(_ script: inout Script) {
        switch script.below(Self.steps) {
        case 0: deliver(take(script.below(256)))
        case 1:
            var bytes = take(script.below(256))
            let position = script.below(256)
            if position < bytes.count { bytes[position] ^= max(1, script.byte()) }
            deliver(bytes)
        case 2: deliver(script.bytes(script.below(64)))
        case 3: _ = take(script.below(256))
        case 4: write(script.below(256), from: victim)
        case 5:
            let count = script.below(256) * 64
            if let bytes = write(count, from: peer) { sentByPeer += bytes }
            collect()
        case 6:
            victim.close(mode: script.below(2) == 0 ? .all : .output, promise: nil)
            collect()
        case 7:
            peer.close(mode: script.below(2) == 0 ? .all : .output, promise: nil)
            collect()
        case 8:
            victim.embeddedEventLoop.advanceTime(by: .seconds(Int64(script.below(16))))
            collect()
        case 9:
            victim.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            collect()
        case 10:
            victim.read()
            collect()
        case 11: deliver(last)
        case 12: deliver(take(.max))
        default:
            // A record's header, as many bytes as it says or fewer, of any type.
            let count = script.below(48)
            deliver([20 + script.byte() % 5, 3, 3, 0, UInt8(count)] + script.bytes(count))
        }
    }

    /// - Returns: nil where the end takes nothing any more.
    @discardableResult
    private mutating func write(_ count: Int, from channel: EmbeddedChannel) -> [UInt8]? {
        // Before its TLS is there an end has no application that could write.
        let isThere = (try? channel.pipeline.syncOperations.context(handlerType: Witness.self)) != nil
        guard channel.isActive, isThere, count > 0 else { return nil }
        let bytes = (0..<count).map { index in next &+ UInt8(truncatingIfNeeded: index) }
        next = next &+ 31
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        return bytes
    }

    func judge() throws {
        for end in [ends.server, ends.client] {
            try demand(end.handshakes <= 1, "a handshake is told once", "\(end.handshakes) times")
            try demand(end.errors <= 1, "an error of TLS is told once", "\(end.errors) times")
            try demand(
                end.early == 0, "no plaintext passes before the peer is known", "\(end.early) bytes")
        }
        let got = witness.received
        try demand(
            sentByPeer.starts(with: got), "what arrives is what the peer's application wrote, from its beginning",
            "\(got.count) bytes, of \(sentByPeer.count)")
    }

    func end() {
        _ = try? client.finish(acceptAlreadyClosed: true)
        _ = try? server.finish(acceptAlreadyClosed: true)
    }
}

/// The application behind one end.
private final class Witness: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private(set) var handshakes = 0
    private(set) var errors = 0
    private(set) var early = 0
    private(set) var received: [UInt8] = []
    private var isKnown = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        if !isKnown { early += buffer.readableBytes }
        received += Array(buffer.readableBytesView)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is TLSHandshakeCompleted {
            handshakes += 1
            isKnown = true
        }
        if event is TLSEnrolmentBegun { isKnown = true }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { if error is TLSError { errors += 1 } }
}
