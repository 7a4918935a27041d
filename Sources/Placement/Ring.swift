import Vocabulary

/// Who owns what: for each slot the eligible members in one order that all machines agree on, to the bit
/// (weighted highest random weight; DESIGN §5).
///
/// Nothing is stored but the members, so a ring is cheap to build and to compare. A member's arrival or departure
/// changes exactly the slots that it owns. Two owners among 100 members with weights and zones cost 26 ns a member in an
/// optimised build: a linear scan needs no tree. `SlotOwners` keeps those of all 16,384 slots.
public struct Ring: Hashable, Sendable {
    /// Sorted by name, one of each, none with a weight of 0.
    public let candidates: [Candidate]
    let seeds: [UInt64]
    /// For each candidate a small number that only members of its zone share.
    let zones: [Int]

    /// The order of the input does not matter. Of two candidates with one name the heavier counts.
    public init(_ candidates: [Candidate]) {
        let sorted = candidates.filter { $0.weight > 0 }.sorted {
            ($0.name, $1.weight, $0.zone ?? "") < ($1.name, $0.weight, $1.zone ?? "")
        }
        var unique: [Candidate] = []
        for candidate in sorted where unique.last?.name != candidate.name { unique.append(candidate) }
        self.candidates = unique
        let hash = SipHash(key0: 0x726f_6f73_742d_7269, key1: 0x6e67_2d6d_656d_6265)  // "roost-ri", "ng-membe"
        seeds = unique.map { hash.hash($0.name.text.utf8) }
        var numbers: [String: Int] = [:]
        zones = unique.enumerated().map { index, candidate in
            guard let zone = candidate.zone else { return index }
            // The first of a zone lends its own index, which no other zone and no zoneless member can have.
            let number = numbers[zone] ?? index
            numbers[zone] = number
            return number
        }
    }

    public func contains(_ name: NodeName) -> Bool { index(of: name) != nil }

    /// Every member, best first: the order in which a slot's queries and moves try them.
    public func ranked(_ slot: Slot) -> [NodeName] {
        let costs = costs(slot)
        return candidates.indices.sorted { precedes($0, $1, costs) }.map { candidates[$0].name }
    }

    /// The first owner is the home when it is a candidate; then by rank, passing over zones already used while an
    /// unused one is left. Fewer than `count` only when there are fewer members.
    ///
    /// - Parameter names: members that are chosen as little as if they were not in the ring.
    public func owners(
        of slot: Slot, home: NodeName? = nil, count: Int, passingOver names: [NodeName] = []
    ) -> [NodeName] {
        let wanted = min(max(count, 0), candidates.count)
        guard wanted > 0 else { return [] }
        let costs = costs(slot)
        let passedOver = names.compactMap { index(of: $0) }
        var owners: [Int] = []
        owners.reserveCapacity(wanted)
        if let home, let index = index(of: home), !passedOver.contains(index) { owners.append(index) }
        while owners.count < wanted {
            guard let next = best(besides: owners, passedOver, costs) else { break }
            owners.append(next)
        }
        return owners.map { candidates[$0].name }
    }

    /// The best ranked of the unused zones; when every zone is used, the best ranked of all that are left.
    private func best(besides owners: [Int], _ passedOver: [Int], _ costs: [Cost]) -> Int? {
        var fresh: Int?
        var any: Int?
        for index in candidates.indices where !owners.contains(index) && !passedOver.contains(index) {
            if any.map({ precedes(index, $0, costs) }) ?? true { any = index }
            if owners.contains(where: { zones[$0] == zones[index] }) { continue }
            if fresh.map({ precedes(index, $0, costs) }) ?? true { fresh = index }
        }
        return fresh ?? any
    }

    /// The hash of (member, slot) is the slot's output of SplitMix64 seeded by the member's name.
    static func cost(_ seed: UInt64, _ jump: UInt64) -> Cost {
        var generator = SeededGenerator(seed: seed &+ jump)
        return Cost(hash: generator.next())
    }

    static func jump(to slot: Slot) -> UInt64 { UInt64(slot.number) &* 0x9E37_79B9_7F4A_7C15 }

    private func costs(_ slot: Slot) -> [Cost] {
        let jump = Self.jump(to: slot)
        return seeds.map { Self.cost($0, jump) }
    }

    private func precedes(_ a: Int, _ b: Int, _ costs: [Cost]) -> Bool {
        Self.precedes(
            a, costs[a].raw, UInt64(candidates[a].weight), b, costs[b].raw, UInt64(candidates[b].weight))
    }

    /// cost / weight compared without a division, which would round: a.cost · b.weight against b.cost · a.weight.
    static func precedes(
        _ a: Int, _ costOfA: UInt64, _ weightOfA: UInt64, _ b: Int, _ costOfB: UInt64, _ weightOfB: UInt64
    ) -> Bool {
        let left = costOfA.multipliedFullWidth(by: weightOfB)
        let right = costOfB.multipliedFullWidth(by: weightOfA)
        // Candidates are sorted by name, so the index breaks a tie as the name would.
        return (left.high, left.low, a) < (right.high, right.low, b)
    }

    private func index(of name: NodeName) -> Int? {
        let place = candidates.partitioningIndex(behind: { $0.name < name })
        return place < candidates.count && candidates[place].name == name ? place : nil
    }
}
