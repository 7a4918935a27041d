import NIOCore
import NIOEmbedded
import NIOPosix
import Synchronization
import Testing
import Vocabulary

@testable import TLS

/// What was flushed before a close arrives, however slow the peer takes it, and a peer that takes nothing is cut.
struct FlushingTests {
    let authority: TestAuthority
    let simba: TLSContext

    init() throws {
        authority = try TestAuthority()
        simba = try authority.context("roost://pride/node/simba")
    }

    /// A server that has flushed 1 MiB to a network that is stuck, and closes.
    private func closing(
        acknowledging: @escaping () -> UInt64?
    ) throws -> (pair: EmbeddedPair, closed: EventLoopFuture<Void>) {
        let pair = try EmbeddedPair(client: simba, server: simba)
        pair.serverTLS.acknowledgedBytes = { channel in
            acknowledging().map { channel.eventLoop.makeSucceededFuture($0) }
        }
        try pair.carry()
        pair.client.read()
        pair.serverWire.isStuck = true
        pair.server.writeAndFlush(ByteBuffer(repeating: 6, count: 1 << 20), promise: nil)
        return (pair, pair.server.close())
    }

    @Test("a peer that takes a little at a time gets all of it, be it after ten minutes")
    func slow() throws {
        var acknowledged: UInt64 = 0
        let (pair, closed) = try closing { acknowledged }
        for _ in 0..<120 {
            acknowledged += TLSHandler.closeBytesMin
            pair.server.embeddedEventLoop.advanceTime(by: TLSHandler.closeTimeout)
            try #require(pair.server.isActive)
        }
        try pair.serverWire.release(pair.server)
        try pair.carry()
        try closed.wait()
        #expect(pair.clientEnd.record.receivedBytes == 1 << 20)
        #expect(pair.clientEnd.record.errors.isEmpty && pair.serverEnd.record.errors.isEmpty)
        pair.end()
    }

    @Test(
        "a peer that takes nothing, or next to nothing, is cut at the deadline; also where nobody counts",
        arguments: [0, TLSHandler.closeBytesMin - 1, nil])
    func stuck(step: UInt64?) throws {
        var acknowledged: UInt64 = 1 << 40
        let (pair, closed) = try closing { step == nil ? nil : acknowledged }
        acknowledged += step ?? 0
        pair.server.embeddedEventLoop.advanceTime(by: TLSHandler.closeTimeout - .nanoseconds(1))
        #expect(pair.server.isActive)
        pair.server.embeddedEventLoop.advanceTime(by: .nanoseconds(1))
        #expect(!pair.server.isActive)
        try closed.wait()
        pair.end()
    }

    /// A client's and a server's end over real sockets.
    private func connected(
        _ server: LoopbackServer, halfClosure: Bool = false
    ) async throws -> (client: any Channel, end: Recorder, serverSide: any Channel) {
        let end = Recorder()
        let simba = simba
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: halfClosure)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSHandler.client(context: simba, expecting: .anyNode), end,
                    ])
                }
            }
            .connect(host: "127.0.0.1", port: server.port).get()
        #expect(await eventually { server.first?.record.handshakes == 1 && end.record.handshakes == 1 })
        return (client, end, try #require(server.firstChannel))
    }

    /// More than the socket buffers of both sides hold (Linux lets them grow to 6 MiB and 4 MiB).
    private static let muchBytes = 32 << 20

    @Test("what was flushed before our close_notify outlives the peer's", arguments: [false, true])
    func peerFinishesFirst(halfClosure: Bool) async throws {
        let server = try await LoopbackServer.start(simba, halfClosure: true, autoRead: false, keepsBytes: false)
        let (client, end, serverSide) = try await connected(server, halfClosure: halfClosure)
        client.writeAndFlush(ByteBuffer(repeating: 1, count: Self.muchBytes), promise: nil)
        client.close(mode: .output, promise: nil)
        // Its loop reads before it writes: only what it has taken over by then was flushed before the peer's goodbye.
        try await client.eventLoop.submit {}.get()
        // The peer answers and says goodbye before it has read any of it.
        try await serverSide.writeAndFlush(ByteBuffer(string: "507 no space"))
        try await serverSide.close(mode: .output)
        #expect(await eventually { end.record.receivedBytes == 12 })
        #expect(
            await eventually {
                serverSide.read()
                return server.first?.record.inactive == true
            })
        #expect(server.first?.record.receivedBytes == Self.muchBytes)
        #expect(server.first?.record.errors.isEmpty == true, "\(String(describing: server.first?.record.errors))")
        #expect(await eventually { end.record.inactive })
        #expect(end.record.errors.isEmpty, "\(end.record.errors)")
        await server.stop()
    }

    @Test("a full close after a close of the output loses nothing that was flushed")
    func closeTwice() async throws {
        let server = try await LoopbackServer.start(simba, autoRead: false, keepsBytes: false)
        let (client, end, serverSide) = try await connected(server)
        client.writeAndFlush(ByteBuffer(repeating: 1, count: Self.muchBytes), promise: nil)
        client.close(mode: .output, promise: nil)
        client.close(promise: nil)
        #expect(
            await eventually {
                serverSide.read()
                return server.first?.record.inactive == true
            })
        #expect(server.first?.record.receivedBytes == Self.muchBytes)
        #expect(server.first?.record.errors.isEmpty == true)
        #expect(await eventually { end.record.inactive })
        await server.stop()
    }

    @Test("TCP counts what the peer has taken")
    func acknowledged() async throws {
        let server = try await LoopbackServer.start(simba, keepsBytes: false)
        let (client, _, _) = try await connected(server)
        try await client.writeAndFlush(ByteBuffer(repeating: 1, count: 1 << 20))
        #expect(await eventually { server.first?.record.receivedBytes == 1 << 20 })
        // The last acknowledgement may be delayed.
        let box = SharedCount()
        #expect(
            await eventually {
                SendProgress.acknowledgedBytes(client)?.whenSuccess { box.set($0) }
                return box.value > 1 << 20
            })
        #expect(box.value < 2 << 20)
        try await client.close()
        await server.stop()
    }
}

private final class SharedCount: Sendable {
    private let count = Mutex<UInt64>(0)
    var value: UInt64 { count.withLock { $0 } }
    func set(_ new: UInt64) { count.withLock { $0 = new } }
}
