import Placement
import Testing
import Vocabulary

@testable import Node

/// What only those have who went at one time (law 6).
@Suite struct LostTogetherTests {
    private func node(_ text: String) -> NodeName {
        guard let name = try? NodeName(text) else { preconditionFailure("\(text) is a name") }
        return name
    }

    private func ring(_ names: String...) -> Ring { Ring(names.map { Candidate(name: node($0)) }) }

    /// A slot of these owners.
    private func slot(of owners: [String], in ring: Ring) throws -> Slot {
        let wanted = Set(owners.map(node))
        return try #require(Slot.all.first { Set(ring.owners(of: $0, home: nil, count: 2)) == wanted })
    }

    /// Has these return.
    private func bring(_ back: [String], of lost: inout LostTogether) {
        lost.keep { name in
            let isBack = back.contains(name.text)
            return (isCrashed: !isBack, isPresent: isBack)
        }
    }

    @Test("who comes later takes no place among those that were lost, and another loss hides what the first one did")
    func later() {
        let before = ring("ada", "bob", "cid", "dan")
        var lost = LostTogether()
        lost.note(down: [node("ada")], in: before, replicas: 2)
        #expect(lost.names.isEmpty)
        lost.note(down: [node("ada"), node("bob")], in: before, replicas: 2)
        let after = ring("cid", "dan", "eve", "fay")
        let slots = Slot.all.filter { Set(before.owners(of: $0, home: nil, count: 2)) == [node("ada"), node("bob")] }
        #expect(!slots.isEmpty && slots.allSatisfy { lost.mayHide($0, replicas: 2) })
        lost.note(down: [node("cid")], in: after, replicas: 2)
        #expect(lost.names == [node("ada"), node("bob")], "one that goes alone was made anew")
        lost.note(down: [node("cid"), node("dan")], in: after, replicas: 2)
        #expect(lost.names.count == 4 && slots.allSatisfy { lost.mayHide($0, replicas: 2) })
        let late = Slot.all.filter { Set(after.owners(of: $0, home: nil, count: 2)) == [node("eve"), node("fay")] }
        #expect(late.contains { !lost.mayHide($0, replicas: 2) })
    }

    @Test("one that is back counts for all of them when it is silent, or goes again")
    func returned() throws {
        let all = ring("ada", "bob", "cid", "dan")
        var lost = LostTogether()
        lost.note(down: [node("ada"), node("bob")], in: all, replicas: 2)
        let both = try slot(of: ["ada", "bob"], in: all)
        bring(["bob"], of: &lost)
        #expect(lost.names == [node("ada")] && lost.returned == [node("bob")])
        #expect(!lost.mayHide(both, replicas: 2))
        #expect(lost.missed(with: [node("cid")]).isEmpty && lost.missed(with: [node("bob")]) == [node("ada")])
        lost.note(down: [node("dan")], in: all, replicas: 2)
        #expect(lost.names == [node("ada")], "it has nothing that only ada had, too")
        lost.note(down: [node("bob")], in: all, replicas: 2)
        #expect(lost.names == [node("ada"), node("bob")] && lost.returned.isEmpty)
        #expect(lost.mayHide(both, replicas: 2))
        bring(["ada", "bob"], of: &lost)
        #expect(lost.names.isEmpty && lost.returned.isEmpty && !lost.mayHide(both, replicas: 2))
    }

    @Test("one that is forgotten is not back")
    func forgotten() {
        var lost = LostTogether()
        lost.note(down: [node("ada"), node("bob")], in: ring("ada", "bob", "cid"), replicas: 2)
        lost.keep { $0 == self.node("ada") ? nil : (isCrashed: true, isPresent: false) }
        #expect(lost.names == [node("bob")] && lost.returned.isEmpty)
    }
}
