import Client
import Gossip
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Node
import Placement
import Relocation
import SWIM
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("Whole agents that find and lose each other", .timeLimit(.minutes(2)))
struct GossipClusterTests {
    let bed: TestBed

    init() throws { bed = try TestBed() }

    @Test("a revoked node has left for everyone at once, is not called, and what it says brings it back nowhere")
    func revoked() async throws {
        let a = try await TestAgent.start(bed, "a")
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        let c = try await TestAgent.start(bed, "c", join: [a.endpoint])
        #expect(await eventually(30) { a.sees(b, c) && b.sees(a, c) && c.sees(a, b) })
        await a.service.members.revoke(["roost://savanna/node/c"])
        #expect(a.status(of: c) == .left)
        #expect(await eventually(30) { b.status(of: c) == .left })
        for agent in [a, b] {
            #expect(agent.core.driver.read { $0.convergence.view.ring.candidates.map(\.name.text) } == ["a", "b"])
        }
        // It goes on asking, and telling that it lives.
        let sent = c.core.gossip.counts.sent
        let heard = b.core.gossip.counts.received
        #expect(await eventually(30) { c.core.gossip.counts.sent > sent + 10 })
        #expect(await eventually(30) { b.core.gossip.counts.received > heard + 10 })
        #expect(a.status(of: c) == .left && b.status(of: c) == .left)
        let place = c.endpoint
        await #expect(throws: JoinError.self) { _ = try await a.service.members.join(through: place) }
        let refusal = await #expect(throws: PeersError.self) {
            _ = try await b.core.peers.request(
                to: c.name, at: place, ClientRequest("GET", "/v1/members"), idempotent: true)
        }
        #expect(refusal == .revoked(c.name))
        for agent in [a, b, c] { await agent.stop() }
    }

    @Test("a node that remembers others vouches for nothing without them, until all are back")
    func aloneAmongTheRemembered() async throws {
        func patient(_ settings: inout AgentSettings) { settings.relocation.delay = .seconds(3600) }
        let first = try await TestAgent.start(bed, "a", patient)
        let placeOfA = first.endpoint
        let second = try await TestAgent.start(bed, "b", join: [placeOfA], patient)
        let placeOfB = second.endpoint
        #expect(await eventually(30) { first.sees(second) && second.sees(first) && second.phase == .serving })
        await first.stop()
        await second.stop()

        // While b is away somebody else sits at its address: each knock there is a round.
        let knocks = NIOLockedValueBox(0)
        let silent = try await Silence.listen(at: placeOfB, hangsUp: true) {
            knocks.withLockedValue { $0 += 1 }
        } closed: {
        }
        let quick = JoinLoop.Pace(first: .milliseconds(10), max: .milliseconds(50))
        let a = try await TestAgent.start(bed, "a", at: placeOfA, pace: quick, patient)
        #expect(a.phase == .joining, "from the first moment on")
        #expect(await eventually(60) { knocks.withLockedValue { $0 } >= 5 })
        #expect(a.phase == .joining)
        try await silent.close()
        let b = try await TestAgent.start(bed, "b", at: placeOfB, pace: quick, patient)
        #expect(await eventually(30) { a.phase == .serving && b.phase == .serving && a.sees(b) && b.sees(a) })
        await a.stop()
        await b.stop()
    }

    @Test("a cluster that started in two halves becomes one, though each half had found somebody")
    func islands() async throws {
        let quick = JoinLoop.Pace(lookFirst: .milliseconds(50), lookMax: .milliseconds(200))
        let placeOfA = try TestBed.place()
        let b = try await TestAgent.start(bed, "b")
        let c = try await TestAgent.start(bed, "c", join: [placeOfA, b.endpoint], pace: quick)
        #expect(await eventually(30) { c.sees(b) && b.sees(c) && c.phase == .serving })
        let a = try await TestAgent.start(bed, "a", at: placeOfA)
        #expect(await eventually(30) { a.sees(b, c) && b.sees(a, c) && c.sees(a, b) })
        for agent in [a, b, c] { await agent.stop() }
    }

    @Test("a node on its way in makes no key, whoever asks it what it has")
    func joinerMakesNoKey() async throws {
        let silent = try await Silence.listen(at: TestBed.loopback()) {
        } closed: {
        }
        let place = try TestBed.loopback(UInt16(silent.localAddress?.port ?? 0))
        let joiner = try await TestAgent.start(bed, "joiner", join: [place])
        let context = try bed.identity(.node, "asker")
        let connection = try await ClientConnection.connect(
            to: .https(joiner.endpoint), tls: context, eventLoopGroup: TestBed.group)
        let name = context.credentials.name.name
        let digest: MembersDigest = try await connection.post(
            "/v1/peer/digest", MembersDigest(node: name, digest: "", holds: 0), to: joiner.name, within: .seconds(10))
        let claim = try context.credentials.signed(
            Claim(
                name: name, endpoint: TestBed.loopback(1), epoch: WallClock.milliseconds, incarnation: .zero,
                status: .alive, metadata: .standard))
        let exchange: MembersExchange = try await connection.post(
            "/v1/peer/members",
            MembersExchange(
                node: name, claims: [claim], keyring: Keyring(), revoked: [], holds: 0,
                certificates: [CertificateChain(context.credentials.chain)]),
            to: joiner.name, within: .seconds(10))
        #expect(digest.node == joiner.name && exchange.node == joiner.name)
        #expect(exchange.joining == true && exchange.keyring.keys.isEmpty)
        #expect(joiner.phase == .joining && joiner.core.keys.current == nil)
        await connection.close()
        try await silent.close()
        await joiner.stop()
    }

    @Test("eight silent addresses are tried at once, and the ninth is reached")
    func concurrentSeeds() async throws {
        let open = NIOLockedValueBox((now: 0, most: 0))
        var silent: [any Channel] = []
        for _ in 0..<8 {
            silent.append(
                try await Silence.listen(at: TestBed.loopback()) {
                    open.withLockedValue {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                    }
                } closed: {
                    open.withLockedValue { $0.now -= 1 }
                })
        }
        let a = try await TestAgent.start(bed, "a")
        let seeds = try silent.map { try TestBed.loopback(UInt16($0.localAddress?.port ?? 0)) }
        let b = try await TestAgent.start(bed, "b", join: seeds + [a.endpoint])
        #expect(await eventually(60) { a.sees(b) && b.sees(a) && b.phase == .serving })
        #expect(open.withLockedValue { $0.most } == 8)
        await a.stop()
        await b.stop()
        for channel in silent { try await channel.close() }
    }

    @Test("of many addresses each round takes the next, so that all have their turn")
    func rotation() throws {
        let all = try (UInt16(1)...70).map { try TestBed.loopback($0) }
        var position = 0
        let rounds = (0..<3).map { _ in JoinLoop.next(&position, of: all) }
        #expect(rounds.allSatisfy { $0.count == 32 })
        #expect(rounds[0] == Array(all[0..<32]))
        #expect(Set(rounds.flatMap { $0 }) == Set(all))
    }

    @Test("all are back when those are whom any of the joiners remembers, and a first cluster waits for nobody")
    func missed() throws {
        let (a, b, c) = (try NodeName("a"), try NodeName("b"), try NodeName("c"))
        #expect(JoinLoop.missed(remembered: [], joiners: [:], me: a).isEmpty)
        #expect(JoinLoop.missed(remembered: [], joiners: [b: [], c: []], me: a).isEmpty)
        #expect(JoinLoop.missed(remembered: [b], joiners: [:], me: a) == [b])
        #expect(JoinLoop.missed(remembered: [b], joiners: [b: [a]], me: a).isEmpty)
        #expect(JoinLoop.missed(remembered: [b], joiners: [b: [a, c]], me: a) == [c], "b and c went on without a")
        #expect(JoinLoop.missed(remembered: [b], joiners: [b: [a, c], c: [b]], me: a).isEmpty)
    }

    @Test("those who have nothing of their own found a cluster when they are most of it, and none of them knows of one")
    func founders() throws {
        let (a, b) = (try NodeName("a"), try NodeName("b"))
        func mayFound(_ joiners: [NodeName: [NodeName]], of addresses: Int) -> Bool {
            JoinLoop.mayFound(joiners: joiners, addresses: addresses)
        }
        #expect(mayFound([:], of: 0), "nobody to join but oneself")
        #expect(!mayFound([:], of: 1) && mayFound([a: []], of: 1))
        #expect(mayFound([a: []], of: 2), "two of three")
        #expect(!mayFound([a: []], of: 3) && mayFound([a: [], b: []], of: 3))
        #expect(!mayFound([a: [], b: [a]], of: 2), "b knows of one")
    }

    @Test("followers of the events do not hold up a stop")
    func stopsWithFollowers() async throws {
        let a = try await TestAgent.start(bed, "a")
        let connection = try await ClientConnection.connect(
            to: .https(a.endpoint), tls: bed.identity(.reader, "nyota"), eventLoopGroup: TestBed.group)
        let response = try await connection.send(ClientRequest("GET", "/v1/events"))
        #expect(await eventually { a.core.events.followers == 1 })
        await a.stop()
        // It ends as an answer ends, not in the middle.
        for try await _ in response.body {}
    }
}

/// A TCP port that takes connections and says nothing, or hangs up.
enum Silence {
    static func listen(
        at endpoint: Endpoint, hangsUp: Bool = false, opened: @escaping @Sendable () -> Void,
        closed: @escaping @Sendable () -> Void
    ) async throws -> any Channel {
        try await ServerBootstrap(group: TestBed.group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                opened()
                channel.closeFuture.whenComplete { _ in closed() }
                return channel.eventLoop.makeCompletedFuture {
                    if hangsUp { try channel.pipeline.syncOperations.addHandler(HangUp()) }
                }
            }
            .bind(host: endpoint.host, port: Int(endpoint.port)).get()
    }
}

private final class HangUp: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    func channelActive(context: ChannelHandlerContext) { context.close(promise: nil) }
}
