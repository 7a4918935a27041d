import Client
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOConcurrencyHelpers
import NIOCore
import Node
import SWIM
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("Members' tags", .timeLimit(.minutes(2)))
struct TagsTests {
    let bed: TestBed
    private let reader: TLSContext

    init() throws {
        bed = try TestBed()
        reader = try bed.identity(.reader, "nyota")
    }

    /// As much as is allowed.
    private func full(_ role: String) throws -> Tags {
        let tags = try Tags(["role": role, "note": String(repeating: "ü", count: (4_096 - 7 - 4 - 7) / 2)])
        #expect(tags.encoded.count > 4_090)
        return tags
    }

    /// What `GET /v1/members` of one agent says of another.
    private func listed(_ name: NodeName, by agent: TestAgent) async throws -> API.Member? {
        let connection = try await ClientConnection.connect(
            to: .https(agent.endpoint), tls: reader, eventLoopGroup: TestBed.group)
        let text = try await connection.ask("GET", "/v1/members").text
        await connection.close()
        return try API.JSON.decode([API.Member].self, from: text.utf8).first { $0.name == name.text }
    }

    private func list(_ tags: Tags, of agent: TestAgent, by others: TestAgent...) async throws -> Bool {
        try await eventually(30) {
            for other in others {
                let member = try await listed(agent.name, by: other)
                guard member?.tags ?? [:] == tags.byKey, member?.tagsPending == nil else { return false }
            }
            return true
        }
    }

    @Test("4 KiB of one are seen by all, change without a restart, and go when they are taken away")
    func seenByAll() async throws {
        let first = try full("edge")
        let a = try await TestAgent.start(bed, "a") { $0.tags = first }
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        let c = try await TestAgent.start(bed, "c", join: [b.endpoint])
        #expect(try await list(first, of: a, by: a, b, c))
        #expect(try await listed(b.name, by: a)?.tags == nil)
        let epoch = a.core.driver.read { $0.membership.oneself.epoch }
        let marks = [b, c].map(\.core.events.lastID)

        let second = try full("core")
        a.service.take(second)
        #expect(try await list(second, of: a, by: a, b, c))
        for (agent, mark) in zip([b, c], marks) {
            let told = agent.core.events.events(after: mark).filter { $0.type == "updated" && $0.node == "a" }
            #expect(told.contains { $0.detail?.contains("role=core") == true }, "\(told)")
        }
        a.service.take(.none)
        #expect(try await list(.none, of: a, by: a, b, c))
        #expect(a.core.driver.read { $0.membership.oneself.epoch } == epoch)
        // Nothing is left to ask for, and what nobody has any more is dropped.
        #expect(
            await eventually(30) { [b, c].allSatisfy { $0.core.tagsFetcher.pending == 0 && $0.core.tags.bytes == 0 } })
        for agent in [a, b, c] { await agent.stop() }
    }

    @Test("once all know them nobody asks any more, and a restart finds them on its disk")
    func calm() async throws {
        let tags = try full("edge")
        let a = try await TestAgent.start(bed, "a") { $0.tags = tags }
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint]) { $0.tags = tags }
        #expect(try await list(tags, of: a, by: b))
        #expect(try await list(tags, of: b, by: a))
        // They are the same: each had them before it heard of the other.
        #expect(a.core.tagsFetcher.outcomes.isEmpty && b.core.tagsFetcher.outcomes.isEmpty)
        let c = try await TestAgent.start(bed, "c", join: [a.endpoint])
        #expect(try await list(tags, of: a, by: c))
        let asked = c.core.tagsFetcher.outcomes.values.reduce(0, +)
        #expect((1...3).contains(asked))
        let place = c.endpoint
        await c.stop()
        let again = try await TestAgent.start(bed, "c", at: place, join: [a.endpoint])
        #expect(again.core.tags.knows(try #require(tags.digest)))
        #expect(try await list(tags, of: a, by: again))
        #expect(again.core.tagsFetcher.outcomes.isEmpty)
        // Who gives up its own still knows those of another that were the same.
        b.service.take(.none)
        #expect(try await list(tags, of: a, by: b))
        for agent in [a, b, again] { await agent.stop() }
    }

    /// A member by its certificate, whose server says what it likes.
    @Test("a member that answers with other bytes is not believed, and is believed when it tells the truth")
    func liar() async throws {
        let truth = try full("edge")
        let name = try NodeName("liar")
        let context = try bed.identity(.node, name.text)
        let lie = try Tags(["role": "core"])
        let answer = NIOLockedValueBox([lie.encoded, Array(truth.encoded.dropLast()), truth.encoded + [0]])
        let router = APIRouter.make { _ in false }
        router.post("/v1/peer/tags") { _, _ in
            Response.json(TagsReply(tags: answer.withLockedValue { $0 }.map { Data($0) }))
        }
        let running = RunningServer(
            try await APIServer.bind(
                .init(tls: (TestBed.loopback(), CurrentCredentials(context))), node: name, router: router,
                logger: quietLogger()))
        // It answers no probes, and is to be a member all the while.
        let a = try await TestAgent.start(bed, "a") {
            $0.swim.probeInterval = .seconds(60)
            $0.swim.probeTimeout = .seconds(30)
        }
        let claim = Claim(
            name: name, endpoint: try running.endpoint, epoch: WallClock.milliseconds, incarnation: .zero,
            status: .alive, metadata: Metadata.standard.tagged(truth.digest))
        let connection = try await ClientConnection.connect(
            to: .https(a.endpoint), tls: context, eventLoopGroup: TestBed.group)
        let exchange = MembersExchange(
            node: name, claims: [try context.credentials.signed(claim)], keyring: try #require(a.core.keys.current),
            revoked: [], holds: 0, certificates: [CertificateChain(context.credentials.chain)])
        #expect(
            try await connection.ask(
                "POST", "/v1/peer/members", headers: ["Content-Type": "application/json"],
                body: .bytes(ByteBuffer(bytes: try API.JSON.encode(exchange)))
            ).status == 200)
        #expect(await eventually(30) { a.core.tagsFetcher.outcomes[.partial] ?? 0 >= 2 })
        let doubted = try await listed(name, by: a)
        #expect(doubted?.tags == nil && doubted?.tagsPending == true)
        #expect(a.core.tags.bytes == 0)

        answer.withLockedValue { $0 = [lie.encoded, truth.encoded] }
        #expect(
            try await eventually(30) {
                let member = try await listed(name, by: a)
                return member?.tags == truth.byKey && member?.tagsPending == nil
            })
        #expect(!a.core.tags.knows(try #require(lie.digest)))
        await connection.close()
        await a.stop()
    }

    @Test("only nodes may ask for tags")
    func rights() async throws {
        let a = try await TestAgent.start(bed, "a") { $0.tags = (try? Tags(["role": "edge"])) ?? .none }
        let connection = try await ClientConnection.connect(
            to: .https(a.endpoint), tls: reader, eventLoopGroup: TestBed.group)
        let answer = try await connection.ask(
            "POST", "/v1/peer/tags", headers: ["Content-Type": "application/json"],
            body: .bytes(ByteBuffer(string: #"{"wanted":[]}"#)))
        #expect(answer.status == 403)
        await connection.close()
        await a.stop()
    }
}
