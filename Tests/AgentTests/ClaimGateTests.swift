import Gossip
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Node
import SWIM
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("The way in of claims", .timeLimit(.minutes(1)))
struct ClaimGateTests {
    let bed: TestBed
    let me: CurrentCredentials
    let simba: Credentials
    let name: NodeName
    let teller: NodeName
    let place: Endpoint

    init() throws {
        bed = try TestBed()
        me = CurrentCredentials(try bed.identity(.node, "me"))
        simba = try bed.identity(.node, "simba").credentials
        name = try NodeName("simba")
        teller = try NodeName("mkango")
        place = try TestBed.loopback(7667)
    }

    private func driver() throws -> NodeDriver {
        let machine = NodeMachine(
            NodeMachine.Identity(
                name: try NodeName("me"), cluster: try ClusterName("savanna"), epoch: 1,
                endpoint: try TestBed.loopback(1), metadata: .standard), settings: .init(), at: NodeDriver.now)
        return NodeDriver(machine, seed: 1, eventLoop: TestBed.group.next()) { _ in true }
    }

    /// A gate whose clock stands still, so that the budget for signatures does not fill again.
    private func gate(_ driver: NodeDriver, probe: @escaping ClaimGate.Probe) throws -> ClaimGate {
        let book = CertificateBook(me: try NodeName("me"), credentials: me, log: quietLogger())
        book.learn([CertificateChain(simba.chain)])
        let stopped = NodeDriver.now
        return ClaimGate(
            driver: driver,
            verifier: ClaimVerifier(
                me: try NodeName("me"), cluster: try ClusterName("savanna"), book: book, log: quietLogger(),
                clock: { stopped }),
            conflicts: NameConflicts(
                me: try NodeName("me"), driver: driver, credentials: me, book: book, events: EventLog(),
                log: quietLogger(), group: TestBed.group),
            fetcher: CertificateFetcher(book: book, log: quietLogger()) { _, _, _ in [] }, probe: probe)
    }

    private func claim(_ incarnation: UInt32) throws -> Claim {
        try simba.signed(
            Claim(
                name: name, endpoint: place, epoch: 1_000, incarnation: Incarnation(incarnation), status: .alive,
                metadata: .standard))
    }

    @Test("a suspect whose refutation drowns in forged statements is asked over TLS, now and then, and is cleared")
    func drownedRefutation() async throws {
        let driver = try driver()
        let present = try claim(1)
        let refutation = try claim(2)
        let asked = NIOLockedValueBox<[[Claim]]>([])
        let gate = try gate(driver) { node, endpoint, claims in
            #expect(node == present.name && endpoint == present.endpoint)
            asked.withLockedValue { $0.append(claims) }
            return [refutation]
        }
        func tell(_ claims: [Claim], as sender: NodeName) {
            gate.receive(Packet(from: sender, message: .gossip, claims: claims), from: place)
        }
        driver.feed(.membership(.merge([present], from: name)))
        // Whoever has the cluster's key can give any name for a teller's.
        func forge(_ count: UInt32) {
            for number in 0..<count { tell([present.bent(incarnation: 10 + number)], as: teller) }
        }
        forge(UInt32(VerificationBudget.wrongMax) + 100)
        #expect(asked.withLockedValue { $0.isEmpty }, "nobody is asked about a member that nobody accuses")
        tell([present.bent(status: .suspect, accuser: try NodeName("chui"))], as: teller)
        #expect(driver.read { $0.membership.member(name)?.status } == .suspect)
        // In the name of the same teller, whose signatures are not looked at any longer.
        tell([refutation], as: teller)
        #expect(await eventually { driver.read { $0.membership.member(name)?.status } == .alive })
        let questions = asked.withLockedValue { $0 }
        #expect(questions.map { $0.map(\.status) } == [[.suspect]], "it is told what is said of it")
        #expect(gate.verifier.counts.refused[.tooMany] != nil)
        driver.stop()
    }

    @Test("however many suspects a flood is about, few are asked at once, and none again within a second")
    func boundedCalls() async throws {
        let now = NIOLockedValueBox(Instant(nanoseconds: 0))
        let calls = SuspectCalls(clock: { now.withLockedValue { $0 } })
        let begun = NIOLockedValueBox<[NodeName]>([])
        let (answers, end) = AsyncStream.makeStream(of: Void.self)
        func ask(_ name: NodeName) {
            calls.call(name) {
                begun.withLockedValue { $0.append(name) }
                for await _ in answers {}
            }
        }
        let names = try (0..<100).map { try NodeName("n\($0)") }
        for name in names { ask(name) }
        #expect(await eventually { begun.withLockedValue { $0.count } == SuspectCalls.underWayMax })
        end.finish()
        #expect(
            await eventually {
                ask(names[99])
                return begun.withLockedValue { $0.contains(names[99]) }
            })
        ask(names[0])
        now.withLockedValue { $0 = Instant(nanoseconds: 2_000_000_000) }
        #expect(
            await eventually {
                ask(names[0])
                return begun.withLockedValue { $0.filter { $0 == names[0] }.count } == 2
            })
    }
}
