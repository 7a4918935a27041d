import Placement
import Testing
import Vocabulary

func node(_ text: String) throws -> NodeName { try NodeName(text) }

func members(_ count: Int, weight: (Int) -> UInt32 = { _ in 1 }, zone: (Int) -> String? = { _ in nil }) throws
    -> [Candidate]
{
    try (0..<count).map { Candidate(name: try node("node-\($0)"), weight: weight($0), zone: zone($0)) }
}

@Suite("Ring")
struct RingTests {
    @Test("an empty ring, a count of nothing and a count past the members are answered")
    func edges() throws {
        let slot = try #require(Slot(number: 5))
        #expect(Ring([]).owners(of: slot, count: 2).isEmpty)
        #expect(Ring([]).ranked(slot).isEmpty)
        let ring = Ring(try members(3))
        #expect(ring.owners(of: slot, count: 0).isEmpty)
        #expect(ring.owners(of: slot, count: -1).isEmpty)
        #expect(ring.owners(of: slot, count: .max).sorted() == ring.candidates.map(\.name))
        #expect(Ring(try members(3, weight: { $0 == 1 ? 0 : 1 })).candidates.count == 2, "weight 0 owns nothing")
        #expect(ring.contains(try node("node-2")))
        #expect(!ring.contains(try node("node-3")))
    }

    @Test("the table of all slots says what each slot alone says, with zones, weights, few members and many")
    func allSlots() throws {
        for (count, copies) in [(0, 2), (1, 2), (3, 2), (7, 3), (40, 2), (50, 3)] {
            let ring = Ring(try members(count, weight: { UInt32($0 % 3 + 1) }, zone: { ["a", "b", nil][$0 % 3] }))
            let table = SlotOwners(ring, count: copies).names
            #expect(table.count == Slot.count)
            for slot in Slot.all where slot.number % 7 == 0 {
                #expect(table[Int(slot.number)] == ring.owners(of: slot, count: copies))
            }
        }
    }

    @Test("the order of the input and repeated members do not matter")
    func inputOrder() throws {
        var rng = SeededGenerator(seed: 2)
        let candidates = try members(9, weight: { UInt32($0 + 1) }, zone: { ["a", "b", nil][$0 % 3] })
        let ring = Ring(candidates)
        for _ in 0..<20 {
            let again = Ring((candidates + candidates.prefix(3)).shuffled(using: &rng))
            #expect(again == ring)
            for slot in Slot.all where slot.number % 512 == 0 {
                #expect(again.ranked(slot) == ring.ranked(slot))
                #expect(again.owners(of: slot, count: 3) == ring.owners(of: slot, count: 3))
            }
        }
    }

    @Test("without zones the owners are the first in rank, and the home comes first while it is a member")
    func home() throws {
        let ring = Ring(try members(6))
        let home = try node("node-4")
        for slot in Slot.all where slot.number % 16 == 0 {
            let ranked = ring.ranked(slot)
            #expect(Set(ranked).count == 6)
            #expect(ring.owners(of: slot, count: 2) == Array(ranked.prefix(2)))
            let rest = ranked.filter { $0 != home }
            #expect(ring.owners(of: slot, home: home, count: 3) == [home] + rest.prefix(2))
            #expect(ring.owners(of: slot, home: try node("gone"), count: 2) == Array(ranked.prefix(2)))
        }
    }

    @Test(
        "a member that goes gives up exactly its share, each slot to the next in rank; when it returns all is as before",
        arguments: [1, 2, 3])
    func departure(count: Int) throws {
        let candidates = try members(7, weight: { UInt32(1 + $0 % 3) })
        let whole = Ring(candidates)
        let gone = candidates[3].name
        let rest = Ring(candidates.filter { $0.name != gone })
        // Counted, not expected one by one: a hundred thousand expectations take longer than what they check.
        var given = 0
        var wrong: [Slot] = []
        for slot in Slot.all {
            let before = whole.owners(of: slot, count: count)
            let ranked = whole.ranked(slot)
            var expected = before
            if before.contains(gone) {
                given += 1
                expected = before.filter { $0 != gone } + ranked.filter { $0 != gone && !before.contains($0) }.prefix(1)
            }
            if rest.owners(of: slot, count: count) != expected || rest.ranked(slot) != ranked.filter({ $0 != gone }) {
                wrong.append(slot)
            }
        }
        #expect(wrong.isEmpty)
        #expect(given > 500, "the member owned something")
    }

    @Test(
        "with zones too, a departure changes no slot that the member did not own, and no other owner of two is replaced"
    )
    func departureWithZones() throws {
        for seed in 0..<4 {
            var rng = SeededGenerator(seed: UInt64(seed))
            let candidates = try members(
                8, weight: { _ in 1 }, zone: { _ in ["a", "b", "c", nil].randomElement(using: &rng) ?? nil })
            let whole = Ring(candidates)
            let gone = candidates[seed].name
            let rest = Ring(candidates.filter { $0.name != gone })
            var wrong: [Slot] = []
            for slot in Slot.all {
                let before = whole.owners(of: slot, count: 2)
                let after = rest.owners(of: slot, count: 2)
                if before.contains(gone) {
                    if !Set(before).subtracting([gone]).isSubset(of: after) { wrong.append(slot) }
                } else if after != before {
                    wrong.append(slot)
                }
            }
            #expect(wrong.isEmpty, "seed \(seed)")
        }
    }

    @Test("owners never share a zone while an unused one is left")
    func zones() throws {
        var rng = SeededGenerator(seed: 11)
        for _ in 0..<20 {
            let zones: [String?] = ["kampala", "lilongwe", "nairobi", nil]
            let candidates = try members(
                Int.random(in: 1...9, using: &rng), weight: { _ in UInt32.random(in: 1...4, using: &rng) },
                zone: { _ in zones.randomElement(using: &rng) ?? nil })
            let ring = Ring(candidates)
            let zone = Dictionary(uniqueKeysWithValues: candidates.map { ($0.name, $0.zone ?? "alone-\($0.name)") })
            let zoneCount = Set(zone.values).count
            for slot in Slot.all where slot.number % 64 == 0 {
                for count in 1...4 {
                    let home = slot.number % 128 == 0 ? candidates.randomElement(using: &rng)?.name : nil
                    let owners = ring.owners(of: slot, home: home, count: count)
                    #expect(owners.count == min(count, candidates.count))
                    #expect(Set(owners).count == owners.count)
                    #expect(Set(owners.map { zone[$0] }).count == min(owners.count, zoneCount))
                }
            }
        }
    }
}

@Suite("Shares")
struct ShareTests {
    /// How many of all slots each member owns.
    func shares(_ ring: Ring, count: Int) -> [NodeName: Int] {
        var shares: [NodeName: Int] = [:]
        for slot in Slot.all { for owner in ring.owners(of: slot, count: count) { shares[owner, default: 0] += 1 } }
        return shares
    }

    @Test("three equal sites hold within 2 % of the mean, whatever their names")
    func threeSites() throws {
        let sites = [
            ["mpologoma", "simba", "mkango"], ["a", "b", "c"], ["node-1", "node-2", "node-3"], ["kla", "llw", "nbo"],
        ]
        for names in sites {
            let shares = shares(Ring(try names.map { Candidate(name: try node($0)) }), count: 2)
            let mean = Double(Slot.count * 2) / 3
            #expect(Double(shares.values.max() ?? 0) / mean <= 1.02, "\(names): \(shares)")
        }
    }

    @Test("three equal zones of four members each hold within 2 % of the mean, and each slot is in two of them")
    func threeZones() throws {
        let candidates = try members(12, zone: { "zone-\($0 % 3)" })
        let zone = Dictionary(uniqueKeysWithValues: candidates.map { ($0.name, $0.zone ?? "") })
        var held: [String: Int] = [:]
        for (owner, count) in shares(Ring(candidates), count: 2) { held[zone[owner] ?? "", default: 0] += count }
        #expect(Double(held.values.max() ?? 0) / (Double(Slot.count * 2) / 3) <= 1.02, "\(held)")
    }

    @Test("the share of the first owners is as the weights, within four standard deviations")
    func weights() throws {
        let weights: [UInt32] = [1, 1, 2, 3, 5, 8, 20]
        let candidates = try members(weights.count, weight: { weights[$0] })
        let shares = shares(Ring(candidates), count: 1)
        let total = Double(weights.reduce(0, +))
        for candidate in candidates {
            let p = Double(candidate.weight) / total
            let deviation = (Double(Slot.count) * p * (1 - p)).squareRoot()
            let share = Double(shares[candidate.name] ?? 0)
            #expect(abs(share - Double(Slot.count) * p) < 4 * deviation, "\(candidate): \(share)")
        }
    }

    @Test("the greatest weight there can be neither traps nor starves its equals")
    func extremes() throws {
        let shares = shares(Ring(try members(3, weight: { $0 == 0 ? 1 : .max })), count: 1)
        #expect(shares[try node("node-0")] ?? 0 <= 1)
        #expect((shares[try node("node-1")] ?? 0) > 7_800)
        #expect((shares[try node("node-2")] ?? 0) > 7_800)
    }

    @Test("thirty equal members differ by chance alone")
    func thirty() throws {
        let shares = shares(Ring(try members(30)), count: 2)
        let mean = Double(Slot.count * 2) / 30
        #expect(shares.count == 30)
        #expect(Double(shares.values.max() ?? 0) / mean < 1.10)
        #expect(Double(shares.values.min() ?? 0) / mean > 0.90)
    }
}
