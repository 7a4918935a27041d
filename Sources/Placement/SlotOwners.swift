import Vocabulary

/// The owners of every slot, for names without a home: what `Ring.owners(of:home:count:)` says of each, kept while the
/// ring changes.
///
/// When many start together, each of them sees a new ring with each of the others, and all slots anew each time were
/// most of what a start cost them. So a ring is followed by what is new in it, on one fact: the owners among more
/// candidates are some of the owners among fewer and the new ones. Without zones that is plain. With zones the owners
/// are the best of each zone, in rank, and, when there are fewer zones than owners, the best of the rest: a new
/// candidate makes at most one of them a lesser one, in its own zone, and never lets in who was out before. For the same
/// reason a slot none of whose owners went needs no more than a look at the new ones; only what a departed one owned is
/// gone through from the start.
///
/// A new candidate costs 7 ns a slot, 0.1 ms in all; 31 that come at once to a first one 4 ms.
public struct SlotOwners: Sendable {
    public private(set) var ring: Ring
    /// By slot number. Slots with the same owners share one array where they were found in one go, so that the table is
    /// small and quick to compare.
    public private(set) var names: [[NodeName]]
    /// Owners wanted of each slot.
    private let count: Int
    /// Owners that there are of each slot: fewer than wanted only when there are fewer candidates.
    private var width: Int
    /// The same as `names`: `width` places in the ring for each slot.
    private var places: [Int32]
    /// The cost of each slot's last owner, which a new candidate has to beat; `open` where a new zone lets one in as well.
    private var bars: [UInt64]
    fileprivate static let open = UInt64.max

    public init(_ ring: Ring, count: Int) {
        self.ring = ring
        self.count = max(count, 0)
        width = min(self.count, ring.candidates.count)
        names = Array(repeating: [], count: Slot.count)
        places = Array(repeating: 0, count: Slot.count * width)
        bars = Array(repeating: Self.open, count: Slot.count)
        guard width > 0 else { return }
        var contest = Contest(ring, width)
        var rows: [Int: [NodeName]] = [:]
        for slot in Slot.all {
            contest.begin(slot)
            for place in ring.candidates.indices { contest.offer(place) }
            keep(contest, &rows)
        }
    }

    /// Follows the ring: says afterwards what one made of the new ring would.
    public mutating func follow(_ next: Ring) {
        guard next.candidates != ring.candidates else { return }
        let (moved, new) = Self.changes(from: ring, to: next)
        guard min(count, next.candidates.count) == width, width > 0 else {
            self = SlotOwners(next, count: count)
            return
        }
        ring = next
        var contest = Contest(next, width)
        var rows: [Int: [NodeName]] = [:]
        for slot in Slot.all {
            let start = Int(slot.number) * width
            var isWhole = true
            for index in start..<start + width {
                let place = moved[Int(places[index])]
                if place == Self.gone { isWhole = false } else { places[index] = Int32(place) }
            }
            contest.begin(slot)
            var isChanged = !isWhole
            if isWhole {
                let last = Int(places[start + width - 1])
                guard contest.mayAny(of: new, beat: last, bars[Int(slot.number)]) else { continue }
                for index in start..<start + width { contest.hold(Int(places[index])) }
                for place in new where contest.offer(place) { isChanged = true }
            } else {
                for place in next.candidates.indices { contest.offer(place) }
            }
            if isChanged { keep(contest, &rows) }
        }
    }

    /// Past it rows of owners are not shared any more.
    private static let rowsMax = 65_536

    private mutating func keep(_ contest: Contest, _ rows: inout [Int: [NodeName]]) {
        let slot = Int(contest.slot.number)
        bars[slot] = contest.bar
        var row = 0
        for (offset, place) in contest.held.enumerated() {
            places[slot * width + offset] = Int32(place)
            row = row &* ring.candidates.count &+ place
        }
        // Of many owners among many the number of a row may not be its own.
        if let known = rows[row], zip(contest.held, known).allSatisfy({ ring.candidates[$0].name == $1 }) {
            names[slot] = known
            return
        }
        let owners = contest.held.map { ring.candidates[$0].name }
        if rows.count < Self.rowsMax { rows[row] = owners }
        names[slot] = owners
    }

    private static let gone = -1

    /// - Returns: for each place in the old ring that in the new one, `gone` for who went or changed; and the places of
    ///   those who are new in the new one.
    private static func changes(from old: Ring, to next: Ring) -> (moved: [Int], new: [Int]) {
        var moved = Array(repeating: gone, count: old.candidates.count)
        var new: [Int] = []
        var position = 0
        // Both are sorted by name.
        for (place, candidate) in next.candidates.enumerated() {
            while position < old.candidates.count, old.candidates[position].name < candidate.name { position += 1 }
            if position < old.candidates.count, old.candidates[position] == candidate {
                moved[position] = place
            } else {
                new.append(place)
            }
        }
        return (moved, new)
    }
}

/// The choice of one slot's owners: candidates are offered one after another, and who is among the best so far is held.
private struct Contest {
    private let seeds: [UInt64]
    private let weights: [UInt64]
    private let zones: [Int]
    private let width: Int
    private(set) var slot = Slot.first
    private var jump: UInt64 = 0
    /// Places in the ring, in the order in which owners are chosen.
    private(set) var held: [Int] = []
    private var costs: [UInt64] = []

    init(_ ring: Ring, _ width: Int) {
        seeds = ring.seeds
        weights = ring.candidates.map { UInt64($0.weight) }
        zones = ring.zones
        self.width = width
        held.reserveCapacity(width + 1)
        costs.reserveCapacity(width + 1)
    }

    mutating func begin(_ slot: Slot) {
        self.slot = slot
        jump = Ring.jump(to: slot)
        held.removeAll(keepingCapacity: true)
        costs.removeAll(keepingCapacity: true)
    }

    func mayAny(of places: [Int], beat last: Int, _ bar: UInt64) -> Bool {
        for place in places {
            if bar == SlotOwners.open { return true }
            let cost = Ring.cost(seeds[place], jump).raw
            if Ring.precedes(place, cost, weights[place], last, bar, weights[last]) { return true }
        }
        return false
    }

    /// Of owners in zones of their own the last one is the least.
    var bar: UInt64 {
        for index in 0..<held.count where !isFresh(index, after: index) { return SlotOwners.open }
        return costs.last ?? SlotOwners.open
    }

    /// Takes over an owner that was chosen before; they come in their order.
    mutating func hold(_ place: Int) {
        held.append(place)
        costs.append(Ring.cost(seeds[place], jump).raw)
    }

    /// Lets one more candidate compete with the owners so far.
    ///
    /// - Returns: whether it became one.
    @discardableResult
    mutating func offer(_ place: Int) -> Bool {
        let cost = Ring.cost(seeds[place], jump).raw
        if held.count == width, !mayEnter(place, cost) { return false }
        held.append(place)
        costs.append(cost)
        arrange()
        guard held.count > width else { return true }
        costs.removeLast()
        return held.removeLast() != place
    }

    /// Most do not: whoever is behind every owner can only be one for the zone that it brings.
    private func mayEnter(_ place: Int, _ cost: UInt64) -> Bool {
        var isSpread = true
        var isKnownZone = false
        for index in 0..<held.count {
            if Ring.precedes(place, cost, weights[place], held[index], costs[index], weights[held[index]]) {
                return true
            }
            let zone = zones[held[index]]
            if zone == zones[place] { isKnownZone = true }
            for other in 0..<index where zones[held[other]] == zone { isSpread = false }
        }
        return !isSpread && !isKnownZone
    }

    /// The order in which owners are chosen: the best of an unused zone each time, of any when all are used.
    private mutating func arrange() {
        for position in 0..<held.count {
            var best = position
            var isBestFresh = isFresh(position, after: position)
            for index in position + 1..<max(held.count, position + 1) {
                let isFresh = isFresh(index, after: position)
                if isBestFresh, !isFresh { continue }
                if isFresh && !isBestFresh || precedes(index, best) { best = index }
                isBestFresh = isBestFresh || isFresh
            }
            held.swapAt(position, best)
            costs.swapAt(position, best)
        }
    }

    private func isFresh(_ index: Int, after count: Int) -> Bool {
        for other in 0..<count where zones[held[other]] == zones[held[index]] { return false }
        return true
    }

    private func precedes(_ a: Int, _ b: Int) -> Bool {
        Ring.precedes(held[a], costs[a], weights[held[a]], held[b], costs[b], weights[held[b]])
    }
}
