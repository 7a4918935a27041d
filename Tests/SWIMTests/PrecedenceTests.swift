import SWIM
import Testing
import Vocabulary

@Suite struct PrecedenceTests {
    static func claim(
        _ status: Status, epoch: UInt64 = 1, _ incarnation: UInt32 = 0, of text: String = "simba", host: Int = 0
    ) -> Claim {
        Claim(
            name: name(text), endpoint: VirtualWire.endpoint(host), epoch: epoch,
            incarnation: Incarnation(incarnation), status: status, metadata: .standard)
    }

    /// SWIM §4.2 at one incarnation: the row overrides the column.
    @Test("at one epoch and incarnation the graver state wins, and equals never replace each other")
    func statusTable() {
        let gravity: [Status: Int] = [.alive: 0, .restarting: 1, .draining: 1, .suspect: 2, .crashed: 3, .left: 4]
        for a in Status.allCases {
            for b in Status.allCases {
                let expected = (gravity[a] ?? 0) > (gravity[b] ?? 0)
                #expect(Self.claim(a).supersedes(Self.claim(b)) == expected, "\(a) over \(b)")
            }
        }
    }

    @Test("a greater incarnation beats every state, a greater epoch every incarnation")
    func incarnationAndEpoch() {
        for a in Status.allCases {
            for b in Status.allCases {
                for (older, newer) in [(0, 1), (1, 2), (7, UInt32.max)] as [(UInt32, UInt32)] {
                    #expect(Self.claim(a, newer).supersedes(Self.claim(b, older)))
                    #expect(!Self.claim(a, older).supersedes(Self.claim(b, newer)))
                    #expect(Self.claim(a, epoch: 2, older).supersedes(Self.claim(b, epoch: 1, newer)))
                    #expect(!Self.claim(a, epoch: 1, newer).supersedes(Self.claim(b, epoch: 2, older)))
                }
            }
        }
    }

    @Test("claims in any order lead to the same belief")
    func orderDoesNotMatter() throws {
        var generator = SeededGenerator(seed: 11)
        let claims = [UInt64(1), 2].flatMap { epoch in
            [UInt32(0), 1, 2].flatMap { incarnation in
                Status.allCases.map { Self.claim($0, epoch: epoch, incarnation) }
            }
        }
        let best = try #require(claims.max { $0.precedence < $1.precedence })
        for _ in 0..<200 {
            var solo = Solo()
            for claim in claims.shuffled(using: &generator) {
                solo.input(
                    .packet(Packet(from: name("mkango"), message: .gossip, claims: [claim]), from: Solo.elsewhere))
            }
            #expect(solo.membership.member(name("simba"))?.claim.precedence == best.precedence)
        }
    }

    @Test("a crash that nobody suspected before is a suspicion here, and a verdict after its own time")
    func verdictWithoutTrial() {
        var solo = Solo()
        solo.hear(Self.claim(.alive), Self.claim(.crashed))
        solo.hear(Self.claim(.crashed))
        #expect(solo.membership.member(name("simba"))?.status == .suspect)
        solo.run(for: .seconds(5))
        #expect(solo.membership.member(name("simba"))?.status == .crashed)
        #expect(solo.events.map(\.kind) == [.joined, .suspected, .crashed])
    }

    @Test("a late alive of an old incarnation never revives the dead")
    func lateAlive() {
        var solo = Solo()
        let heard = { (claim: Claim) in
            Membership.Input.packet(
                Packet(from: name("mkango"), message: .gossip, claims: [claim]), from: Solo.elsewhere)
        }
        solo.input(heard(Self.claim(.alive, 10)))
        solo.input(heard(Self.claim(.suspect, 10)))
        // Steps: a jump would be taken for a standstill, in which no suspicion grows old.
        for _ in 0..<2 {
            solo.now = solo.now + .seconds(1)
            solo.input(heard(Self.claim(.suspect, 10)))
        }
        solo.input(heard(Self.claim(.crashed, 10)))
        for incarnation in UInt32(0)...10 { solo.input(heard(Self.claim(.alive, incarnation))) }
        solo.input(heard(Self.claim(.alive, epoch: 0, 99)))
        #expect(solo.membership.member(name("simba"))?.status == .crashed)
        #expect(solo.membership.member(name("simba"))?.incarnation == Incarnation(10))
        solo.input(heard(Self.claim(.alive, 11)))
        #expect(solo.membership.member(name("simba"))?.status == .alive)
        #expect(solo.events.map(\.kind) == [.joined, .suspected, .crashed, .returned])
    }
}

/// One Membership without a wire.
struct Solo {
    static let elsewhere = VirtualWire.endpoint(99)
    var membership: Membership
    var generator = SeededGenerator(seed: 3)
    var now = Instant.zero
    var effects: [Membership.Effect] = []

    init(_ text: String = "mpologoma", settings: Membership.Settings = .init()) {
        membership = Membership(
            identity: name(text), epoch: 5, endpoint: VirtualWire.endpoint(50), metadata: .standard,
            settings: settings, at: .zero)
    }

    mutating func input(_ input: Membership.Input) {
        membership.handle(input, at: now, using: &generator, into: &effects)
    }

    mutating func hear(_ claims: Claim..., message: Message = .gossip, from teller: String = "mkango") {
        input(.packet(Packet(from: name(teller), message: message, claims: claims), from: Self.elsewhere))
    }

    /// Ticks at every deadline until the time is over.
    mutating func run(for duration: Duration) {
        let end = now + duration
        while let deadline = membership.deadline, deadline <= end {
            now = max(now, deadline)
            input(.tick)
        }
        now = end
    }

    var events: [MemberEvent] {
        effects.compactMap { if case .event(let event) = $0 { event } else { nil } }
    }

    var sent: [(packet: Packet, to: Endpoint)] {
        effects.compactMap { if case .send(let packet, let to) = $0 { (packet, to) } else { nil } }
    }
}

extension Solo {
    /// Acknowledges every ping that was sent to the member so far.
    mutating func answerPings(of member: String) {
        let pings = sent.compactMap { sent -> SequenceNumber? in
            if case .ping(let sequence, target: name(member)) = sent.packet.message { sequence } else { nil }
        }
        effects.removeAll { effect in
            if case .send(let packet, _) = effect, case .ping(_, target: name(member)) = packet.message {
                true
            } else {
                false
            }
        }
        for sequence in pings { hear(message: .ack(sequence), from: member) }
    }
}
