import SWIM
import Testing
import Vocabulary

/// Local health, suspicions that shrink, buddy (Lifeguard, DSN 2018), and what goes beyond them.
@Suite struct LifeguardTests {
    @Test(
        "one true crash leaves every healthy node's health at 0, since nacks arrive in time", arguments: UInt64(1)...8)
    func healthAfterCrash(seed: UInt64) {
        var wire = VirtualWire.settled(8, seed: seed)
        wire.run(for: .seconds(20))
        wire.stop(name("n7"))
        var worst = 0
        for _ in 0..<300 {
            wire.run(for: .milliseconds(100))
            for host in wire.names.dropLast() { worst = max(worst, wire.hosts[host]?.membership.healthScore ?? 0) }
        }
        #expect(worst == 0)
        #expect(wire.events(.crashed, about: name("n7")).count == 7)
    }

    @Test("a lonely accusation has four times as long as one that three others confirm")
    func shrinking() {
        func verdict(after confirmations: Int) -> Duration? {
            var solo = Solo()
            // Enough others that confirmations are to be expected.
            solo.hear(Self.claim(.alive, of: "simba"))
            for other in ["chui", "fisi", "kifaru", "twiga", "nyani"] { solo.hear(Self.claim(.alive, of: other)) }
            let accusers = Array(["chui", "fisi", "kifaru", "twiga"].prefix(1 + confirmations)).map { name($0) }
            solo.hear(Self.claim(.suspect, of: "simba", accusers: accusers))
            let start = solo.now
            while solo.now - start < .seconds(40) {
                // Others are heard all the time, so that this node is no bad judge.
                for other in ["chui", "fisi", "kifaru", "twiga", "nyani"] {
                    solo.answerPings(of: other)
                    solo.hear(from: other)
                }
                solo.run(for: .milliseconds(50))
                if solo.membership.member(name("simba"))?.status == .crashed { return solo.now - start }
            }
            return nil
        }
        let shortest = Duration.seconds(3)
        #expect(verdict(after: 3).map { $0 >= shortest && $0 <= shortest + .milliseconds(200) } == true)
        // Its own probe confirms too, so a lonely one has at most one confirmation here: between the two bounds.
        let lonely = verdict(after: 0)
        #expect(lonely.map { $0 > .seconds(5) && $0 <= .seconds(12) + .milliseconds(200) } == true)
    }

    @Test("a member whose UDP is blocked is said to be unreachable, and is not evicted; it evicts nobody")
    func udpBlocked() {
        var wire = VirtualWire.settled(5, seed: 4)
        let blocked = name("n2")
        wire.blockDatagrams(of: blocked)
        wire.run(for: .seconds(120))
        #expect(wire.events(.crashed).isEmpty)
        for observer in wire.names where observer != blocked {
            #expect(wire.events(.unreachable, about: blocked).count { $0.observer == observer } == 1)
            #expect(wire.member(blocked, seenBy: observer)?.reach == .tls)
        }
        wire.healAll()
        wire.run(for: .seconds(30))
        for observer in wire.names where observer != blocked {
            #expect(wire.events(.reachable, about: blocked).count { $0.observer == observer } == 1)
            #expect(wire.member(blocked, seenBy: observer)?.reach == .direct)
            #expect(wire.member(blocked, seenBy: observer)?.status == .alive)
        }
    }

    @Test("a way cut in one direction between two is theirs alone: the others vouch, and nobody is suspected")
    func oneWay() {
        var wire = VirtualWire.settled(5, seed: 6)
        wire.cutOneWay(from: name("n1"), to: name("n3"))
        wire.run(for: .seconds(90))
        #expect(wire.events(.suspected).isEmpty && wire.events(.crashed).isEmpty)
        #expect(wire.events(.unreachable, about: name("n3")).map(\.observer) == [name("n1")])
        #expect(wire.events(.unreachable, about: name("n1")).map(\.observer) == [name("n3")])
        #expect(wire.member(name("n3"), seenBy: name("n1"))?.reach == .relayed)
    }

    @Test("a zone that goes at once is one event on each survivor, and one when it is back", arguments: UInt64(1)...6)
    func zone(seed: UInt64) {
        var wire = VirtualWire(seed: seed)
        let zones = ["kampala", "dar", "lusaka"]
        let names = (0..<9).map { name("n\($0)") }
        for (index, host) in names.enumerated() { wire.start(host, zone: zones[index % 3]) }
        for host in names.dropFirst() {
            wire.join(host, through: names[0])
            wire.run(for: .milliseconds(20))
        }
        wire.run(for: .seconds(30))
        let gone = names.indices.filter { $0 % 3 == 2 }.map { names[$0] }
        let rest = names.filter { !gone.contains($0) }
        for a in gone { for b in rest { wire.cut(a, b) } }
        let start = wire.now
        wire.run(for: .seconds(60))
        for observer in rest {
            #expect(wire.events(.zoneUnreachable).count { $0.observer == observer } == 1, "seed \(seed), \(observer)")
            let crashes = wire.events(.crashed).filter { $0.observer == observer }
            #expect(crashes.allSatisfy { $0.event.isPartOfZone })
            #expect(gone.allSatisfy { wire.view(of: observer)[$0] == .crashed })
        }
        let slowest = wire.events(.zoneUnreachable).filter { rest.contains($0.observer) }.map { $0.event.at - start }
            .max()
        #expect(slowest.map { $0 < .seconds(30) } == true, "\(slowest.map(String.init(describing:)) ?? "never")")
        wire.healAll()
        wire.run(for: .seconds(60))
        for observer in rest { #expect(wire.events(.zoneReachable).count { $0.observer == observer } == 1) }
        #expect(wire.agrees(Dictionary(uniqueKeysWithValues: names.map { ($0, .alive) }), among: names))
    }

    @Test("a process that stood still judges nobody by what it did not hear meanwhile")
    func standstill() {
        var solo = Solo()
        for other in ["simba", "chui", "fisi"] { solo.hear(Self.claim(.alive, of: other)) }
        solo.hear(Self.claim(.suspect, of: "simba", accusers: [name("chui"), name("fisi")]))
        solo.now = solo.now + .seconds(60)
        solo.input(.tick)
        #expect(solo.membership.member(name("simba"))?.status == .suspect)
        solo.hear(Self.claim(.alive, of: "simba", 1), from: "simba")
        #expect(solo.membership.member(name("simba"))?.status == .alive)
        #expect(solo.events.allSatisfy { $0.kind != .crashed })
    }

    @Test("who is cut off is judged once, and does not come back in each gap of the cut", arguments: UInt64(1)...4)
    func flipFlop(seed: UInt64) {
        var wire = VirtualWire.settled(16, seed: seed)
        wire.run(for: .seconds(30))
        let faulty = name("n9")
        let others = wire.names.filter { $0 != faulty }
        for _ in 0..<6 {
            for other in others { wire.cutOneWay(from: other, to: faulty) }
            wire.run(for: .seconds(20))
            wire.healAll()
            wire.run(for: .seconds(20))
        }
        for observer in others {
            #expect(wire.events(.crashed, about: faulty).count { $0.observer == observer } == 1, "\(observer)")
        }
        #expect(wire.events(.crashed).allSatisfy { $0.observer == faulty || $0.event.name == faulty })
        // When the cut is over for good, it is back after its probation.
        #expect(wire.run(for: .seconds(300)) { wire in others.allSatisfy { wire.view(of: $0)[faulty] == .alive } })
    }

    /// Itself accused and refuted; then its own probes fail for some seconds, and two who are present have not heard the
    /// refutation.
    private func condemned() -> Solo {
        var solo = refuted()
        for teller in ["simba", "chui"] { solo.hear(Self.crashedAtFirst, from: teller) }
        return solo
    }

    private func refuted() -> Solo {
        var solo = Solo()
        for other in ["simba", "chui", "fisi"] { solo.hear(Self.claim(.alive, of: other), from: other) }
        solo.hear(Self.claim(.suspect, of: "mpologoma", epoch: 5, accusers: [name("simba")]), from: "simba")
        solo.run(for: .seconds(8))
        return solo
    }

    private static let crashedAtFirst = claim(.crashed, of: "mpologoma", epoch: 5, accusers: [name("simba")])

    @Test("that nobody hears what it sends, no list shows that a cut held back, and nobody who has heard it since")
    func heldBack() {
        var solo = refuted()
        for teller in ["simba", "chui"] { solo.input(.merge([Self.crashedAtFirst], from: name(teller))) }
        #expect(solo.membership.oneself.status == .alive, "what came over TLS may be of long ago")
        solo.hear(Self.crashedAtFirst, from: "simba")
        solo.input(.merge([Self.claim(.alive, of: "mpologoma", epoch: 5, 1)], from: name("simba")))
        solo.hear(Self.crashedAtFirst, from: "chui")
        #expect(solo.membership.oneself.status == .alive, "simba has heard it")
        solo.hear(Self.crashedAtFirst, from: "fisi")
        #expect(solo.membership.oneself.status == .crashed)
    }

    @Test("one that was cut off contradicts a suspicion as soon as it hears again, whatever failed meanwhile")
    func hearsAgain() {
        var solo = Solo()
        for other in ["simba", "chui", "fisi"] { solo.hear(Self.claim(.alive, of: other), from: other) }
        solo.run(for: .seconds(12))
        solo.input(
            .merge([Self.claim(.suspect, of: "mpologoma", epoch: 5, accusers: [name("simba")])], from: name("simba")))
        #expect(solo.membership.oneself.status == .alive)
        #expect(solo.membership.oneself.incarnation == Incarnation(1))
        #expect(solo.events.contains { $0.kind == .refuted })
    }

    @Test("a verdict on what was contradicted unheard is let stand when it follows another, and several agreed on it")
    func condemnedAgain() {
        for accusers in [[name("simba")], [name("simba"), name("chui")]] {
            var solo = refuted()
            solo.hear(Self.claim(.crashed, of: "mpologoma", epoch: 5, accusers: accusers), from: "simba")
            #expect(solo.membership.oneself.status == .alive, "the first time it goes on, and is heard by now")
            solo.hear(Self.claim(.suspect, of: "mpologoma", epoch: 5, 1, accusers: [name("simba")]), from: "simba")
            #expect(solo.membership.oneself.incarnation == Incarnation(2))
            solo.hear(Self.claim(.crashed, of: "mpologoma", epoch: 5, 1, accusers: accusers), from: "simba")
            #expect(solo.membership.oneself.status == (accusers.count > 1 ? .crashed : .alive))
        }
    }

    @Test("a host that refuses clears the prober, also when no helper answers")
    func refusedClears() {
        var solo = Solo()
        for other in ["simba", "chui", "fisi"] { solo.hear(Self.claim(.alive, of: other), from: other) }
        for _ in 0..<100 {
            solo.run(for: .milliseconds(100))
            let asked = solo.effects.compactMap { effect -> (SequenceNumber, NodeName)? in
                if case .fallback(let sequence, let name, _, _) = effect { (sequence, name) } else { nil }
            }
            solo.effects.removeAll { if case .fallback = $0 { true } else { false } }
            for (sequence, member) in asked { solo.input(.fallback(sequence, of: member, .refused)) }
        }
        #expect(solo.events.contains { $0.kind == .suspected })
        #expect(solo.membership.healthScore == 0)
    }

    @Test("an old word about a node that lets its verdict stand does not end its probation")
    func probation() {
        var solo = condemned()
        #expect(solo.membership.oneself.status == .crashed, "two have not heard its refutation")
        for _ in 0..<29 {
            solo.run(for: .seconds(1))
            for other in ["simba", "chui", "fisi"] { solo.answerPings(of: other) }
            for status in [Status.alive, .draining, .suspect] {
                solo.hear(Self.claim(status, of: "mpologoma", epoch: 5), from: "fisi")
            }
            #expect(solo.membership.oneself.status == .crashed)
        }
        #expect(solo.membership.oneself.incarnation == Incarnation(1))
        // Its probation over, the next who speaks of it is answered, and that is its return, whatever the word was.
        for _ in 0..<30 {
            solo.run(for: .seconds(1))
            for other in ["simba", "chui", "fisi"] { solo.answerPings(of: other) }
        }
        solo.effects = []
        solo.hear(Self.claim(.alive, of: "mpologoma", epoch: 5), from: "fisi")
        #expect(solo.membership.oneself.status == .alive)
        #expect(solo.membership.oneself.incarnation == Incarnation(2))
        #expect(solo.events.map(\.kind) == [.refuted])
        // One who has missed that does not bring it down again.
        solo.hear(Self.crashedAtFirst, from: "simba")
        #expect(solo.membership.oneself.status == .alive)
    }

    @Test("what a node on probation describes anew is told when it returns, and no verdict by itself meanwhile")
    func describedOnProbation() throws {
        var solo = condemned()
        solo.effects = []
        solo.input(.metadata(try Metadata(zone: "kampala")))
        solo.run(for: .seconds(3))
        #expect(!solo.sent.contains { $0.packet.claims.contains { $0.incarnation > Incarnation(1) } })
        #expect(solo.membership.oneself.metadata.zone == "kampala")
        #expect(solo.membership.oneself.status == .crashed)
    }

    @Test("two that send and do not hear bring down nobody who is well")
    func deafPair() {
        var wire = VirtualWire.settled(9, seed: 4)
        wire.run(for: .seconds(20))
        let deaf = [name("n3"), name("n6")]
        let others = wire.names.filter { !deaf.contains($0) }
        for host in deaf {
            for other in wire.names where other != host { wire.cutOneWay(from: other, to: host) }
        }
        wire.run(for: .seconds(300))
        for observer in others {
            #expect(wire.events(.crashed).allSatisfy { $0.observer != observer || deaf.contains($0.event.name) })
            #expect(wire.hosts[observer]?.membership.oneself.status == .alive)
        }
    }

    @Test("the farewell of a member that was asked over TLS ends the probe, and nothing else")
    func farewellOverTLS() {
        var solo = Solo()
        for other in ["simba", "chui"] { solo.hear(Self.claim(.alive, of: other), from: other) }
        var asked: [(SequenceNumber, NodeName)] = []
        for _ in 0..<20 where asked.isEmpty {
            solo.run(for: .milliseconds(100))
            asked = solo.effects.compactMap { effect in
                if case .fallback(let sequence, let name, _, _) = effect { (sequence, name) } else { nil }
            }
        }
        #expect(!asked.isEmpty)
        for (sequence, member) in asked {
            solo.input(.fallback(sequence, of: member, .answered([Self.claim(.left, of: member.text, 1)])))
            #expect(solo.membership.member(member)?.status == .left)
        }
        solo.run(for: .seconds(20))
        #expect(solo.events.allSatisfy { $0.kind != .crashed || !asked.map(\.1).contains($0.name) })
    }

    @Test("a zone whose others refute, or come back under other names, is there, and its next crash is told")
    func zoneReturns() throws {
        var solo = Solo()
        func of(_ status: Status, _ subject: String, _ incarnation: UInt32 = 0) throws -> Claim {
            let claim = Self.claim(
                status, of: subject, incarnation, accusers: status.isAccusation ? [name("chui")] : [])
            return try Claim(
                name: claim.name, endpoint: claim.endpoint, epoch: 1, incarnation: claim.incarnation, status: status,
                metadata: Metadata(zone: "dar"), accusers: claim.accusers)
        }
        func crash(_ subject: String, _ incarnation: UInt32 = 0) throws {
            solo.hear(try of(.suspect, subject, incarnation), from: "chui")
            solo.run(for: .seconds(2))
            solo.hear(try of(.crashed, subject, incarnation), from: "chui")
        }
        solo.hear(Self.claim(.alive, of: "chui"), from: "chui")
        for subject in ["a", "b", "c"] { solo.hear(try of(.alive, subject), from: subject) }
        for subject in ["b", "c"] { solo.hear(try of(.suspect, subject), from: "chui") }
        try crash("a")
        #expect(solo.events.count { $0.kind == .zoneUnreachable } == 1)
        for subject in ["b", "c"] { solo.hear(try of(.alive, subject, 1), from: subject) }
        #expect(solo.events.count { $0.kind == .zoneReachable } == 1)
        solo.effects = []
        try crash("b", 1)
        #expect(solo.events.count { $0.kind == .crashed && !$0.isPartOfZone } == 1)
    }

    @Test("a process that holds its port and does not answer has the longest time, however many see it so")
    func stalled() {
        /// Until everybody holds it for crashed.
        func verdict(_ outcome: Membership.FallbackResult) -> Duration? {
            var wire = VirtualWire.settled(8, seed: 3)
            wire.run(for: .seconds(20))
            wire.fallbackOfStopped = outcome
            wire.stop(name("n5"))
            let start = wire.now
            let others = wire.names.filter { $0 != name("n5") }
            let isKnown = wire.run(for: .seconds(60)) { wire in
                others.allSatisfy { wire.view(of: $0)[name("n5")] == .crashed }
            }
            return isKnown ? wire.now - start : nil
        }
        #expect(verdict(.refused).map { $0 < .seconds(8) } == true)
        #expect(verdict(.silent).map { $0 < .seconds(8) } == true)
        #expect(verdict(.stalled).map { $0 >= .seconds(30) && $0 < .seconds(50) } == true)
    }

    @Test("accusations by one that was given up are not believed")
    func departedAccuser() {
        var solo = Solo()
        solo.hear(Self.claim(.alive, of: "simba"))
        solo.hear(Self.claim(.alive, of: "mkango"))
        solo.hear(Self.claim(.left, of: "mkango", 1))
        solo.hear(Self.claim(.suspect, of: "simba", accusers: [name("mkango")]), from: "mkango")
        #expect(solo.membership.member(name("simba"))?.status == .alive)
        #expect(solo.membership.counters.accusationsIgnored == 1)
    }

    @Test("a verdict can be explained: who was asked, who had no answer, who confirmed, how long it took")
    func findings() throws {
        var wire = VirtualWire.settled(5, seed: 2)
        wire.run(for: .seconds(20))
        wire.stop(name("n4"))
        wire.run(for: .seconds(30)) { $0.events(.crashed, about: name("n4")).count == 4 }
        let first = try #require(wire.events(.suspected, about: name("n4")).first).observer
        let found = try #require(wire.hosts[first]?.membership.findings(about: name("n4"))).map(\.what)
        guard case .unanswered(let tries, let helpers, let nacks, let fallback) = try #require(found.first) else {
            Issue.record("the story begins with \(found)")
            return
        }
        #expect(tries == 3 && helpers.count == 3 && nacks == 3 && fallback == .pending)
        #expect(found.dropFirst().first == .suspectedHere)
        #expect(found.contains { if case .confirmed = $0 { true } else { false } })
        let isJudged = found.contains {
            switch $0 {
            case .expired(let time, let accusers): time >= .seconds(3) && accusers > 1
            case .condemned: true
            default: false
            }
        }
        #expect(isJudged)
    }

    @Test("sides that have forgotten each other merge when the cut is over", arguments: UInt64(1)...4)
    func forgottenSides(seed: UInt64) {
        var settings = Membership.Settings()
        settings.departedKeep = .seconds(60)
        var wire = VirtualWire.settled(6, seed: seed, settings: settings)
        let left = Array(wire.names.prefix(3))
        let right = Array(wire.names.dropFirst(3))
        for a in left { for b in right { wire.cut(a, b) } }
        wire.run(for: .seconds(400))
        #expect(left.allSatisfy { wire.view(of: $0).count == 3 }, "forgotten, not only held for crashed")
        wire.healAll()
        let whole = wire.run(for: .seconds(60)) { wire in
            wire.names.allSatisfy { wire.hosts[$0]?.membership.presentCount == 6 }
        }
        #expect(whole, "seed \(seed)")
    }

    @Test("a slow path gets the time that it needs, a fast one no more than that")
    func measuredDeadlines() {
        var wire = VirtualWire(seed: 1)
        wire.delay = .milliseconds(400)
        for host in ["a", "b", "c"] { wire.start(name(host)) }
        for host in ["b", "c"] { wire.join(name(host), through: name("a")) }
        wire.run(for: .seconds(60))
        let asked = wire.hosts[name("a")]?.membership.counters.pingRequestsSent ?? 0
        wire.run(for: .seconds(60))
        #expect(wire.hosts[name("a")]?.membership.counters.pingRequestsSent == asked, "a round trip of 0.8 s is known")
        #expect(wire.events(.suspected).isEmpty)
        #expect(wire.hosts[name("a")]?.membership.roundTrip(to: name("b")) == .milliseconds(800))
    }

    static func claim(
        _ status: Status, of subject: String, epoch: UInt64 = 1, _ incarnation: UInt32 = 0, accusers: [NodeName] = []
    ) -> Claim {
        let host = "10.3.0.\(subject.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) % 250 } + 1)"
        guard let endpoint = try? Endpoint(host: host, port: 7667) else { preconditionFailure("a literal address") }
        return Claim(
            name: name(subject), endpoint: endpoint, epoch: epoch, incarnation: Incarnation(incarnation),
            status: status,
            metadata: .standard, accusers: accusers)
    }
}
