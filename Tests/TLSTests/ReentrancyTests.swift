import NIOCore
import NIOEmbedded
import Testing
import Vocabulary

@testable import TLS

/// An application that acts from within what it is told: writes, closes, reads.
struct ReentrancyTests {
    /// Does what the test says, and passes everything on.
    private final class Actor: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        var onHandshake: (ChannelHandlerContext) -> Void = { _ in }
        var onRead: (ChannelHandlerContext, ByteBuffer) -> Void = { _, _ in }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event is TLSHandshakeCompleted { onHandshake(context) }
            context.fireUserInboundEventTriggered(event)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            onRead(context, unwrapInboundIn(data))
            context.fireChannelRead(data)
        }
    }

    private let pair: EmbeddedPair
    private let client = Actor()
    private let server = Actor()

    init() throws {
        let simba = try TestAuthority().context("roost://pride/node/simba")
        pair = try EmbeddedPair(client: simba, server: simba)
        try pair.client.pipeline.syncOperations.addHandler(client, position: .after(pair.clientTLS))
        try pair.server.pipeline.syncOperations.addHandler(server, position: .after(pair.serverTLS))
    }

    private func expectClean() {
        #expect(pair.clientEnd.record.errors.isEmpty, "\(pair.clientEnd.record.errors)")
        #expect(pair.serverEnd.record.errors.isEmpty, "\(pair.serverEnd.record.errors)")
    }

    private func text(_ end: Recorder) -> String { String(decoding: end.record.received, as: UTF8.self) }

    private func write(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
    }

    @Test("a write from within the end of the handshake comes after those before it")
    func writeInHandshake() throws {
        client.onHandshake = { write("second ", $0) }
        server.onHandshake = { write("greeting", $0) }
        pair.client.writeAndFlush(ByteBuffer(string: "first "), promise: nil)
        pair.client.read()
        pair.server.read()
        try pair.carry()
        pair.client.read()
        pair.server.read()
        try pair.carry()
        #expect(text(pair.serverEnd) == "first second ")
        #expect(text(pair.clientEnd) == "greeting")
        expectClean()
        pair.end()
    }

    @Test("a close from within the end of the handshake is a clean end for both, and fails what was not sent")
    func closeInHandshake() throws {
        var closed: EventLoopFuture<Void>?
        client.onHandshake = { closed = $0.channel.close() }
        let early = pair.client.writeAndFlush(ByteBuffer(string: "early"))
        try pair.carry()
        try #require(closed).wait()
        #expect(throws: TLSError.closed) { try early.wait() }
        #expect(!pair.client.isActive && !pair.server.isActive)
        #expect(pair.serverEnd.record.receivedBytes == 0)
        expectClean()
        pair.end()
    }

    @Test("the accepting side may close there, too, with the first bytes behind the handshake already here")
    func serverClosesInHandshake() throws {
        server.onHandshake = { $0.close(promise: nil) }
        pair.client.writeAndFlush(ByteBuffer(string: "early"), promise: nil)
        pair.client.read()
        pair.server.read()
        try pair.carry()
        #expect(pair.serverEnd.record.receivedBytes == 0)
        #expect(!pair.client.isActive && !pair.server.isActive)
        expectClean()
        pair.end()
    }

    @Test("an echo from within each read arrives whole, and a close from within one ends all after it")
    func echoAndClose() throws {
        try pair.carry()
        var reads = 0
        server.onRead = { context, buffer in
            reads += 1
            context.writeAndFlush(NIOAny(buffer), promise: nil)
            context.read()
            if reads == 2 { context.close(promise: nil) }
        }
        pair.client.read()
        pair.server.read()
        let much = TLSHandler.plaintextBytesMax
        pair.client.writeAndFlush(ByteBuffer(repeating: 1, count: 3 * much), promise: nil)
        try pair.carry()
        // What was read before the close was answered, and nothing was read after it.
        #expect(reads == 2)
        #expect(pair.clientEnd.record.receivedBytes == pair.serverEnd.record.receivedBytes)
        #expect((much..<3 * much).contains(pair.serverEnd.record.receivedBytes))
        #expect(!pair.client.isActive && !pair.server.isActive)
        expectClean()
        pair.end()
    }

    @Test("a close during the handshake ends it at once, and each waiting writer is told", arguments: [0, 1, 2])
    func closeDuringHandshake(flights: Int) throws {
        let early = pair.client.writeAndFlush(ByteBuffer(string: "early"))
        if flights > 0 { try pair.move(from: pair.client, to: pair.server) }
        // Held back, so that the client's handshake is not complete.
        let closed = flights == 2 ? pair.server.close() : pair.client.close()
        try closed.wait()
        if flights == 2 {
            #expect(!pair.server.isActive)
            pair.client.pipeline.fireChannelInactive()
            #expect(pair.clientEnd.record.tlsErrors == [.closedDuringHandshake])
            #expect(throws: TLSError.closedDuringHandshake) { try early.wait() }
        } else {
            #expect(!pair.client.isActive)
            #expect(throws: TLSError.closed) { try early.wait() }
            #expect(pair.clientEnd.record.errors.isEmpty)
            pair.server.pipeline.fireChannelInactive()
            #expect(pair.serverEnd.record.tlsErrors == [.closedDuringHandshake])
        }
        #expect(pair.clientEnd.record.handshakes + pair.serverEnd.record.handshakes == 0)
        pair.end()
    }
}
