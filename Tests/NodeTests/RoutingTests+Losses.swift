import Placement
import Relocation
import Resources
import SWIM
import Testing
import Vocabulary

@testable import Node

// What is said of names that may be with those alone who were lost together.

extension RoutingTests {
    @Test("while as many are gone at once as there are copies nobody denies what only they may have, and only that")
    func lostTogether() throws {
        var machine = try machine("ada")
        let (hidden, seen) = (
            try name(ownedBy: ["bob", "cid"], in: machine), try name(ownedBy: ["ada", "bob"], in: machine)
        )
        let lost = ["bob", "cid"]
        for other in lost { try suspect(other, in: &machine) }
        var now = Instant.zero
        var incarnation = Incarnation.zero
        for _ in 0..<10_000 where now < .zero + .seconds(100) {
            now = max(now, machine.deadline)
            drain(&machine, .tick, at: now)
            // The one that is left refutes what is said of it.
            incarnation = incarnation.next
            let dan = try claim("dan", incarnation: incarnation)
            drain(&machine, .membership(.merge([dan], from: dan.name)), at: now)
        }
        #expect(
            !machine.isOutnumbered && Set(machine.convergence.view.ring.candidates.map(\.name.text)) == ["ada", "dan"])
        func maySayNone(_ name: ResourceName) -> Bool {
            machine.hasHeardEnough(of: Slot(ofName: name.text, in: machine.identity.cluster), besides: [])
        }
        #expect(!maySayNone(hidden) && maySayNone(seen))

        let absences = machine.absences(at: now)
        let gone = Set(try lost.map(node))
        #expect(absences.keeping.isEmpty && absences.lost == gone, "the loss is known")
        var newcomer = try unmet("dan")
        let told = try [claim("ada")] + lost.map { try claim($0, status: .crashed) }
        drain(&newcomer, .lifecycle(.joined(told, from: try node("ada"), absences)))
        let slots = [hidden, seen].map { Slot(ofName: $0.text, in: newcomer.identity.cluster) }
        #expect(slots.map { newcomer.hasHeardEnough(of: $0, besides: []) } == [false, true], "who comes in is told")
        var late = try unmet("dan")
        let earlier = Absences(lost: absences.lost)
        drain(&late, .lifecycle(.joined(told, from: try node("ada"), earlier)))
        #expect(slots.map { late.hasHeardEnough(of: $0, besides: []) } == [false, true], "by an earlier release, too")
        drain(&machine, .membership(.merge([try claim("bob", epoch: 2)], from: try node("bob"))), at: now)
        #expect(maySayNone(hidden), "one of two copies is back")
        let slot = Slot(ofName: hidden.text, in: machine.identity.cluster)
        #expect(!machine.hasHeardEnough(of: slot, besides: [try node("bob")]), "and says nothing")
    }

    /// Seed 3314: the newcomer gave the place of one that had just crashed to another, and had things fetched for it.
    @Test("who comes in counts one whose crash it heard of before the one that lets it in did: it is a moment ago")
    func crashedJustNow() throws {
        for isKnown in [false, true] {
            var newcomer = try unmet("dan")
            let crash = try claim("bob", status: .crashed)
            drain(&newcomer, .membership(.merge([try claim("cid"), crash], from: try node("cid"))))
            let told = [try claim("ada"), try claim("cid"), isKnown ? crash : try claim("bob")]
            drain(&newcomer, .lifecycle(.joined(told, from: try node("ada"), Absences())))
            #expect(newcomer.convergence.view.ring.contains(try node("bob")) == !isKnown)
            #expect(!newcomer.convergence.view.canCall(try node("bob")))
        }
    }

    @Test("what was with two that were lost no owner of now denies alone, until both are back and have handed over")
    func contested() throws {
        var machine = try machine("ada")
        // Of its names those at home with bob are on bob and cid.
        let full = machine.convergence.view.ring
        let slot = try #require(Slot.all.first { full.ranked($0).map(\.text) == ["cid", "ada", "dan", "bob"] })
        for other in ["bob", "cid"] { try suspect(other, in: &machine) }
        var now = Instant.zero
        var incarnation = Incarnation.zero
        func goOn(for time: Duration, with others: [String]) throws {
            let end = now + time
            for _ in 0..<100_000 where now < end {
                now = max(now, machine.deadline)
                drain(&machine, .tick, at: now)
                incarnation = incarnation.next
                for other in others {
                    let claim = try claim(other, epoch: 2, incarnation: incarnation)
                    drain(&machine, .membership(.merge([claim], from: claim.name)), at: now)
                }
            }
        }
        let dan = try node("dan")
        try goOn(for: .seconds(100), with: ["dan"])
        #expect(machine.convergence.owners(of: slot).map(\.text).sorted() == ["ada", "dan"])
        try goOn(for: .seconds(100), with: ["bob", "dan"])
        #expect(machine.convergence.owners(of: slot).map(\.text).sorted() == ["ada", "dan"])
        #expect(!machine.convergence.isUnsettled(slot))
        #expect(machine.convergence.isSynced(slot))
        #expect(!machine.knowsAll(of: slot, by: [dan]))
        let other = try #require(Slot.all.first { full.ranked($0).map(\.text).starts(with: ["ada", "dan"]) })
        #expect(machine.knowsAll(of: other, by: [dan]))
        try goOn(for: .seconds(55), with: ["bob", "cid", "dan"])
        #expect(!machine.knowsAll(of: slot, by: [try node("cid")]))
        try goOn(for: .seconds(100), with: ["bob", "cid", "dan"])
        #expect(machine.knowsAll(of: slot, by: [try node("cid")]))
    }
}
