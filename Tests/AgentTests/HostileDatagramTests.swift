import FoundationEssentials
import Gossip
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import Node
import SWIM
import TLS
import Testing
import Vocabulary

@testable import Agent

/// A real agent at its real port; what a fuzzer without sockets can not reach (`roost-fuzz` does the rest).
@Suite("Hostile datagrams over loopback", .timeLimit(.minutes(3)))
struct HostileDatagramTests {
    private static let datagrams = 100_000
    /// As many of 1,400 bytes as a socket's buffer takes where the system's bound (`rmem_max`) is the usual 208 KiB.
    private static let burst = 64
    /// After these the agent is as large as it will be.
    private static let warmUp = 20_000
    /// The allocator's own waste, and a log's buffers.
    private static let growthBytesMax = 32 << 20

    let bed: TestBed

    init() throws { bed = try TestBed() }

    @Test("a hundred thousand of them, a third sealed with the cluster's key, and the agent does its work")
    func storm() async throws {
        // What the kernel keeps away in a flood would test nothing here: all of it is to reach the agent.
        var flood = FloodMeter.Bounds()
        flood.perSecondMax = .max
        let a = try await TestAgent.start(bed, "a", flood: flood)
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        #expect(await eventually(30) { a.sees(b) && b.sees(a) })
        let keyring = try #require(a.core.keys.current)
        // A member known to the agent, and one that is not: both sign, and what they signed is bent.
        let known = try bed.identity(.node, "known").credentials
        let unknown = try bed.identity(.node, "unknown").credentials
        a.core.certificates.learn([CertificateChain(known.chain)])
        var storm = try Storm(
            sealer: try Sealer(keyring: keyring), target: a.name, signers: [known, unknown], seed: 7)
        let socket = try RawSocket(to: a.endpoint)
        var resident = 0
        var lost = 0
        for number in 1...Self.datagrams {
            socket.send(try storm.next())
            if number.isMultiple(of: Self.burst) { await Self.wait(for: a, toJudge: number, &lost) }
            if number == Self.warmUp { resident = try Self.residentBytes() }
        }
        #expect(Self.judged(a) > Self.datagrams * 9 / 10)
        let counts = a.core.gossip.counts
        #expect(counts.received > UInt64(Self.datagrams / 5), "\(counts)")
        for reason in ["too_short", "unknown_version", "not_authentic", "replayed"] {
            #expect(counts.rejected[reason, default: 0] > 0, "\(reason): \(counts)")
        }
        let claims = a.core.claims.verifier.counts
        #expect(claims.verified > 0, "\(claims)")
        for reason in [ClaimRefusal.unsigned, .forged, .unknownCertificate, .tooMany] {
            #expect(claims.refused[reason, default: 0] > 0, "\(reason): \(claims)")
        }
        #expect(a.core.driver.read { $0.membership.member(known.name.name) } != nil)
        #expect(try Self.residentBytes() - resident < Self.growthBytesMax)
        #expect(counts.rebinds == 0)

        try await answers(a, keyring)
        #expect(await eventually(30) { a.sees(b) && b.sees(a) })
        await a.stop()
        await b.stop()
    }

    /// Datagrams that reached the agent, whatever it made of them.
    private static func judged(_ agent: TestAgent) -> Int {
        let counts = agent.core.gossip.counts
        return Int(clamping: counts.received + counts.rejected.values.reduce(0, +))
    }

    /// The agent sets the pace: what its socket's buffer drops would test nothing.
    private static func wait(for agent: TestAgent, toJudge count: Int, _ lost: inout Int) async {
        let deadline = ContinuousClock.now + .seconds(1)
        while judged(agent) + lost < count {
            guard ContinuousClock.now < deadline else {
                lost = count - judged(agent)
                return
            }
            try? await Task.sleep(for: .milliseconds(1))
        }
    }

    /// A sealed ping from a member that it never met gets its ack.
    private func answers(_ agent: TestAgent, _ keyring: Keyring) async throws {
        let heard = NIOLockedValueBox<[Message]>([])
        let port = try await GossipPort.bind(TestBed.loopback(), keyring: keyring, logger: quietLogger()) { packet, _ in
            heard.withLockedValue { $0.append(packet.message) }
        }
        let ping = Packet(from: try NodeName("late"), message: .ping(SequenceNumber(4_711), target: agent.name))
        #expect(
            await eventually(10) {
                port.send(ping, to: agent.endpoint)
                try? await Task.sleep(for: .milliseconds(100))
                return heard.withLockedValue { $0.contains(.ack(SequenceNumber(4_711))) }
            })
        await port.close()
    }

    private static func residentBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return try #require(pages) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

/// What is sent: from a seed, but for the session that the sealer draws.
private struct Storm: ~Copyable {
    private var sealer: Sealer
    private let target: NodeName
    /// Signed by those whom they are about, in several lives and places, and some of them bent afterwards.
    private let signed: [Claim]
    private var rng: SeededGenerator
    private var last: [UInt8] = []

    init(sealer: consuming Sealer, target: NodeName, signers: [Credentials], seed: UInt64) throws {
        self.sealer = sealer
        self.target = target
        rng = SeededGenerator(seed: seed)
        signed = try signers.flatMap { signer in
            try (UInt32(0)..<64).flatMap { number in
                let claim = try signer.signed(
                    Claim(
                        name: signer.name.name, endpoint: TestBed.loopback(UInt16(number % 3) + 1),
                        epoch: UInt64(number / 16) + 1, incarnation: Incarnation(number % 16), status: .alive,
                        metadata: .standard))
                return [claim, claim.bent(incarnation: 100 + number), claim.bent(epoch: 10 + UInt64(number))]
            }
        }
    }

    mutating func next() throws -> [UInt8] {
        switch last.isEmpty ? 11 : Int.random(in: 0..<12, using: &rng) {
        case 0: return garbage(Int.random(in: 0...2_000, using: &rng))
        case 1: return [1] + garbage(Int.random(in: 44...1_399, using: &rng))
        case 2: return Array(last.prefix(Int.random(in: 0..<last.count, using: &rng)))
        case 3, 4,
            5:
            var changed = last
            changed[Int.random(in: 0..<changed.count, using: &rng)] ^= 1 << UInt8.random(in: 0..<8, using: &rng)
            return changed
        case 6,
            7:
            return last
        default:
            last = try sealer.seal(packet())
            return last
        }
    }

    private mutating func garbage(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &rng) }
    }

    /// Ghosts who speak ill of one another and of the agent, and ask for what they never get.
    private mutating func packet() throws -> Packet {
        func ghost(_ rng: inout SeededGenerator) throws -> NodeName {
            try NodeName("ghost-\(Int.random(in: 0..<200, using: &rng))")
        }
        let nowhere = try Endpoint(host: "127.0.0.1", port: UInt16.random(in: 0...3, using: &rng))
        var claims: [Claim] = []
        for _ in 0..<Int.random(in: 0...8, using: &rng) {
            claims.append(
                Claim(
                    name: try Int.random(in: 0..<20, using: &rng) == 0 ? target : ghost(&rng), endpoint: nowhere,
                    epoch: .random(in: 0...3, using: &rng),
                    incarnation: Incarnation(.random(in: .min ... .max, using: &rng)),
                    status: Status.allCases.randomElement(using: &rng) ?? .alive, metadata: .standard,
                    accusers: [try ghost(&rng)]))
        }
        if Int.random(in: 0..<4, using: &rng) == 0, claims.count < 6, let claim = signed.randomElement(using: &rng) {
            claims.append(claim)
        }
        let sequence = SequenceNumber(.random(in: .min ... .max, using: &rng))
        let messages: [Message] = [
            .ping(sequence, target: target), .ack(sequence), .nack(sequence), .gossip,
            .pingRequest(sequence, target: try ghost(&rng), at: nowhere, within: .milliseconds(65_535)),
        ]
        // Few tellers: what one of them may have wrong is soon used up.
        let teller = claims.contains { $0.signature != nil } ? try NodeName("ghost-0") : try ghost(&rng)
        return Packet(
            from: teller, message: messages.randomElement(using: &rng) ?? .gossip, claims: claims)
    }
}

/// Sends bytes as they are.
private final class RawSocket {
    private let descriptor: Int32

    init(to endpoint: Endpoint) throws {
        descriptor = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        try #require(descriptor >= 0)
        let address = try SocketAddress(ipAddress: endpoint.host, port: Int(endpoint.port))
        let connected = address.withSockAddr { pointer, size in connect(descriptor, pointer, socklen_t(size)) }
        try #require(connected == 0)
    }

    func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, 0) }

    deinit { close(descriptor) }
}
