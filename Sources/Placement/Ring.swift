import Vocabulary

/// Who owns what: for each slot the eligible members in one order that all machines agree on, to the bit
/// (weighted highest random weight; DESIGN §5).
///
/// Nothing is stored but the members, so a ring is cheap to build and to compare. A member's arrival or departure
/// changes exactly the slots that it owns. Two owners among 100 members with weights and zones cost 26 ns a member in an
/// optimised build, two among three 0.2 µs in all, so all 16,384 slots of a cluster of 100 take 43 ms: a linear scan
/// needs no tree.
public struct Ring: Hashable, Sendable {
    /// Sorted by name, one of each, none with a weight of 0.
    public let candidates: [Candidate]
    private let seeds: [UInt64]
    /// For each candidate a small number that only members of its zone share.
    private let zones: [Int]

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
    public func owners(of slot: Slot, home: NodeName? = nil, count: Int) -> [NodeName] {
        let wanted = min(max(count, 0), candidates.count)
        guard wanted > 0 else { return [] }
        let costs = costs(slot)
        var owners: [Int] = []
        owners.reserveCapacity(wanted)
        if let home, let index = index(of: home) { owners.append(index) }
        while owners.count < wanted {
            guard let next = best(besides: owners, costs) else { break }
            owners.append(next)
        }
        return owners.map { candidates[$0].name }
    }

    /// The owners of every slot, by slot number, for names without a home: what `owners(of:home:count:)` says of each,
    /// in one pass. Slots with the same owners share one array, so that the table is small and quick to compare.
    public func ownersOfAllSlots(count: Int) -> [[NodeName]] {
        let wanted = min(max(count, 0), candidates.count)
        guard wanted > 0 else { return Array(repeating: [], count: Slot.count) }
        // Every possible row of owners by its number, as long as they are few; more are not worth sharing.
        var rows = 1
        for _ in 0..<wanted where rows <= Self.sharedRowsMax { rows *= candidates.count }
        var known: [[NodeName]?] = Array(repeating: nil, count: rows <= Self.sharedRowsMax ? rows : 0)
        var costs = Array(repeating: Cost(hash: 0), count: candidates.count)
        var owners: [Int] = []
        var result: [[NodeName]] = []
        result.reserveCapacity(Slot.count)
        for slot in Slot.all {
            fill(&costs, slot)
            owners.removeAll(keepingCapacity: true)
            while owners.count < wanted {
                guard let next = best(besides: owners, costs) else { break }
                owners.append(next)
            }
            let row = known.isEmpty ? 0 : owners.reduce(0) { $0 * candidates.count + $1 }
            if !known.isEmpty, let names = known[row] {
                result.append(names)
            } else {
                let names = owners.map { candidates[$0].name }
                if !known.isEmpty { known[row] = names }
                result.append(names)
            }
        }
        return result
    }

    private static let sharedRowsMax = 65_536

    /// The best ranked of the unused zones; when every zone is used, the best ranked of all that are left.
    private func best(besides owners: [Int], _ costs: [Cost]) -> Int? {
        var fresh: Int?
        var any: Int?
        for index in candidates.indices where !owners.contains(index) {
            if any.map({ precedes(index, $0, costs) }) ?? true { any = index }
            if owners.contains(where: { zones[$0] == zones[index] }) { continue }
            if fresh.map({ precedes(index, $0, costs) }) ?? true { fresh = index }
        }
        return fresh ?? any
    }

    /// The hash of (member, slot) is the slot's output of SplitMix64 seeded by the member's name.
    private func costs(_ slot: Slot) -> [Cost] {
        var costs = Array(repeating: Cost(hash: 0), count: seeds.count)
        fill(&costs, slot)
        return costs
    }

    private func fill(_ costs: inout [Cost], _ slot: Slot) {
        let jump = UInt64(slot.number) &* 0x9E37_79B9_7F4A_7C15
        for (index, seed) in seeds.enumerated() {
            var generator = SeededGenerator(seed: seed &+ jump)
            costs[index] = Cost(hash: generator.next())
        }
    }

    /// cost / weight compared without a division, which would round: a.cost · b.weight against b.cost · a.weight.
    private func precedes(_ a: Int, _ b: Int, _ costs: [Cost]) -> Bool {
        let left = costs[a].raw.multipliedFullWidth(by: UInt64(candidates[b].weight))
        let right = costs[b].raw.multipliedFullWidth(by: UInt64(candidates[a].weight))
        // Candidates are sorted by name, so the index breaks a tie as the name would.
        return (left.high, left.low, a) < (right.high, right.low, b)
    }

    private func index(of name: NodeName) -> Int? {
        var low = 0
        var high = candidates.count
        while low < high {
            let middle = (low + high) / 2
            if candidates[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return low < candidates.count && candidates[low].name == name ? low : nil
    }
}
