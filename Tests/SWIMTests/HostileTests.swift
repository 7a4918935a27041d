import Testing
import Vocabulary

@testable import SWIM

// What an enemy with the cluster's key may not bring about; each was found once.

@Suite struct HostileTests {
    private func claim(
        _ status: Status, of text: String, epoch: UInt64 = 1, _ incarnation: UInt32 = 0
    ) -> Claim {
        PrecedenceTests.claim(status, epoch: epoch, incarnation, of: text)
    }

    @Test("who is refused because the table is full stays forgotten: an older word does not bring it back")
    func forgottenAndRefused() {
        var settings = Membership.Settings()
        settings.membersMax = 4
        var solo = Solo(settings: settings)
        solo.hear(claim(.alive, of: "a"), claim(.alive, of: "b"), claim(.left, of: "chui", epoch: 7))
        solo.input(.forget(name("chui")))
        solo.hear(claim(.alive, of: "c"))
        #expect(solo.membership.members.count == 4)
        solo.hear(claim(.alive, of: "chui", epoch: 8))
        #expect(solo.membership.counters.newcomersRefused == 1)
        solo.hear(claim(.left, of: "c", 1))
        solo.input(.forget(name("c")))
        solo.hear(claim(.alive, of: "chui", epoch: 3))
        #expect(solo.membership.member(name("chui")) == nil, "a life before the one that left")
        solo.hear(claim(.alive, of: "chui", epoch: 8))
        #expect(solo.membership.member(name("chui"))?.epoch == 8)
    }

    @Test("accusations by the thousand leave no more timers than there are members to accuse")
    func suspicionTimers() {
        var solo = Solo()
        solo.hear(claim(.alive, of: "simba"))
        for incarnation in 0..<20_000 as Range<UInt32> {
            solo.hear(claim(.suspect, of: "simba", incarnation))
        }
        #expect(solo.membership.suspicionTimerCount <= 2 * solo.membership.members.count + 64)
        // The one in force is among them.
        solo.run(for: .seconds(10))
        #expect(solo.membership.member(name("simba"))?.status == .crashed)
    }

    @Test("a packet full of invented holders of this node's name makes it write to one of them")
    func conflicts() {
        var solo = Solo()
        let inventions = (0..<20).map { index in
            claim(.alive, of: "mpologoma", epoch: 6 + UInt64(index)).moved(to: VirtualWire.endpoint(index))
        }
        solo.input(.packet(Packet(from: name("mkango"), message: .gossip, claims: inventions), from: Solo.elsewhere))
        #expect(solo.events.count { $0.kind == .conflict } == 1)
        #expect(solo.sent.count <= 2)
        solo.effects = []
        solo.run(for: .seconds(2))
        solo.effects = []
        solo.hear(inventions[7])
        #expect(solo.events.count { $0.kind == .conflict } == 1, "and later to another one")
    }

    @Test("who accuses each incarnation as soon as it is told does not have this node use them all up")
    func refutations() {
        var solo = Solo()
        for other in ["simba", "chui"] { solo.hear(claim(.alive, of: other)) }
        for _ in 0..<1_000 {
            let incarnation = solo.membership.oneself.incarnation.number
            for status in [Status.suspect, .draining, .left, .crashed] {
                solo.hear(claim(status, of: "mpologoma", epoch: 5, incarnation), from: "simba")
            }
            solo.now = solo.now + .milliseconds(1)
        }
        let answered = solo.membership.oneself.incarnation.number
        #expect((1...5).contains(answered), "\(answered) in a second")
        // None of them is left unanswered for good.
        solo.now = solo.now + .seconds(1)
        solo.hear(claim(.suspect, of: "mpologoma", epoch: 5, answered), from: "simba")
        #expect(solo.membership.oneself.incarnation.number == answered + 1)
    }

    @Test("one who is named twice, or is the accused itself, confirms nothing")
    func accusers() {
        let accused = claim(.suspect, of: "simba").accused(
            .suspect, by: ["chui", "simba", "chui", "fisi", "chui", "a", "b", "c"].map { name($0) })
        #expect(accused.accusers.map(\.text) == ["chui", "fisi", "a", "b"])
    }

    @Test("two that have forgotten each other do not answer each other's answers without end")
    func forgotten() {
        var solo = Solo()
        solo.hear(claim(.alive, of: "mkango"), claim(.crashed, of: "chui", 4))
        solo.input(.forget(name("chui")))
        solo.effects = []
        for _ in 0..<1_000 {
            solo.hear(from: "chui")
            solo.now = solo.now + .milliseconds(1)
        }
        #expect((1...6).contains(solo.sent.count), "\(solo.sent.count) in a second")
    }

    @Test("a request to ping whom nobody here knows carries no news there, and a member is pinged where it is")
    func reflector() {
        var solo = Solo()
        solo.hear(claim(.alive, of: "mkango"), claim(.alive, of: "simba"))
        let elsewhere = VirtualWire.endpoint(77)
        for (target, isKnown) in [("simba", true), ("nobody", false)] {
            solo.effects = []
            solo.hear(
                message: .pingRequest(SequenceNumber(9), target: name(target), at: elsewhere, within: .milliseconds(1)))
            let pings = solo.sent.filter { if case .ping = $0.packet.message { true } else { false } }
            #expect(pings.count == 1)
            #expect(pings.allSatisfy { isKnown ? $0.to != elsewhere : $0.to == elsewhere && $0.packet.claims.isEmpty })
        }
    }
}
