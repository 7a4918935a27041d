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

    private let start = Instant.zero

    /// Has these return, and nobody else.
    private func bring(_ back: [String], of lost: inout LostTogether, after time: Duration = .zero) {
        lost.keep(at: start + time) { name in
            let isBack = back.contains(name.text)
            return LostTogether.Standing(isCrashed: !isBack, isPresent: isBack)
        }
    }

    private func slots(of owners: [String], in ring: Ring) -> [Slot] {
        Slot.all.filter { Set(ring.owners(of: $0, home: nil, count: 2)) == Set(owners.map(node)) }
    }

    @Test("who comes later takes no place among those that were lost, and another loss hides what the first one did")
    func later() {
        let before = ring("ada", "bob", "cid", "dan")
        var lost = LostTogether()
        lost.note(down: [node("ada")], in: before, replicas: 2)
        #expect(lost.names.isEmpty)
        lost.note(down: [node("ada"), node("bob")], in: before, replicas: 2)
        let after = ring("cid", "dan", "eve", "fay")
        let hidden = slots(of: ["ada", "bob"], in: before)
        #expect(!hidden.isEmpty && hidden.allSatisfy { lost.mayHide($0, replicas: 2) })
        #expect(slots(of: ["cid", "dan"], in: before).allSatisfy { !lost.mayHide($0, replicas: 2) })
        lost.note(down: [node("cid")], in: after, replicas: 2)
        #expect(lost.names == [node("ada"), node("bob")], "one that goes alone was made anew")
        lost.note(down: [node("cid"), node("dan")], in: after, replicas: 2)
        #expect(lost.names.count == 4 && hidden.allSatisfy { lost.mayHide($0, replicas: 2) })
        let late = slots(of: ["eve", "fay"], in: after)
        let lateAndSeen = late.filter { slot in
            let first = before.owners(of: slot, home: nil, count: 1)
            return first == [node("cid")] || first == [node("dan")]
        }
        #expect(!lateAndSeen.isEmpty && lateAndSeen.allSatisfy { !lost.mayHide($0, replicas: 2) })
    }

    @Test("of many that go one after the other there is one loss; those that are all back again are forgotten")
    func zone() {
        let all = Ring((0..<40).map { Candidate(name: node("n\($0)")) })
        let names = all.candidates.map(\.name.text)
        var lost = LostTogether()
        for count in 1...30 { lost.note(down: Set(names.prefix(count).map(node)), in: all, replicas: 2) }
        #expect(lost.losses.count == 1 && lost.names.count == 30)
        // Some are back, and one of them goes again: what the others have and not handed over is not forgotten.
        bring(Array(names.prefix(10)), of: &lost)
        lost.note(down: [node(names[0])], in: all, replicas: 2)
        #expect(lost.losses.count == 1 && lost.losses.first?.names.count == 30)
        #expect(lost.names.count == 21 && lost.returned.count == 9)
        #expect(slots(of: [names[1], names[20]], in: all).allSatisfy { lost.isContested($0, replicas: 2) })
        #expect(lost.deadline == nil, "somebody is away")
        bring(names, of: &lost)
        #expect(lost.losses.count == 1 && lost.names.isEmpty && lost.deadline == start + .seconds(60))
        bring(names, of: &lost, after: .seconds(60))
        #expect(lost.losses.isEmpty && lost.returned.isEmpty && lost.deadline == nil)
    }

    @Test(
        "a slot hides what it may: with each of the lost as a home, whatever zones, weights and copies",
        arguments: 1...8)
    func homes(replicas: Int) {
        for zones in [0, 2, 3, 5, 12] {
            let all = Ring(
                (0..<24).map { number in
                    Candidate(
                        name: node("n\(number)"), weight: UInt32(1 + number % 4),
                        zone: zones == 0 || number == 7 ? nil : "zone-\(number % zones)")
                })
            var lost = LostTogether()
            let gone = Set(all.candidates.enumerated().filter { $0.offset % 3 < 2 }.map(\.element.name))
            lost.note(down: gone, in: all, replicas: replicas)
            var seen: Set<Bool> = []
            for number in stride(from: 0, to: Slot.count, by: 37) {
                let slot = Slot.all[number]
                let isHidden = ([nil] + gone.map { $0 }).contains { home in
                    all.owners(of: slot, home: home, count: replicas).allSatisfy(gone.contains)
                }
                #expect(lost.mayHide(slot, replicas: replicas) == isHidden, "\(zones) zones, \(slot)")
                seen.insert(isHidden)
            }
            // With one copy each of the lost may be the home.
            #expect(seen.contains(true) && (replicas == 1 || seen.contains(false)), "\(zones) zones")
        }
    }

    @Test("no loss is taken of nobody, of somebody who owned nothing, or of more than there can be")
    func illegal() {
        let ada = node("ada")
        var lost = LostTogether()
        for loss in [
            Loss(owners: [], names: [ada]), Loss(owners: [Candidate(name: ada, weight: 0)], names: [ada]),
            Loss(owners: ring("bob", "cid").candidates, names: [ada]),
            Loss(
                owners: Array(repeating: Candidate(name: ada), count: Loss.ownersMax + 1), names: [ada]),
        ] {
            lost.heard([loss], at: start) { _ in LostTogether.Standing(isCrashed: true, isPresent: false) }
        }
        #expect(lost.losses.isEmpty && lost.names.isEmpty)
    }

    @Test("one that is back counts for all of them when it is silent, or goes again, and no owner of now denies alone")
    func returned() throws {
        let all = ring("ada", "bob", "cid", "dan")
        var lost = LostTogether()
        lost.note(down: [node("ada"), node("bob")], in: all, replicas: 2)
        let both = try slot(of: ["ada", "bob"], in: all)
        let others = try slot(of: ["cid", "dan"], in: all)
        bring(["bob"], of: &lost)
        #expect(lost.names == [node("ada")] && lost.returned == [node("bob"): start])
        #expect(!lost.mayHide(both, replicas: 2) && lost.isContested(both, replicas: 2))
        #expect(!lost.isContested(others, replicas: 2))
        #expect(lost.missed(with: [node("cid")]).isEmpty && lost.missed(with: [node("bob")]) == [node("ada")])
        lost.note(down: [node("dan")], in: all, replicas: 2)
        #expect(lost.names == [node("ada")], "it has nothing that only ada had, too")
        lost.note(down: [node("bob")], in: all, replicas: 2)
        #expect(lost.names == [node("ada"), node("bob")] && lost.returned.isEmpty)
        #expect(lost.mayHide(both, replicas: 2))
        bring(["ada", "bob"], of: &lost, after: .seconds(100))
        #expect(lost.names.isEmpty && !lost.mayHide(both, replicas: 2))
        #expect(lost.isContested(both, replicas: 2), "they have to hand it over")
        bring(["ada", "bob"], of: &lost, after: .seconds(161))
        #expect(!lost.isContested(both, replicas: 2) && lost.losses.isEmpty)
    }

    @Test("a newcomer is told who owned then, and takes its own place for none of theirs")
    func told() {
        let before = ring("ada", "bob", "cid", "dan")
        var lost = LostTogether()
        lost.note(down: [node("ada"), node("bob")], in: before, replicas: 2)
        bring(["bob"], of: &lost)
        var newcomer = LostTogether()
        let standing = { (name: NodeName) in
            LostTogether.Standing(isCrashed: name == self.node("ada"), isPresent: name != self.node("ada"))
        }
        for _ in 0..<2 { newcomer.heard(lost.losses, at: start, standing: standing) }
        #expect(newcomer.names == [node("ada")] && newcomer.returned == [node("bob"): start])
        #expect(newcomer.losses == lost.losses)
        newcomer.note(down: [node("bob")], in: ring("bob", "cid", "dan", "eve"), replicas: 2)
        #expect(slots(of: ["ada", "bob"], in: before).allSatisfy { newcomer.mayHide($0, replicas: 2) })
        var late = LostTogether()
        late.heard(lost.losses, at: start) { _ in LostTogether.Standing(isCrashed: false, isPresent: true) }
        #expect(late.losses.isEmpty, "all are back")
    }

    @Test("one that is forgotten is not back")
    func forgotten() {
        var lost = LostTogether()
        lost.note(down: [node("ada"), node("bob")], in: ring("ada", "bob", "cid"), replicas: 2)
        lost.keep(at: start) {
            $0 == self.node("ada") ? nil : LostTogether.Standing(isCrashed: true, isPresent: false)
        }
        #expect(lost.names == [node("bob")] && lost.returned.isEmpty)
    }
}
