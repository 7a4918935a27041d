import SWIM
import Testing
import Vocabulary

// What a group of members must do, whoever is in it: properties over sizes and seeds. The stories show the ways.

@Suite struct GroupTests {
    @Test("a crash is known to all within the bound, and nobody else is accused", arguments: [2, 3, 5, 8, 16, 32, 50])
    func crashDetected(count: Int) {
        for seed in UInt64(1)...3 {
            var wire = VirtualWire.settled(count, seed: seed)
            let victim = name("n\(count - 1)")
            let survivors = wire.names.filter { $0 != victim }
            wire.run(for: .seconds(5))
            wire.stop(victim)
            // Each survivor comes to the victim within two rounds; the first of them in far less. Then one period to
            // find out, the suspicion, and two periods to tell everybody.
            let timeout = wire.hosts[survivors[0]]?.membership.suspicionTimeout ?? .zero
            let bound = Duration.seconds(min(2 * (count - 1), 12)) + .seconds(1) + timeout + .seconds(2)
            let known = wire.run(for: bound) { wire in survivors.allSatisfy { wire.view(of: $0)[victim] == .crashed } }
            #expect(known, "n = \(count), seed \(seed)")
            #expect(wire.events(.crashed).allSatisfy { $0.event.name == victim })
            #expect(wire.events(.suspected).allSatisfy { $0.event.name == victim })
            #expect(wire.events(.crashed).count == survivors.count, "each survivor is told once")
            #expect(wire.ticksWithoutProgress == 0)
        }
    }

    @Test("a suspect that refutes in time is never declared crashed", arguments: UInt64(1)...20)
    func refutation(seed: UInt64) {
        var wire = VirtualWire.settled(5, seed: seed)
        let cutOff = name("n2")
        for other in wire.names where other != cutOff { wire.cut(cutOff, other) }
        wire.run(for: .seconds(20)) { !$0.events(.suspected, about: cutOff).isEmpty }
        wire.run(for: .milliseconds(2_000))
        wire.healAll()
        wire.run(for: .seconds(30))
        #expect(!wire.events(.suspected, about: cutOff).isEmpty)
        #expect(!wire.events(.refuted, about: cutOff).isEmpty)
        #expect(wire.events(.crashed, about: cutOff).isEmpty, "seed \(seed)")
        #expect(wire.events(.crashed).allSatisfy { $0.observer == cutOff }, "only the one cut off may judge the others")
        #expect(wire.names.allSatisfy { wire.view(of: $0).values.allSatisfy { $0 == .alive } })
    }

    @Test("an indirect probe saves a member behind a cut link", arguments: UInt64(1)...10)
    func cutLink(seed: UInt64) {
        var wire = VirtualWire.settled(4, seed: seed)
        wire.cut(name("n0"), name("n1"))
        wire.run(for: .seconds(120))
        #expect(wire.events(.suspected).isEmpty, "seed \(seed)")
    }

    @Test("a leaver is never called crashed, also when datagrams are lost", arguments: UInt64(1)...20)
    func leave(seed: UInt64) {
        var wire = VirtualWire.settled(9, seed: seed)
        wire.lossPerThousand = 100
        let leaver = name("n4")
        let others = wire.names.filter { $0 != leaver }
        wire.input(.announce(.leaving), to: leaver)
        let start = wire.now
        let gone = wire.run(for: .seconds(5)) { $0.hosts[leaver]?.membership.farewellComplete == true }
        #expect(gone)
        #expect(wire.now - start <= .seconds(2))
        wire.stop(leaver)
        #expect(wire.run(for: .seconds(3)) { wire in others.allSatisfy { wire.view(of: $0)[leaver] == .left } })
        wire.lossPerThousand = 0
        wire.run(for: .seconds(60))
        #expect(wire.events(.crashed, about: leaver).isEmpty)
        #expect(wire.events(.left, about: leaver).count == others.count)
    }

    @Test("a leaver alone is done at once") func leaveAlone() {
        var solo = Solo()
        solo.input(.announce(.leaving))
        #expect(solo.membership.farewellComplete)
        #expect(solo.membership.deadline == nil)
        solo.input(.announce(.serving))
        #expect(!solo.membership.isLeaving && !solo.membership.farewellComplete)
        #expect(solo.membership.oneself.incarnation == Incarnation(2))
    }

    @Test("a host that returns under a new epoch and address is back on all", arguments: UInt64(1)...10)
    func rejoin(seed: UInt64) throws {
        var wire = VirtualWire.settled(5, seed: seed)
        let host = name("n3")
        wire.stop(host)
        wire.run(for: .seconds(30)) { $0.events(.crashed, about: host).count == 4 }
        let address = try Endpoint(host: "10.9.9.9", port: 7667)
        wire.start(host, epoch: 2, at: address)
        wire.join(host, through: name("n0"))
        let isBack = wire.run(for: .seconds(5)) { wire in
            wire.names.allSatisfy { observer in
                let member = wire.member(host, seenBy: observer)
                return member?.status == .alive && member?.endpoint == address && member?.epoch == 2
            }
        }
        #expect(isBack)
        #expect(wire.events(.returned, about: host).count == 4)
        wire.run(for: .seconds(30))
        #expect(wire.events(.crashed, about: host).count == 4, "its old life does not haunt the new one")
    }

    @Test("a healed partition merges by itself, and no side declares one of its own crashed", arguments: UInt64(1)...8)
    func partition(seed: UInt64) {
        var wire = VirtualWire.settled(10, seed: seed)
        let left = Array(wire.names.prefix(4))
        let right = Array(wire.names.dropFirst(4))
        for a in left { for b in right { wire.cut(a, b) } }
        let parted = wire.run(for: .seconds(120)) { wire in
            left.allSatisfy { wire.hosts[$0]?.membership.presentCount == 4 }
                && right.allSatisfy { wire.hosts[$0]?.membership.presentCount == 6 }
        }
        #expect(parted)
        wire.run(for: .seconds(300))
        let before = wire.events(.crashed).count
        wire.healAll()
        let merged = wire.run(for: .seconds(30)) { wire in
            wire.names.allSatisfy { wire.hosts[$0]?.membership.presentCount == 10 }
        }
        #expect(merged, "seed \(seed)")
        wire.run(for: .seconds(30))
        #expect(wire.events(.crashed).count == before, "healing declares nobody crashed")
    }

    @Test("an announced restart is no crash while it is tolerated, and is one after that")
    func restarting() {
        var wire = VirtualWire.settled(4, seed: 4)
        let host = name("n1")
        wire.input(.announce(.restarting), to: host)
        wire.run(for: .seconds(1))
        wire.stop(host)
        wire.run(for: .seconds(55))
        #expect(wire.events(.suspected).isEmpty)
        #expect(wire.view(of: name("n0"))[host] == .restarting)
        wire.run(for: .seconds(30))
        #expect(wire.view(of: name("n0"))[host] == .crashed)
        #expect(wire.member(host, seenBy: name("n0"))?.intent == .restarting)
    }

    @Test("new metadata and a new address reach everybody, and nobody is suspected for it")
    func updates() throws {
        var wire = VirtualWire.settled(6, seed: 5)
        let host = name("n2")
        let metadata = try Metadata(zone: "kampala", weight: 7, version: "1.2")
        wire.input(.metadata(metadata), to: host)
        #expect(
            wire.run(for: .seconds(3)) { wire in
                wire.names.allSatisfy { wire.member(host, seenBy: $0)?.metadata == metadata }
            })
        let endpoint = try Endpoint(host: "10.7.7.7", port: 7000)
        wire.input(.endpoint(endpoint), to: host)
        #expect(
            wire.run(for: .seconds(3)) { wire in
                wire.names.allSatisfy { wire.member(host, seenBy: $0)?.endpoint == endpoint }
            })
        wire.run(for: .seconds(30))
        #expect(wire.events(.updated, about: host).count == 10)
        #expect(wire.events(.suspected).isEmpty)
        #expect(wire.member(host, seenBy: name("n0"))?.rtt == .milliseconds(10))
    }

    @Test("no event comes twice, through loss, a crash, a return and a leave", arguments: UInt64(1)...10)
    func noEventTwice(seed: UInt64) {
        struct Told: Hashable { let observer: NodeName, kind: MemberEvent.Kind, claim: Precedence.Key, name: NodeName }
        var wire = VirtualWire.settled(8, seed: seed)
        wire.lossPerThousand = 150
        wire.run(for: .seconds(60))
        wire.stop(name("n5"))
        wire.run(for: .seconds(30))
        wire.start(name("n5"), epoch: 2)
        wire.join(name("n5"), through: name("n1"))
        wire.run(for: .seconds(20))
        wire.input(.announce(.leaving), to: name("n6"))
        wire.run(for: .seconds(30))
        var seen: Set<Told> = []
        for (observer, event) in wire.events {
            // The restarted observer tells its new life's view once more.
            if observer == name("n5") { continue }
            let told = Told(observer: observer, kind: event.kind, claim: .init(event.claim), name: event.name)
            #expect(seen.insert(told).inserted, "\(observer): \(event.kind) \(event.claim)")
        }
        #expect(seen.count > 30)
    }

    @Test("the same seed gives the same history, another one another") func determinism() {
        func history(_ seed: UInt64) -> [String] {
            var wire = VirtualWire.settled(12, seed: seed)
            wire.showsPackets = true
            wire.lossPerThousand = 200
            wire.run(for: .seconds(20))
            wire.stop(name("n3"))
            wire.run(for: .seconds(20))
            return wire.transcript
        }
        let first = history(77)
        #expect(first == history(77))
        #expect(first != history(78))
        #expect(first.count > 1_000)
    }
}

extension Precedence {
    /// Precedence has no hash of its own: it is for order.
    struct Key: Hashable {
        let epoch: UInt64
        let incarnation: Incarnation
        let gravity: UInt8
        init(_ claim: Claim) {
            epoch = claim.precedence.epoch
            incarnation = claim.precedence.incarnation
            gravity = claim.precedence.gravity
        }
    }
}
