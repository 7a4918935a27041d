import SWIM
import Testing
import Vocabulary

// One member's own conduct: bounds, packing, hostile input, forgetting, conflicts.

@Suite struct MembershipTests {
    private func claim(_ status: Status, of text: String, epoch: UInt64 = 1, _ incarnation: UInt32 = 0) -> Claim {
        PrecedenceTests.claim(status, epoch: epoch, incarnation, of: text)
    }

    @Test("each piece of news is told at most λ · digits(n) times")
    func disseminationBound() {
        var solo = Solo()
        for index in 0..<30 { solo.hear(claim(.alive, of: "m\(index)")) }
        solo.run(for: .milliseconds(900))
        solo.run(for: .milliseconds(900))
        let limit = solo.membership.transmissionLimit
        #expect(limit == 8)
        var told: [NodeName: Int] = [:]
        for (packet, _) in solo.sent {
            for claim in packet.claims where claim.status == .alive { told[claim.name, default: 0] += 1 }
        }
        for index in 0..<30 { #expect((1...limit).contains(told[name("m\(index)")] ?? 0)) }
        solo.run(for: .seconds(20))
        #expect(solo.membership.newsCount < 31, "what nobody answers is suspected, which is news again")
    }

    @Test("the least told goes first, and of those the newest")
    func order() throws {
        var settings = Membership.Settings()
        settings.gossipFanout = 1
        var solo = Solo(settings: settings)
        for index in 0..<60 { solo.hear(claim(.alive, of: "m\(index)")) }
        solo.effects = []
        solo.input(.tick)
        let first = try #require(solo.sent.first { $0.packet.message == .gossip }).packet
        let names = first.claims.map(\.name).filter { $0 != solo.membership.identity }
        #expect(names.first == name("m59") || names.first == name("m58"))
        #expect(!names.contains(name("m0")), "one packet does not hold all sixty")
        solo.effects = []
        solo.run(for: .milliseconds(400))
        let later = solo.sent.flatMap { $0.packet.claims.map(\.name) }
        #expect(later.contains(name("m0")), "those untold come before those told once")
    }

    @Test("no packet exceeds its bytes, however long the names", arguments: UInt64(1)...5)
    func packing(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var settings = Membership.Settings()
        settings.packetBytesMax = 1_000
        var solo = Solo(String(repeating: "o", count: 63), settings: settings)
        var fullest = 0
        for index in 0..<400 {
            let long = String(repeating: "x", count: Int.random(in: 1...56, using: &generator)) + "\(index)"
            let host = String(repeating: "h", count: Int.random(in: 1...253, using: &generator))
            let zone = String(repeating: "z", count: Int.random(in: 0...63, using: &generator))
            let version = String(repeating: "v", count: Int.random(in: 0...32, using: &generator))
            let claim = Claim(
                name: name(long), endpoint: try Endpoint(host: host, port: 1), epoch: 1, incarnation: .zero,
                status: [.alive, .suspect, .crashed][index % 3], metadata: try Metadata(zone: zone, version: version),
                accusers: index % 3 == 0 ? [] : [name("accuser")])
            solo.hear(
                claim, message: index % 2 == 0 ? .ping(SequenceNumber(1), target: solo.membership.identity) : .gossip)
            if index % 20 == 0 { solo.run(for: .milliseconds(300)) }
        }
        solo.run(for: .seconds(10))
        for (packet, _) in solo.sent {
            #expect(packet.wireSize <= 1_000)
            #expect(packet.claims.count <= Packet.claimsMax)
            fullest = max(fullest, packet.wireSize)
        }
        #expect(fullest > 850, "packets are filled by bytes: the fullest had \(fullest)")
    }

    @Test("who hears itself accused refutes once, with a greater incarnation than the accusation's")
    func refutes() {
        var solo = Solo()
        solo.hear(claim(.alive, of: "mkango"))
        solo.hear(claim(.suspect, of: "mpologoma", epoch: 5, 7))
        #expect(solo.membership.oneself.incarnation == Incarnation(8))
        #expect(solo.membership.oneself.status == .alive)
        solo.hear(claim(.suspect, of: "mpologoma", epoch: 5, 7))
        solo.hear(claim(.crashed, of: "mpologoma", epoch: 5, 3))
        #expect(solo.membership.oneself.incarnation == Incarnation(8))
        solo.now = solo.now + .seconds(1)
        solo.hear(claim(.left, of: "mpologoma", epoch: 5, 8))
        #expect(solo.membership.oneself.status == .alive, "nobody leaves by another's word")
        #expect(solo.membership.oneself.incarnation == Incarnation(9))
        #expect(solo.events.filter { $0.kind == .refuted }.count == 1)
        let before = solo.membership.oneself.incarnation
        solo.hear(claim(.suspect, of: "mpologoma", epoch: 5, .max))
        #expect(solo.membership.oneself.incarnation == before, "a made-up incarnation would leave no way to answer")
        #expect(solo.membership.counters.jumpsRefused == 1)
        #expect(Incarnation(.max).next == Incarnation(.max), "the last incarnation wraps nobody to zero")
    }

    @Test("another life under one's own name is a conflict, told once, and the other holder hears of it")
    func conflict() throws {
        var solo = Solo()
        solo.hear(claim(.alive, of: "mkango"))
        for _ in 0..<3 {
            solo.hear(claim(.alive, of: "mpologoma", epoch: 6))
            solo.now = solo.now + .seconds(2)
        }
        let conflicts = solo.events.filter { $0.kind == .conflict }
        #expect(conflicts.count == 1)
        #expect(conflicts.first?.epoch == 6)
        #expect(solo.membership.oneself.epoch == 5)
        let warning = try #require(solo.sent.first { $0.to == VirtualWire.endpoint(0) && $0.packet.message == .gossip })
        var other = Solo()
        other.membership = Membership(
            identity: name("mpologoma"), epoch: 6, endpoint: VirtualWire.endpoint(0), metadata: .standard, at: .zero)
        other.input(.packet(warning.packet, from: VirtualWire.endpoint(50)))
        #expect(other.events.map(\.kind) == [.conflict])
    }

    @Test("a stranger's ping is answered, and the two get to know each other by an exchange")
    func stranger() {
        var solo = Solo()
        solo.hear(message: .ping(SequenceNumber(9), target: name("mpologoma")), from: "chui")
        #expect(solo.sent.contains { $0.packet.message == .ack(SequenceNumber(9)) && $0.to == Solo.elsewhere })
        let exchanges = solo.effects.filter {
            if case .exchange(name("chui"), Solo.elsewhere) = $0 { true } else { false }
        }
        #expect(exchanges.count == 1)
        for _ in 0..<50 { solo.hear(message: .gossip, from: "duma") }
        let all = solo.effects.filter { if case .exchange = $0 { true } else { false } }
        #expect(all.count == 1, "no flood of exchanges")
    }

    @Test("a ping that means another node is not answered")
    func wrongTarget() {
        var solo = Solo()
        solo.hear(claim(.alive, of: "mkango"), message: .ping(SequenceNumber(9), target: name("simba")))
        #expect(!solo.sent.contains { $0.packet.message == .ack(SequenceNumber(9)) })
    }

    @Test("a claim with port 0 leads nowhere and is not believed")
    func portZero() throws {
        var solo = Solo()
        let nowhere = try Endpoint(host: "10.0.0.9", port: 0)
        let claim = Claim(
            name: name("mkango"), endpoint: nowhere, epoch: 1, incarnation: .zero, status: .alive, metadata: .standard)
        solo.hear(claim)
        solo.input(.merge([claim], from: name("mkango")))
        solo.run(for: .seconds(5))
        #expect(solo.membership.member(name("mkango")) == nil)
        #expect(!solo.sent.contains { $0.to == nowhere })
    }

    @Test("a helper says nack at 80 % of the time it was given, and still passes on a late ack")
    func nack() throws {
        var solo = Solo()
        solo.hear(claim(.alive, of: "mkango"))
        solo.hear(
            message: .pingRequest(
                SequenceNumber(44), target: name("simba"), at: VirtualWire.endpoint(7), within: .milliseconds(500)))
        let ping = try #require(solo.sent.first { $0.to == VirtualWire.endpoint(7) }).packet
        guard case .ping(let sequence, target: name("simba")) = ping.message else {
            Issue.record("\(ping)")
            return
        }
        solo.run(for: .milliseconds(399))
        #expect(!solo.sent.contains { $0.packet.message == .nack(SequenceNumber(44)) })
        solo.run(for: .milliseconds(2))
        #expect(solo.sent.filter { $0.packet.message == .nack(SequenceNumber(44)) }.count == 1)
        solo.hear(message: .ack(sequence), from: "simba")
        #expect(solo.sent.contains { $0.packet.message == .ack(SequenceNumber(44)) && $0.to == Solo.elsewhere })
    }

    @Test("who is expelled has left, at once and for all, and is not pinged any more")
    func expel() {
        var solo = Solo()
        solo.hear(claim(.alive, of: "mkango", 3))
        solo.input(.expel(name("mkango")))
        solo.input(.expel(name("nobody")))
        solo.input(.expel(name("mpologoma")))
        #expect(solo.membership.member(name("mkango"))?.status == .left)
        #expect(solo.membership.oneself.status == .alive)
        #expect(solo.events.map(\.kind) == [.joined, .left])
        solo.hear(claim(.alive, of: "mkango", 3))
        solo.effects = []
        solo.run(for: .seconds(30))
        #expect(solo.membership.member(name("mkango"))?.status == .left)
        #expect(solo.sent.isEmpty)
    }

    @Test("who was forgotten does not come back by hearsay, but by itself")
    func forget() {
        var solo = Solo()
        solo.hear(claim(.alive, of: "mkango"), claim(.alive, of: "simba"), claim(.crashed, of: "chui", 4))
        solo.input(.forget(name("simba")))
        #expect(solo.membership.member(name("simba")) != nil, "who is present is not forgotten")
        solo.input(.forget(name("chui")))
        #expect(solo.membership.member(name("chui")) == nil)
        #expect(!solo.membership.remembered.contains { $0.name == name("chui") }, "the operator's word is for good")
        solo.input(.merge([claim(.crashed, of: "chui", 4), claim(.alive, of: "chui", 4)], from: name("mkango")))
        #expect(solo.membership.member(name("chui")) == nil)
        solo.effects = []
        solo.hear(
            claim(.alive, of: "chui", 4), message: .ping(SequenceNumber(1), target: name("mpologoma")), from: "chui")
        #expect(solo.sent.contains { $0.packet.claims.contains { $0.name == name("chui") && $0.status == .crashed } })
        solo.hear(claim(.alive, of: "chui", 5), from: "chui")
        #expect(solo.membership.member(name("chui"))?.status == .alive)
        #expect(solo.events.map(\.kind) == [.joined])
    }

    @Test("a crashed member is called by a large group as often as by some 32, and never not at all")
    func reconnectRate() {
        func calls(_ others: Int) -> Int {
            var solo = Solo()
            for index in 0..<others { solo.hear(claim(.alive, of: "m\(index)"), from: "m\(index)") }
            solo.hear(claim(.crashed, of: "dead"), from: "m0")
            solo.run(for: .seconds(120))
            return solo.sent.count {
                if case .ping(_, target: name("dead")) = $0.packet.message { true } else { false }
            }
        }
        #expect((10...36).contains(calls(2)))
        #expect((1...9).contains(calls(127)))
    }

    @Test("the departed are forgotten after their time, while others are about")
    func departedKeep() {
        var settings = Membership.Settings()
        settings.departedKeep = .seconds(60)
        var wire = VirtualWire.settled(3, seed: 6, settings: settings)
        wire.stop(name("n2"))
        wire.run(for: .seconds(30))
        #expect(wire.view(of: name("n0"))[name("n2")] == .crashed)
        wire.run(for: .seconds(100))
        #expect(wire.view(of: name("n0"))[name("n2")] == nil)
        #expect(wire.view(of: name("n1"))[name("n2")] == nil)
        let remembered = wire.hosts[name("n0")]?.membership.remembered
        #expect(remembered?.map(\.name.text) == ["n0", "n1", "n2"], "its next life calls it, too")
        #expect(remembered?.last?.status == .crashed)
    }

    @Test("the table is bounded, and the longest departed make room for newcomers")
    func bounded() {
        var settings = Membership.Settings()
        settings.membersMax = 50
        var solo = Solo(settings: settings)
        for index in 0..<500 { solo.hear(claim(.left, of: "old\(index)")) }
        #expect(solo.membership.members.count == 50)
        #expect(solo.membership.counters.newcomersRefused == 451)
        // The table is full of the departed and this node knows nobody present: it still takes one in after a round.
        solo = Solo(settings: settings)
        solo.hear(claim(.alive, of: "mkango"))
        for index in 0..<500 { solo.hear(claim(.left, of: "old\(index)")) }
        solo.run(for: .seconds(3))
        #expect(solo.membership.members.count <= 46)
        solo.hear(claim(.alive, of: "newcomer"))
        #expect(solo.membership.member(name("newcomer")) != nil)
    }

    @Test("what was found alike is not compared again at once, as it is at a start")
    func agreed() {
        func exchanges(agreeing: Bool) -> Int {
            var solo = Solo()
            solo.hear(claim(.alive, of: "mkango"))
            var count = 0
            for _ in 0..<28 {
                solo.run(for: .seconds(1))
                let new = solo.effects.count { if case .exchange = $0 { true } else { false } }
                count += new
                solo.answerPings(of: "mkango")
                solo.effects = []
                if agreeing, new > 0 { solo.input(.agreed) }
            }
            return count
        }
        #expect(exchanges(agreeing: true) == 1)
        #expect(exchanges(agreeing: false) >= 3)
    }

    @Test("who has just started compares with one that it has heard since, for others of its list may be elsewhere")
    func exchangesWithWhomItHears() {
        for seed in UInt64(1)...10 {
            var solo = Solo()
            solo.generator = SeededGenerator(seed: seed)
            solo.input(.merge((0..<20).map { claim(.alive, of: "m\($0)") }, from: solo.membership.identity))
            solo.hear(from: "m7")
            solo.effects = []
            solo.run(for: .seconds(6))
            let partners = solo.effects.compactMap { if case .exchange(let name, _) = $0 { name } else { nil } }
            #expect(Set(partners) == [name("m7")])
        }
    }

    @Test("exchanges come every pushPullInterval after news, and a quarter as often when nothing changes")
    func exchanges() {
        var wire = VirtualWire.settled(3, seed: 2)
        wire.clearTranscript()
        wire.showsPackets = true
        wire.run(for: .seconds(150))
        wire.clearTranscript()
        wire.run(for: .seconds(1_200))
        let calm = wire.transcript.count { $0.contains("exchange") }
        #expect((28...32).contains(calm), "\(calm)")
        // One that was heard of anew: all compare notes at the full pace for a while.
        wire.clearTranscript()
        wire.input(.announce(.draining), to: wire.names[2])
        wire.run(for: .seconds(31))
        let afterNews = wire.transcript.count { $0.contains("exchange") }
        #expect(afterNews >= 2, "\(afterNews)")
    }

    @Test("100,000 random packets never trap, and the member goes on working")
    func randomPackets() throws {
        var generator = SeededGenerator(seed: 2026)
        var settings = Membership.Settings()
        settings.membersMax = 200
        var solo = Solo(settings: settings)
        let names = (0..<300).map { name("r\($0)") } + [solo.membership.identity]
        func randomName() -> NodeName { names[Int.random(in: 0..<names.count, using: &generator)] }
        func randomClaim() -> Claim {
            let numbers: [UInt32] = [0, 1, 2, .max - 1, .max]
            let epochs: [UInt64] = [0, 1, 5, 6, .max]
            return Claim(
                name: randomName(), endpoint: VirtualWire.endpoint(Int.random(in: 0..<300, using: &generator)),
                epoch: epochs[Int.random(in: 0..<5, using: &generator)],
                incarnation: Incarnation(numbers[Int.random(in: 0..<5, using: &generator)]),
                status: Status.allCases[Int.random(in: 0..<6, using: &generator)],
                intent: Intent.allCases[Int.random(in: 0..<3, using: &generator)], metadata: .standard,
                accusers: Bool.random(using: &generator) ? [randomName()] : [])
        }
        for round in 0..<100_000 {
            let sequence = SequenceNumber(UInt32.random(in: 0...40, using: &generator))
            let message: Message
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: message = .ping(sequence, target: randomName())
            case 1:
                message = .pingRequest(
                    sequence, target: randomName(), at: VirtualWire.endpoint(1),
                    within: .milliseconds(Int.random(in: -1...100_000, using: &generator)))
            case 2: message = .ack(sequence)
            case 3: message = .nack(sequence)
            default: message = .gossip
            }
            let claims = (0..<Int.random(in: 0...4, using: &generator)).map { _ in randomClaim() }
            solo.input(
                .packet(Packet(from: randomName(), message: message, claims: claims), from: VirtualWire.endpoint(2)))
            if round % 10 == 0 {
                solo.now = solo.now + .milliseconds(Int.random(in: 0...400, using: &generator))
                solo.input(.tick)
                if round % 1_000 == 0 { #expect(solo.membership.members.count <= 200) }
                solo.effects.removeAll(keepingCapacity: true)
            }
        }
        #expect(solo.membership.oneself.status == .alive)
        #expect(solo.membership.member(solo.membership.identity)?.epoch == 5)
        solo.effects = []
        solo.hear(message: .ping(SequenceNumber(77), target: solo.membership.identity), from: "r1")
        #expect(solo.sent.contains { $0.packet.message == .ack(SequenceNumber(77)) })
    }
}
