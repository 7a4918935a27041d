import Client
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Node
import SWIM
import Testing
import Vocabulary

@testable import Agent

@Suite("Two hosts under one name", .timeLimit(.minutes(2)))
struct NameConflictTests {
    let bed: TestBed

    init() throws { bed = try TestBed() }

    /// Another host with a copy of the certificate, and a disk of its own.
    private func second(
        _ name: String, join: [Endpoint], log: Logger = quietLogger()
    ) async throws -> TestAgent {
        let folder = bed.folder.path
        let pace = JoinLoop.Pace(first: .milliseconds(50), max: .milliseconds(200))
        return try await TestAgent.start(bed, name, join: join, pace: pace, log: log) { settings in
            settings.dataFolder = "\(folder)/\(name).second.data"
            settings.socketPath = "\(folder)/\(name).second.sock"
        }
    }

    @Test("who was refused for its name, and then finds nobody, says in the log that it waits, and for what")
    func thenNobody() async throws {
        let lines = NIOLockedValueBox<[String]>([])
        let log = Logger(label: "test") { _ in
            LineLogHandler(format: .text, level: .info) { line in lines.withLockedValue { $0.append(line) } }
        }
        func says(_ words: String) -> Bool { lines.withLockedValue { $0.contains { $0.contains(words) } } }
        let a = try await TestAgent.start(bed, "a")
        let twin = try await second("a", join: [a.endpoint, TestBed.place()], log: log)
        #expect(await eventually(30) { !conflicts(twin).isEmpty && says("is not let in") })
        // It is told to whoever waits for the start with the second refusal: that was the end of all words.
        let refusals = a.core.claims.conflicts.count
        #expect(await eventually(30) { a.core.claims.conflicts.count > refusals })
        #expect(!says("too few answer"))
        await a.stop()
        #expect(await eventually(30) { says("too few answer of those to join") })
        #expect(twin.phase == .joining)
        await twin.stop()
    }

    private func conflicts(_ agent: TestAgent) -> [API.Event] {
        agent.core.events.events().filter { $0.type == "conflict" }
    }

    @Test(
        "the second holder of a live name is refused, with an event on both sides, and gets in when the first has gone")
    func refused() async throws {
        let a = try await TestAgent.start(bed, "a")
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        #expect(await eventually(30) { a.sees(b) && b.sees(a) })
        let place = b.endpoint
        let twin = try await second("b", join: [a.endpoint])
        #expect(await eventually(30) { !conflicts(twin).isEmpty && !conflicts(b).isEmpty && !conflicts(a).isEmpty })
        let words = try #require(conflicts(twin).first?.detail)
        #expect(words.hasPrefix("the name b is in use by a live node at \(place) since 20"), "\(words)")
        #expect(words.hasSuffix("stop it or issue another certificate"))
        #expect(conflicts(b).first?.address == twin.endpoint.description)
        // It keeps trying, for longer than a node waits before it goes on alone, and is no member.
        #expect(await eventually(30) { a.core.claims.conflicts.count >= 1 })
        let refusals = a.core.claims.conflicts.count
        #expect(await eventually(30) { a.core.claims.conflicts.count > refusals }, "it asks again, and b answers again")
        #expect(twin.phase == .joining)
        #expect(a.core.driver.read { $0.membership.member(b.name)?.endpoint } == place)
        #expect(a.sees(b) && b.sees(a))
        #expect(conflicts(b).count == 1 && conflicts(a).count == 1, "once for each life of the other")

        await b.stop()
        #expect(await eventually(30) { twin.phase == .serving && a.sees(twin) && twin.sees(a) })
        #expect(a.core.driver.read { $0.membership.member(twin.name)?.endpoint } == twin.endpoint)
        for agent in [a, twin] { await agent.stop() }
    }

    @Test("the holder itself refuses its namesake, and takes nobody that calls it by its own address for one")
    func namesake() async throws {
        let a = try await TestAgent.start(bed, "a")
        let twin = try await second("a", join: [a.endpoint])
        #expect(await eventually(30) { !conflicts(twin).isEmpty && !conflicts(a).isEmpty })
        #expect(twin.phase == .joining)
        await #expect(throws: JoinError.self) { _ = try await a.service.members.join(through: a.endpoint) }
        #expect(conflicts(a).count == 1)
        for agent in [a, twin] { await agent.stop() }
    }

    @Test("a second holder that already has the cluster's key is refused by each member, whatever it tells them")
    func byGossip() async throws {
        let a = try await TestAgent.start(bed, "a")
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        #expect(await eventually(30) { a.sees(b) && b.sees(a) })
        let place = b.endpoint
        let twin = try await second("b", join: [])
        _ = await twin.core.keys.merge(try #require(a.core.keys.current))
        // As one that has met a before, it speaks to it by datagrams and exchanges.
        let claims = a.core.driver.read { $0.membership.claims }.filter { $0.name == a.name }
        twin.core.driver.feed(.membership(.merge(a.core.signer.signed(claims), from: a.name)))
        #expect(await eventually(30) { !conflicts(a).isEmpty && !conflicts(b).isEmpty })
        let refusals = a.core.claims.conflicts.count
        #expect(await eventually(30) { a.core.claims.conflicts.count > refusals }, "it goes on telling")
        #expect(a.core.driver.read { $0.membership.member(b.name)?.endpoint } == place)
        #expect(a.sees(b) && b.sees(a))
        for agent in [a, b, twin] { await agent.stop() }
    }

    private func claim(_ agent: TestAgent, epoch: UInt64) throws -> Claim {
        Claim(
            name: agent.name, endpoint: try TestBed.loopback(1), epoch: epoch, incarnation: .zero, status: .alive,
            metadata: .standard)
    }

    @Test("one question that many wait for is one refusal; when too many are under way nobody is accused unasked")
    func manyQuestions() async throws {
        let a = try await TestAgent.start(bed, "a")
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        #expect(await eventually(30) { a.sees(b) })
        let conflicts = a.core.claims.conflicts
        let holder = try #require(a.core.driver.read { $0.membership.member(b.name)?.claim })
        let life = try claim(b, epoch: holder.epoch + 1)
        let verdicts = await withTaskGroup(of: NameConflicts.Verdict.self) { tasks in
            for _ in 0..<8 { tasks.addTask { await conflicts.verdict(on: life, against: holder) } }
            return await tasks.reduce(into: []) { $0.append($1) }
        }
        #expect(verdicts.allSatisfy { if case .held = $0 { true } else { false } })
        #expect(conflicts.count == 1)
        let events = self.conflicts(a).count

        let opened = NIOLockedValueBox(0)
        let silent = try await Silence.listen(at: TestBed.loopback()) {
            opened.withLockedValue { $0 += 1 }
        } closed: {
        }
        let elsewhere = holder.bent(endpoint: try TestBed.loopback(UInt16(silent.localAddress?.port ?? 0)))
        let lives = try (0...NameConflicts.keptMax).map { try claim(b, epoch: holder.epoch + 10 + UInt64($0)) }
        let outcome = await withTaskGroup(of: NameConflicts.Verdict.self) { tasks in
            for life in lives { tasks.addTask { await conflicts.verdict(on: life, against: elsewhere) } }
            return await tasks.reduce(into: []) { $0.append($1) }
        }
        #expect(outcome.count { if case .busy = $0 { true } else { false } } >= 1)
        #expect(outcome.allSatisfy { if case .held = $0 { false } else { true } }, "nobody answered")
        #expect(conflicts.count == 1 && self.conflicts(a).count == events)
        try await silent.close()
        for agent in [a, b] { await agent.stop() }
    }

    @Test("a host that returns under its name with another address takes over at once")
    func returns() async throws {
        // Nobody may have noticed yet that it was gone.
        func slow(_ settings: inout AgentSettings) { settings.swim.probeInterval = .seconds(30) }
        let a = try await TestAgent.start(bed, "a", slow)
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint], slow)
        let c = try await TestAgent.start(bed, "c", join: [a.endpoint], slow)
        #expect(await eventually(30) { a.sees(b, c) && b.sees(a, c) && c.sees(a, b) })
        let place = b.endpoint
        await b.stop()
        #expect(a.status(of: b) == .alive, "or this shows nothing")
        let back = try await TestAgent.start(bed, "b", join: [a.endpoint], slow)
        #expect(back.endpoint != place)
        for agent in [a, c] {
            #expect(
                await eventually(10) {
                    agent.core.driver.read { $0.membership.member(back.name)?.endpoint } == back.endpoint
                })
            #expect(agent.sees(back))
            #expect(conflicts(agent).isEmpty)
        }
        #expect(await eventually(30) { back.phase == .serving })
        for agent in [a, back, c] { await agent.stop() }
    }
}
