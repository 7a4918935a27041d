import Vocabulary

/// A part of the product that a run of the simulation has on or off, besides its faults.
public enum Feature: String, Hashable, Sendable, CaseIterable {
    case keepsPlaces = "keeps-places"
    case tombstoneKeep = "tombstone-keep"
    case movesHomes = "moving-homes"
    case peersMax = "peers-max"
    case nearClocks = "near-clocks"
}

/// What a cluster has on of those parts.
public struct Features: Hashable, Sendable, CustomStringConvertible {
    /// Whoever goes is back before its place is given away: nothing may move then but what was written meanwhile (law
    /// 7).
    public var keepsPlaces = false
    /// Deleted names are forgotten after so long, and clients turn from one name to the next meanwhile; nil: not within
    /// the run.
    public var tombstoneKeep: Duration?
    /// Names change their home from write to write; else a name that has one keeps it.
    public var movesHomes = false
    /// `peers.max` of every node: how many others it may be connected with at once. Nil: all.
    public var peersMax: Int?
    /// Wall clocks are wrong by seconds at most, not by an hour: a delete that is stamped an hour ahead is forgotten an
    /// hour later, and so is every one that follows it.
    public var nearClocks = false

    public init() {}

    public func has(_ feature: Feature) -> Bool {
        switch feature {
        case .keepsPlaces: keepsPlaces
        case .tombstoneKeep: tombstoneKeep != nil
        case .movesHomes: movesHomes
        case .peersMax: peersMax != nil
        case .nearClocks: nearClocks
        }
    }

    /// In one line; empty when there is nothing besides.
    public var description: String {
        var parts: [String] = []
        if keepsPlaces { parts.append("places kept") }
        if let tombstoneKeep { parts.append("tombstones \(Int64(tombstoneKeep.seconds)) s") }
        if movesHomes { parts.append("homes move") }
        if let peersMax { parts.append("peers.max \(peersMax)") }
        if nearClocks { parts.append("clocks wrong by seconds") }
        return parts.joined(separator: ", ")
    }

    // MARK: Drawing

    /// What a seed has by itself. All is drawn, in one order and from a stream of its own, whatever is taken of it: so
    /// the rest of the seed is as it is without, and what is given for one part leaves the others as they are.
    ///
    /// They go together as they come. Of two it is not plain to see: who keeps all places has nobody fetch but owners,
    /// also where few may be connected at once, for a write that finds an owner busy is offered to the next in rank,
    /// and an offer is no fetch; and where a home moves its owners fetch, and whoever has a copy from before
    /// (`checkFetch`).
    ///
    /// - Parameter nodes: at the start; two more may join.
    static func drawn(by seed: UInt64, nodes: Int) -> Features {
        var dice = SeededGenerator(seed: seed ^ 0x726f_6f73_742d_6665)  // "roost-fe"
        func one(in count: Int) -> Bool { Int.random(in: 0..<count, using: &dice) == 0 }
        var features = Features()
        features.keepsPlaces = one(in: 6)
        // With what is waited for besides (80 s) the first are forgotten before the faults are over.
        let keep = Int64.random(in: 10...30, using: &dice)
        if one(in: 4) { features.tombstoneKeep = .seconds(keep) }
        features.movesHomes = one(in: 3)
        // More than there are others bind nobody: of 3-6 nodes and the two that join, 2 and 3 do.
        let places = [2, 3, 8].filter { $0 <= nodes }.randomElement(using: &dice) ?? 2
        if one(in: 6) { features.peersMax = places }
        features.nearClocks = !one(in: 4)
        return features
    }
}

extension ClusterPlan {
    /// The plan with what this seed draws.
    ///
    /// Classic schedules are drawn as the run goes, with whatever the clients do: their seeds are kept for their
    /// histories, and have what the plan says.
    func drawing(_ seed: UInt64, nodes: Int) -> ClusterPlan {
        var plan = self
        guard case .drawn(let kinds, let only) = faults else { return plan }
        let features = Features.drawn(by: seed, nodes: nodes)
        let keeping = kinds.filter(\.keepsPlaces)
        if drawn.contains(.keepsPlaces) {
            // Where none of the faults that are asked for leaves everybody its place there would be none at all.
            plan.features.keepsPlaces = features.keepsPlaces && keeping.isEmpty == kinds.isEmpty
        }
        if drawn.contains(.tombstoneKeep) { plan.features.tombstoneKeep = features.tombstoneKeep }
        if drawn.contains(.movesHomes) { plan.features.movesHomes = features.movesHomes }
        if drawn.contains(.peersMax) { plan.features.peersMax = features.peersMax }
        // Elsewhere clocks are as wrong as they were.
        if drawn.contains(.nearClocks), plan.features.tombstoneKeep != nil {
            plan.features.nearClocks = features.nearClocks
        }
        if plan.features.keepsPlaces { plan.faults = .drawn(keeping, only: only) }
        return plan
    }
}
