import Gossip
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SWIM
import Testing
import Vocabulary

@testable import Agent

/// What somebody on the path can do with datagrams that passed him, at real ports.
@Suite("Captured datagrams", .timeLimit(.minutes(1)))
struct CapturedDatagramTests {
    private let received = NIOLockedValueBox<[Packet]>([])
    private let captured = NIOLockedValueBox<[[UInt8]]>([])

    private func port(_ keyring: Keyring, flood: FloodMeter.Bounds = .init()) async throws -> GossipPort {
        let received = received
        return try await GossipPort.bind(TestBed.loopback(), keyring: keyring, flood: flood, logger: quietLogger()) {
            packet, _ in received.withLockedValue { $0.append(packet) }
        }
    }

    private func packet(_ number: Int) throws -> Packet {
        Packet(from: try NodeName("simba"), message: .ack(SequenceNumber(UInt32(number))))
    }

    /// These datagrams as they are on the wire, and a socket to send what is made of them.
    private func capture(_ count: Int, of sender: GossipPort) async throws -> (datagrams: [[UInt8]], wire: any Channel)
    {
        let captured = captured
        let wire = try await DatagramBootstrap(group: TestBed.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Capture(captured))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let place = try TestBed.loopback(UInt16(wire.localAddress?.port ?? 0))
        for number in 0..<count { sender.send(try packet(number), to: place) }
        try #require(await eventually { captured.withLockedValue { $0.count } == count })
        return (captured.withLockedValue { $0 }, wire)
    }

    private func send(_ datagrams: [[UInt8]], over wire: any Channel, to port: GossipPort) async throws {
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: Int(port.port))
        for datagram in datagrams {
            try await wire.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: datagram)))
                .get()
        }
    }

    private func rejected(_ port: GossipPort, _ reason: String) -> Int { Int(port.counts.rejected[reason, default: 0]) }

    @Test(
        "re-ordered they are taken once; replayed, reflected, cut short and flipped they change nothing, and are counted"
    )
    func changed() async throws {
        let keyring = try Keyring.create(createdAt: 1)
        let a = try await port(keyring)
        let b = try await port(keyring)
        let count = 20
        let (datagrams, wire) = try await capture(count, of: a)

        try await send(datagrams.reversed(), over: wire, to: b)
        #expect(await eventually { b.counts.received == UInt64(count) })
        #expect(received.withLockedValue { $0 } == (try (0..<count).reversed().map(packet)))

        try await send(datagrams + datagrams, over: wire, to: b)
        #expect(await eventually { rejected(b, "replayed") == 2 * count })

        try await send(datagrams, over: wire, to: a)
        #expect(await eventually { rejected(a, "reflected") == count })

        let whole = try #require(datagrams.first)
        try await send((1..<whole.count).map { Array(whole.prefix($0)) }, over: wire, to: b)
        #expect(
            await eventually {
                rejected(b, "too_short") + rejected(b, "not_authentic") + rejected(b, "replayed")
                    == 2 * count + whole.count - 1
            })
        // Of one that never came: no window knows it, and only the tag speaks against it.
        a.send(try packet(99), to: try TestBed.loopback(UInt16(wire.localAddress?.port ?? 0)))
        try #require(await eventually { captured.withLockedValue { $0.count } == count + 1 })
        let fresh = try #require(captured.withLockedValue { $0.last })
        let before = b.counts.rejected.values.reduce(0, +)
        var flips: [[UInt8]] = []
        for index in fresh.indices {
            var flipped = fresh
            flipped[index] ^= 1 << UInt8(index % 8)
            flips.append(flipped)
        }
        try await send(flips, over: wire, to: b)
        #expect(await eventually { b.counts.rejected.values.reduce(0, +) == before + UInt64(flips.count) })
        #expect(rejected(b, "not_authentic") >= fresh.count - 30)
        #expect(b.counts.received == UInt64(count))
        #expect(a.counts.received == 0)
        #expect(received.withLockedValue { $0.count } == count)

        try await send([fresh], over: wire, to: b)
        #expect(await eventually { b.counts.received == UInt64(count) + 1 })
        try await wire.close()
        await a.close()
        await b.close()
    }

    @Test("a flood of foreign datagrams is kept away by the kernel, members are heard, and afterwards all is as it was")
    func flood() async throws {
        var bounds = FloodMeter.Bounds()
        bounds.perSecondMax = 200
        bounds.filterFor = .seconds(2)
        let keyring = try Keyring.create(createdAt: 1)
        let a = try await port(keyring)
        let b = try await port(keyring, flood: bounds)
        let wire = try await DatagramBootstrap(group: TestBed.group).bind(host: "127.0.0.1", port: 0).get()
        let noise = (0..<50).map { size in (0..<(20 * size + 1)).map { _ in UInt8.random(in: .min ... .max) } }
        #expect(
            try await eventually {
                try await send(noise, over: wire, to: b)
                return await b.isFiltering()
            })
        let judged = b.counts.rejected.values.reduce(0, +)
        for _ in 0..<4 { try await send(noise, over: wire, to: b) }
        for number in 0..<10 { a.send(try packet(number), to: try TestBed.loopback(b.port)) }
        #expect(await eventually { b.counts.received == 10 })
        #expect(await b.droppedBySystem() >= 200)
        #expect(b.counts.rejected.values.reduce(0, +) <= judged + 50)
        #expect(b.counts.filtered == 1)
        // What a key that comes meanwhile has sealed is let through as well.
        var ring = keyring
        ring.merge(with: try Keyring.create(createdAt: 3))
        b.use(ring)
        a.use(ring)
        try await send(noise, over: wire, to: b)
        for number in 10..<20 { a.send(try packet(number), to: try TestBed.loopback(b.port)) }
        #expect(await eventually { b.counts.received == 20 })
        try await wire.close()
        await a.close()
        await b.close()
    }

    @Test("the kernel's filter goes by itself")
    func calmAgain() async throws {
        var bounds = FloodMeter.Bounds()
        bounds.perSecondMax = 50
        bounds.filterFor = .milliseconds(300)
        let b = try await port(try Keyring.create(createdAt: 1), flood: bounds)
        let wire = try await DatagramBootstrap(group: TestBed.group).bind(host: "127.0.0.1", port: 0).get()
        try await send((0..<60).map { [UInt8($0)] }, over: wire, to: b)
        #expect(await eventually { b.counts.filtered == 1 })
        #expect(await eventually { await !b.isFiltering() })
        try await wire.close()
        await b.close()
    }
}

/// Keeps what arrives, as it is.
private final class Capture: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let captured: NIOLockedValueBox<[[UInt8]]>

    init(_ captured: NIOLockedValueBox<[[UInt8]]>) { self.captured = captured }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).data.readableBytesView)
        captured.withLockedValue { $0.append(bytes) }
    }
}
