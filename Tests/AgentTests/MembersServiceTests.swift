import Client
import NIOCore
import Node
import Resources
import SWIM
import Testing
import Vocabulary

@testable import Agent

@Suite("Leaving and forgetting", .timeLimit(.minutes(2)))
struct MembersServiceTests {
    let bed: TestBed

    init() throws { bed = try TestBed() }

    /// Members of whom one has said that they are there, where nobody listens.
    private func absent(_ names: [String], at status: Status, on agent: TestAgent) async throws -> [NodeName] {
        let port = try await Silence.listen(at: TestBed.loopback()) {
        } closed: {
        }
        let place = try TestBed.loopback(UInt16(port.localAddress?.port ?? 0))
        try await port.close()
        let claims = try names.map { name in
            Claim(
                name: try NodeName(name), endpoint: place, epoch: 1, incarnation: .zero, status: status,
                metadata: .standard, accusers: status.isAccusation ? [agent.name] : [])
        }
        agent.core.driver.feed(.membership(.merge(claims, from: agent.name)))
        return claims.map(\.name)
    }

    @Test("whoever is forgotten is off the disk at once, and members that could not be told are named, however many")
    func forgetting() async throws {
        let a = try await TestAgent.start(bed, "a") { $0.swim.probeInterval = .seconds(60) }
        let gone = try await absent(["gone"], at: .crashed, on: a)[0]
        let others = try await absent((100..<180).map { "n\($0)" }, at: .alive, on: a)
        let members = a.service.members
        await members.save()
        func isOnDisk() async throws -> Bool {
            try await SavedMembers(store: a.core.store, me: a.name, log: quietLogger()).remembers(gone)
        }
        #expect(try await isOnDisk())
        await members.forget(gone)
        let untold = await members.tellToForget(gone).untold
        #expect(try await !isOnDisk())
        #expect(untold == others)
        #expect(a.core.driver.read { $0.membership.member(gone) } == nil)
        await a.stop()
    }

    @Test("a later word to leave at once ends a drain that hangs, for whoever waits for it")
    func hurried() async throws {
        let a = try await TestAgent.start(bed, "a")
        // A write that never ends.
        a.core.intake.began(try ResourceName("hangs"))
        let first = Task { await a.service.leaving.leave(now: false, timeout: .seconds(3600)) }
        #expect(await eventually { a.core.driver.read { $0.isDraining } })
        let second = await a.service.leaving.leave(now: true, timeout: .seconds(3600))
        #expect(await first.value == second)
        #expect(second.durationMilliseconds < 60_000)
        await a.stop()
    }

    @Test("the log of a node that refutes says whom it contradicted, and that this was its own word")
    func contradiction() throws {
        let me = try NodeName("me")
        let (mkango, chui) = (try NodeName("mkango"), try NodeName("chui"))
        let place = try TestBed.loopback(1)
        for (status, words) in [(Status.suspect, "suspected it"), (.crashed, "took it for crashed")] {
            var membership = Membership(identity: me, epoch: 1, endpoint: place, metadata: .standard, at: .zero)
            let log = EventLog()
            var rng = SeededGenerator(seed: 1)
            var effects: [Membership.Effect] = []
            let accused = Claim(
                name: me, endpoint: place, epoch: 1, incarnation: .zero, status: status, metadata: .standard,
                accusers: [mkango])
            membership.handle(.merge([accused], from: chui), at: .zero, using: &rng, into: &effects)
            for case .event(let event) in effects {
                EventRecorder.record(event, by: me, in: log, log: quietLogger())
            }
            let event = try #require(log.events().first { $0.type == "refuted" })
            #expect(event.node == "me" && event.by == "me")
            #expect(event.detail == "contradicted mkango, which \(words), heard from chui")
        }
    }
}
