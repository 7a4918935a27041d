import Client
import Gossip
import NIOCore
import NIOPosix
import Node
import SWIM
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("A member that lies about another one", .timeLimit(.minutes(2)))
struct ImpersonationTests {
    let bed: TestBed

    init() throws { bed = try TestBed() }

    /// Has the cluster's key and the certificate of a node, and uses the wire as it pleases.
    private final class Liar {
        let name: NodeName
        let credentials: TLSContext
        private let port: GossipPort

        init(_ name: NodeName, _ credentials: TLSContext, keyring: Keyring) async throws {
            self.name = name
            self.credentials = credentials
            port = try await GossipPort.bind(
                TestBed.loopback(), keyring: keyring, group: TestBed.group, logger: quietLogger()
            ) { _, _ in }
        }

        /// As often as gossip would, so that none is lost by chance.
        func gossip(_ claims: [Claim], as sender: NodeName? = nil, to target: Endpoint) {
            for _ in 0..<3 {
                port.send(Packet(from: sender ?? name, message: .gossip, claims: claims), to: target)
            }
        }

        func exchange(_ claims: [Claim], keyring: Keyring, with target: Endpoint) async throws -> Int {
            let connection = try await ClientConnection.connect(
                to: .https(target), tls: credentials, eventLoopGroup: TestBed.group)
            let body = MembersExchange(
                node: name, claims: claims, keyring: keyring, revoked: [], holds: 0,
                certificates: [CertificateChain(credentials.credentials.chain)])
            let status = try await connection.ask(
                "POST", "/v1/peer/members", headers: ["Content-Type": "application/json"],
                body: .bytes(ByteBuffer(bytes: try API.JSON.encode(body)))
            ).status
            await connection.close()
            return status
        }

        func close() async { await port.close() }
    }

    @Test("with the cluster's key and its own certificate a host makes nobody leave, move or count further")
    func lies() async throws {
        let a = try await TestAgent.start(bed, "a")
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        #expect(await eventually(30) { a.sees(b) && b.sees(a) })
        let ring = try #require(a.core.keys.current)
        let context = try bed.identity(.node, "liar")
        let liar = try await Liar(try NodeName("liar"), context, keyring: ring)
        let truth = try #require(a.core.driver.read { $0.membership.member(b.name)?.claim })
        #expect(truth.signature != nil, "as it came from b")
        let elsewhere = try TestBed.loopback(1)
        let later = truth.epoch + 60_000
        let own = context.credentials
        let unsigned = Claim(
            name: b.name, endpoint: elsewhere, epoch: later, incarnation: .zero, status: .left, metadata: .standard)
        let lies = [
            truth.bent(status: .left), truth.bent(status: .left, accuser: liar.name),
            truth.bent(incarnation: truth.incarnation.number + 1, status: .left),
            truth.bent(endpoint: elsewhere, incarnation: truth.incarnation.number + 1),
            truth.bent(endpoint: elsewhere, epoch: later), truth.bent(epoch: later, status: .left),
            truth.bent(incarnation: .max), truth.bent(endpoint: elsewhere, status: .suspect, accuser: liar.name),
            unsigned, try own.signed(unsigned), try own.signed(truth.bent(incarnation: 7, status: .draining)),
        ]
        for lie in lies {
            liar.gossip([lie], to: a.endpoint)
            liar.gossip([lie], as: b.name, to: a.endpoint)
        }
        #expect(try await liar.exchange(lies, keyring: ring, with: a.endpoint) == 200)
        #expect(
            await eventually(30) {
                let refused = a.core.claims.verifier.counts.refused
                return refused[.foreignFarewell] != nil && refused[.forged] != nil && refused[.unsigned] != nil
                    && refused[.unknownCertificate] != nil && refused[.incarnationJump] != nil
            })
        let now = try #require(a.core.driver.read { $0.membership.member(b.name) })
        #expect(now.endpoint == truth.endpoint && now.epoch == truth.epoch && !now.status.isDeparted)
        #expect(a.core.events.events().allSatisfy { $0.node != "b" || $0.type == "joined" || $0.type == "refuted" })

        // To b itself it can not be said that it has counted to the end, after which it could refute nothing any more.
        liar.gossip([truth.bent(incarnation: .max, status: .suspect, accuser: liar.name)], to: b.endpoint)
        liar.gossip([truth.bent(epoch: later)], to: b.endpoint)
        #expect(
            await eventually(30) {
                let refused = b.core.claims.verifier.counts.refused
                return refused[.ownIncarnation] != nil && refused[.forged] != nil
            })
        #expect(b.core.driver.read { $0.membership.oneself.incarnation.number } < 1_000)
        #expect(b.core.events.events().allSatisfy { $0.type != "conflict" })

        // An accusation is heard, and refuted.
        let before = b.core.driver.read { $0.membership.oneself.incarnation }
        let present = try #require(a.core.driver.read { $0.membership.member(b.name)?.claim })
        liar.gossip([present.bent(status: .suspect, accuser: liar.name)], to: a.endpoint)
        #expect(await eventually(30) { a.core.events.events().contains { $0.type == "suspected" && $0.node == "b" } })
        #expect(await eventually(30) { a.sees(b) })
        #expect(b.core.driver.read { $0.membership.oneself.incarnation } > before)
        await liar.close()
        for agent in [a, b] { await agent.stop() }
    }

    @Test("a member's certificate is asked of whoever tells of it, and known again after a restart without anyone")
    func certificates() async throws {
        let a = try await TestAgent.start(bed, "a")
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        let c = try await TestAgent.start(bed, "c", join: [b.endpoint])
        #expect(await eventually(30) { a.sees(b, c) && b.sees(a, c) && c.sees(a, b) })
        #expect(a.core.certificates.knows(c.name) && c.core.certificates.knows(a.name))
        let place = a.endpoint
        await a.stop()
        let again = try await TestAgent.start(bed, "a", at: place)
        #expect(again.core.certificates.knows(b.name) && again.core.certificates.knows(c.name))
        for agent in [again, b, c] { await agent.stop() }
    }

    @Test("a renewed certificate counts everywhere at once, and what the old one signed stays believed")
    func renewal() async throws {
        let a = try await TestAgent.start(bed, "a")
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        #expect(await eventually(30) { a.sees(b) && b.sees(a) })
        let before = b.core.credentials.context.credentials
        try bed.renew(.node, "b")
        b.service.certificates.take(because: "of the test", isAsked: true)
        #expect(b.core.credentials.context.credentials.certificateID != before.certificateID)
        #expect(await eventually(30) { a.core.certificates.chains(of: [b.name]).count == 2 })
        // Nothing else happens to b: what it says anew, it says for the sake of the signature.
        let id = try #require(b.core.credentials.context.credentials.certificateID)
        #expect(
            await eventually(30) {
                let signature = a.core.driver.read { $0.membership.member(b.name)?.claim.signature }
                return signature.flatMap { ClaimStatement.parts(of: $0)?.certificate } == id
            })
        #expect(a.core.claims.verifier.counts.refused[.forged] == nil)
        // Who comes new learns both from a, and with them what a has of b.
        let c = try await TestAgent.start(bed, "c", join: [a.endpoint])
        #expect(await eventually(30) { c.sees(a, b) && b.sees(c) })
        for agent in [a, b, c] { await agent.stop() }
    }

    @Test("a node whose clock is days ahead is told so, and takes itself for no member")
    func clockAhead() async throws {
        let a = try await TestAgent.start(bed, "a")
        let context = try bed.identity(.node, "future")
        let liar = try await Liar(try NodeName("future"), context, keyring: Keyring())
        let claim = Claim(
            name: liar.name, endpoint: try TestBed.loopback(1), epoch: WallClock.milliseconds + 3 * 86_400_000,
            incarnation: .zero, status: .alive, metadata: .standard)
        let signed = try context.credentials.signed(claim)
        #expect(try await liar.exchange([signed], keyring: Keyring(), with: a.endpoint) == 409)
        #expect(a.core.claims.verifier.counts.refused[.epochAhead] != nil)
        #expect(a.core.driver.read { $0.membership.member(liar.name) } == nil)
        await liar.close()
        await a.stop()
    }
}
