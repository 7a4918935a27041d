import Placement
import Relocation
import Resources
import SWIM
import Testing
import Vocabulary

@testable import Node

// What a write is judged by that follows one of which too few were heard, and what is said of one of which too few were told.

extension RoutingTests {
    private func version(of name: ResourceName, by writer: String) throws -> Version {
        Version(
            name: name, dot: Dot(node: try node(writer), epoch: 1, counter: 1), context: CausalContext(),
            time: HybridTime(raw: 1), content: .tombstone, home: nil)
    }

    @Test("a name that was put while too few were heard of it is judged alone by nobody, until enough have been")
    func halfHeardPut() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["cid", "ada"], in: machine)
        let set = VersionSet(try version(of: name, by: "ada"))
        func put(heard: [String], silent: [String]) throws {
            var testimonies = Testimonies(of: name, held: nil)
            for other in heard { testimonies.heard(Testimony(), from: try node(other)) }
            for other in silent { testimonies.heard(nil, from: try node(other)) }
            drain(&machine, .judged(name, by: testimonies))
        }
        #expect(machine.judgesAlone(name, held: set, at: .zero))
        // What bob, the home of an earlier version, shares with cid is known to neither of the others.
        try put(heard: ["dan"], silent: ["bob", "cid"])
        #expect(!machine.judgesAlone(name, held: set, at: .zero))
        let other = try self.name(ownedBy: ["ada", "bob"], in: machine)
        let otherSet = VersionSet(try version(of: other, by: "ada"))
        #expect(machine.judgesAlone(other, held: otherSet, at: .zero))
        #expect(machine.witnesses(writing: name, held: set, at: .zero)?.map(\.text).sorted() == ["bob", "cid", "dan"])
        // Asked and not yet enough, it stays so.
        try put(heard: ["dan"], silent: ["bob", "cid"])
        #expect(!machine.judgesAlone(name, held: set, at: .zero))
        try put(heard: ["bob", "dan"], silent: ["cid"])
        #expect(machine.judgesAlone(name, held: set, at: .zero), "one silent node hides nothing of two copies")
    }

    @Test("a write that is out of time before an owner that is there was told has fewer copies than wanted")
    func untoldOwner() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["ada", "bob"], in: machine)
        let version = try version(of: name, by: "ada")
        let (bob, id) = (try node("bob"), NodeMachine.WriteID(number: 1))
        var rng = SeededGenerator(seed: 1)
        var effects: [NodeMachine.Effect] = []
        machine.handle(.wrote(id, version, leaving: nil), at: .zero, using: &rng, into: &effects)
        var ends: [WriteEnd] = []
        var now = Instant.zero
        // bob has no place for the offer, whoever is asked in its stead takes it.
        for _ in 0..<30 where now < .zero + .seconds(9) {
            let batch = effects
            effects = []
            for effect in batch {
                switch effect {
                case .offer(_, to: bob, _):
                    machine.handle(.offerAnswered(id, by: bob, .busy), at: now, using: &rng, into: &effects)
                case .offer(_, to: let other, _):
                    let key = version.group(in: machine.identity.cluster)
                    let reply = OfferReply(status: GroupStatus(key: key, digest: .empty, owner: false))
                    machine.handle(
                        .offerAnswered(id, by: other, .stored(reply)), at: now, using: &rng, into: &effects)
                case .acknowledge(_, let end): ends.append(end)
                default: break
                }
            }
            now = now + .milliseconds(500)
            machine.handle(.tick, at: now, using: &rng, into: &effects)
        }
        #expect(ends.isEmpty)
        machine.handle(.writeTimedOut(id), at: now, using: &rng, into: &effects)
        for case .acknowledge(_, let end) in effects { ends.append(end) }
        let end = try #require(ends.first)
        #expect(end.copies.count == 2 && end.copies.first == machine.identity.name && !end.copies.contains(bob))
        #expect(end.copies.count < end.wanted, "bob answers with what was before")
        #expect(end.silent == [bob])
    }
}
