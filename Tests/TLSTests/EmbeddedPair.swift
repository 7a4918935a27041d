import NIOCore
import NIOEmbedded

@testable import TLS

/// A client and a server joined by a wire that the test carries by hand: no socket, no clock, no thread.
final class EmbeddedPair {
    let client: EmbeddedChannel
    let server: EmbeddedChannel
    let clientTLS: TLSHandler
    let serverTLS: TLSHandler
    let clientEnd = Recorder()
    let serverEnd = Recorder()
    let serverWire = SlowWire()

    init(
        client clientContext: TLSContext, server serverContext: TLSContext, expecting: ExpectedPeer = .anyNode,
        turn: TLSHandler.Turn? = nil
    ) throws {
        clientTLS = .client(context: clientContext, expecting: expecting)
        serverTLS = .server(context: serverContext, turn: turn)
        client = EmbeddedChannel(handlers: [clientTLS, clientEnd])
        server = EmbeddedChannel(handlers: [serverWire, serverTLS, serverEnd])
        let nowhere = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        server.connect(to: nowhere, promise: nil)
        client.connect(to: nowhere, promise: nil)
    }

    /// Carries everything that either side sends, in pieces of at most `piece` bytes, until both are silent.
    func carry(piece: Int = .max) throws {
        while true {
            let sent = try move(from: client, to: server, piece: piece)
            let answered = try move(from: server, to: client, piece: piece)
            if !sent, !answered { return }
        }
    }

    /// - Returns: whether there was anything.
    @discardableResult
    func move(from source: EmbeddedChannel, to target: EmbeddedChannel, piece: Int = .max) throws -> Bool {
        source.embeddedEventLoop.run()
        var moved = false
        while var buffer = try source.readOutbound(as: ByteBuffer.self) {
            while let part = buffer.readSlice(length: min(piece, buffer.readableBytes)), part.readableBytes > 0 {
                moved = true
                guard target.isActive else { continue }
                try target.writeInbound(part)
            }
        }
        target.embeddedEventLoop.run()
        return moved
    }

    /// Both channels closed and all their leftovers dropped.
    func end() {
        _ = try? client.finish(acceptAlreadyClosed: true)
        _ = try? server.finish(acceptAlreadyClosed: true)
    }
}

/// A network that takes bytes when the test says so.
final class SlowWire: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    var isStuck = false
    private var held: [(buffer: ByteBuffer, promise: EventLoopPromise<Void>?)] = []

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if isStuck {
            held.append((unwrapOutboundIn(data), promise))
        } else {
            context.write(data, promise: promise)
        }
    }

    /// Takes all that was held.
    func release(_ channel: EmbeddedChannel) throws {
        isStuck = false
        let context = try channel.pipeline.syncOperations.context(handler: self)
        for (buffer, promise) in held { context.write(wrapOutboundOut(buffer), promise: promise) }
        held = []
        context.flush()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        for (_, promise) in held { promise?.fail(ChannelError.ioOnClosedChannel) }
        held = []
    }
}
