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
