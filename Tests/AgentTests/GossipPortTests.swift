import Gossip
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SWIM
import Testing
import Vocabulary

@testable import Agent

@Suite("The gossip port", .timeLimit(.minutes(1)))
struct GossipPortTests {
    private let received = NIOLockedValueBox<[(Packet, Endpoint)]>([])

    private func port(_ keyring: Keyring) async throws -> GossipPort {
        let received = received
        return try await GossipPort.bind(TestBed.loopback(), keyring: keyring, logger: quietLogger()) { packet, from in
            received.withLockedValue { $0.append((packet, from)) }
        }
    }

    private func packet(_ number: UInt32) throws -> Packet {
        Packet(from: try NodeName("simba"), message: .ack(SequenceNumber(number)))
    }

    /// One of 1,400 bytes when it is sealed.
    private func fullPacket(_ number: UInt32) throws -> Packet {
        func claim(_ name: String, zone: Int = 0) throws -> Claim {
            Claim(
                name: try NodeName(name), endpoint: try Endpoint(host: "10.20.30.40", port: 7667), epoch: 1,
                incarnation: .zero, status: .alive,
                metadata: try Metadata(zone: String(repeating: "z", count: zone), version: "1.0"))
        }
        let from = try NodeName("simba")
        var claims: [Claim] = []
        func room() -> Int {
            let packet = Packet(from: from, message: .ack(SequenceNumber(number)), claims: claims)
            return Packet.wireSizeMax - packet.wireSize
        }
        while true {
            let next = try claim("node-\(10 + claims.count)")
            guard room() >= 3 * next.wireSize else { break }
            claims.append(next)
        }
        // The rest, by a zone of the right length in each of two.
        let bare = try claim("node-98").wireSize
        let zones = room() - 2 * bare
        claims.append(try claim("node-98", zone: min(zones, 60)))
        claims.append(try claim("node-99", zone: zones - min(zones, 60)))
        return Packet(from: from, message: .ack(SequenceNumber(number)), claims: claims)
    }

    private var count: Int { received.withLockedValue { $0.count } }

    @Test("a packet arrives with its sender's address, by number and by name")
    func roundTrip() async throws {
        let keyring = try Keyring.create(createdAt: 1)
        let a = try await port(keyring)
        let b = try await port(keyring)
        a.send(try packet(7), to: try TestBed.loopback(b.port))
        #expect(await eventually { count == 1 })
        let first = received.withLockedValue { $0.first }
        #expect(first?.0 == (try packet(7)))
        #expect(first?.1 == (try TestBed.loopback(a.port)))
        a.send(try packet(8), to: try Endpoint(host: "localhost", port: b.port))
        #expect(await eventually { count == 2 })
        #expect(a.counts.sent == 2)
        #expect(b.counts.received == 2)
    }

    @Test("bursts of full packets of 1,400 bytes arrive whole, both ways")
    func fullPackets() async throws {
        let keyring = try Keyring.create(createdAt: 1)
        let a = try await port(keyring)
        let b = try await port(keyring)
        let burst = try (UInt32(1)...60).map(fullPacket)
        #expect(burst.allSatisfy { $0.wireSize == Packet.wireSizeMax })
        for packet in burst { a.send(packet, to: try TestBed.loopback(b.port)) }
        #expect(await eventually { b.counts.received == 60 })
        for packet in burst { b.send(packet, to: try TestBed.loopback(a.port)) }
        #expect(await eventually { a.counts.received == 60 })
        #expect(received.withLockedValue { $0.map(\.0) } == burst + burst)
        #expect(b.counts.receivedBytes == 60 * 1_400)
        #expect(a.counts.rejected.isEmpty && b.counts.rejected.isEmpty)
    }

    @Test("what can not be reached is counted, and the socket stays")
    func impossibleAddresses() async throws {
        let keyring = try Keyring.create(createdAt: 1)
        let a = try await port(keyring)
        let b = try await port(keyring)
        let nowhere = [
            try TestBed.loopback(0), try Endpoint(host: "::1", port: b.port),
            try Endpoint(host: "255.255.255.255", port: b.port), try Endpoint(host: "240.0.0.1", port: b.port),
        ]
        for endpoint in nowhere { a.send(try packet(1), to: endpoint) }
        a.send(try packet(2), to: try TestBed.loopback(b.port))
        #expect(await eventually { count == 1 })
        #expect(a.counts.unsent["refused", default: 0] >= 3, "\(a.counts)")
        #expect(a.counts.rebinds == 0)
    }

    @Test("another key to open with begins no new session; one to seal with does")
    func sessions() async throws {
        let sessions = NIOLockedValueBox<[[UInt8]]>([])
        let recorder = try await DatagramBootstrap(group: TestBed.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(SessionRecorder(sessions))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let target = try TestBed.loopback(UInt16(recorder.localAddress?.port ?? 0))
        let second = try Keyring.create(createdAt: 2)
        let a = try await port(second)
        func session() async throws -> [UInt8] {
            let before = sessions.withLockedValue { $0.count }
            a.send(try packet(1), to: target)
            try #require(await eventually { sessions.withLockedValue { $0.count } > before })
            return try #require(sessions.withLockedValue { $0.last })
        }
        let first = try await session()
        var ring = second
        ring.merge(with: try Keyring.create(createdAt: 1))
        a.use(ring)
        #expect(try await session() == first)
        ring.merge(with: try Keyring.create(createdAt: 3))
        a.use(ring)
        #expect(try await session() != first)
        try await recorder.close()
        await a.close()
    }

    @Test("a lost socket is bound again on the same port, knows what it had heard, and stays closed once closed")
    func lostSocket() async throws {
        let keyring = try Keyring.create(createdAt: 1)
        let a = try await port(keyring)
        let b = try await port(keyring)
        a.send(try packet(1), to: try TestBed.loopback(b.port))
        #expect(await eventually { count == 1 })
        for loss in 1...3 as ClosedRange<UInt64> {
            try await a.channel.close().get()
            try await b.channel.close().get()
            #expect(await eventually { a.counts.rebinds == loss && b.counts.rebinds == loss })
            a.send(try packet(10), to: try TestBed.loopback(b.port))
            b.send(try packet(11), to: try TestBed.loopback(a.port))
            #expect(await eventually { count == Int(1 + 2 * loss) })
        }
        await a.close()
        // The port is free: it was not taken again behind our back.
        let next = try await GossipPort.bind(TestBed.loopback(a.port), keyring: keyring, logger: quietLogger()) {
            _, _ in
        }
        await next.close()
        await b.close()
    }

    @Test("garbage, foreign packets, closed ports and unknown hosts are counted, and the port lives on")
    func garbage() async throws {
        let keyring = try Keyring.create(createdAt: 1)
        let a = try await port(keyring)
        let b = try await port(keyring)
        let foreign = try await port(Keyring.create(createdAt: 2))
        let raw = try await DatagramBootstrap(group: TestBed.group).bind(host: "127.0.0.1", port: 0).get()
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: Int(b.port))
        for size in [1, 44, 60, 1400, 1500, 9000] {
            let bytes = ByteBuffer(bytes: (0..<size).map { _ in UInt8.random(in: .min ... .max) })
            try await raw.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: bytes)).get()
        }
        foreign.send(try packet(1), to: try TestBed.loopback(b.port))
        #expect(await eventually { b.counts.rejected.values.reduce(0, +) >= 7 })
        // A port that nobody listens on provokes an ICMP error.
        for _ in 0..<5 { a.send(try packet(2), to: try TestBed.loopback(1)) }
        a.send(try packet(3), to: try Endpoint(host: "no-such-host.invalid", port: 7667))
        #expect(await eventually(30) { a.counts.unsent["unresolved"] == 1 })
        a.send(try packet(4), to: try TestBed.loopback(b.port))
        #expect(await eventually { count == 1 })
        try await raw.close()
    }

    @Test("an empty keyring sends and opens nothing, until it is replaced")
    func keyringArrives() async throws {
        let keyring = try Keyring.create(createdAt: 1)
        let a = try await port(Keyring())
        let b = try await port(keyring)
        a.send(try packet(1), to: try TestBed.loopback(b.port))
        #expect(await eventually { a.counts.unsent["unsealed"] == 1 })
        a.use(keyring)
        a.send(try packet(2), to: try TestBed.loopback(b.port))
        #expect(await eventually { count == 1 })
    }

    @Test("a busy port is an error that names UDP")
    func busyPort() async throws {
        let a = try await port(Keyring())
        let endpoint = try TestBed.loopback(a.port)
        let error = await #expect(throws: ListenError.self) {
            _ = try await GossipPort.bind(endpoint, keyring: Keyring(), logger: quietLogger()) { _, _ in }
        }
        #expect(error == .busy(endpoint, transport: .udp, key: "bind"))
        await a.close()
    }
}

/// Keeps the session of each datagram: the 16 bytes after version and key id.
private final class SessionRecorder: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let sessions: NIOLockedValueBox<[[UInt8]]>

    init(_ sessions: NIOLockedValueBox<[[UInt8]]>) { self.sessions = sessions }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).data.readableBytesView)
        sessions.withLockedValue { $0.append(Array(bytes.dropFirst(5).prefix(16))) }
    }
}
