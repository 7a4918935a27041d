import Placement
import Testing
import Vocabulary

@Suite("Slot owners")
struct SlotOwnersTests {
    /// Members that come and go, some of them with another weight or zone than before.
    private func changed(
        _ candidates: [Candidate], of all: [Candidate], using rng: inout SeededGenerator
    ) -> [Candidate] {
        var next = candidates.filter { _ in Int.random(in: 0..<8, using: &rng) != 0 }
        for candidate in all where Int.random(in: 0..<4, using: &rng) == 0 {
            next.removeAll { $0.name == candidate.name }
            let isOther = Int.random(in: 0..<3, using: &rng) == 0
            next.append(isOther ? Candidate(name: candidate.name, weight: 5, zone: "a") : candidate)
        }
        return next
    }

    @Test(
        "whatever way the ring took to where it is, each slot has the owners that the ring alone gives it",
        arguments: [1, 2, 3, 5], [[nil], ["a", "b", nil], ["a", "b"], ["a", "b", "c", "d"]] as [[String?]])
    func follow(copies: Int, zones: [String?]) throws {
        var rng = SeededGenerator(seed: UInt64(copies * 100 + zones.count))
        let all = try members(12, weight: { UInt32($0 % 3 + 1) }, zone: { zones[$0 % zones.count] })
        var candidates = Array(all.prefix(1))
        var owners = SlotOwners(Ring(candidates), count: copies)
        for _ in 0..<12 {
            candidates = changed(candidates, of: all, using: &rng)
            let ring = Ring(candidates)
            owners.follow(ring)
            #expect(owners.ring == ring)
            #expect(owners.names.count == Slot.count)
            for slot in Slot.all where slot.number % 61 == 0 {
                #expect(owners.names[Int(slot.number)] == ring.owners(of: slot, count: copies))
            }
        }
    }

    @Test("members that join one after another lead to the same owners as all of them at once")
    func oneByOne() throws {
        let all = try members(32, weight: { UInt32($0 % 4 + 1) }, zone: { ["a", "b", nil][$0 % 3] })
        var owners = SlotOwners(Ring(Array(all.prefix(1))), count: 2)
        for count in 2...32 { owners.follow(Ring(Array(all.prefix(count)))) }
        #expect(owners.names == SlotOwners(Ring(all), count: 2).names)
        for count in (3..<32).reversed() { owners.follow(Ring(Array(all.prefix(count)))) }
        #expect(owners.names == SlotOwners(Ring(Array(all.prefix(3))), count: 2).names)
    }
}
