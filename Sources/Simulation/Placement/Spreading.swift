import Placement
import Relocation
import Resources
import Vocabulary

/// How evenly a cluster's resources lie, and what one more member, or one fewer, moves: placement alone, by the code that
/// `roost plan` and convergence use. No time passes in it.
public struct Spreading: Sendable {
    public struct Settings: Sendable {
        public var nodes = 200
        /// Members are dealt to so many zones in turn; 0: each is a zone of its own.
        public var zones = 0
        /// Every third member, from the first on, takes so many times as much as the others.
        public var heavy: UInt32 = 1
        public var resources = 1_000_000
        public var replicas = 2
        public var seed: UInt64 = 1

        public init() {}
    }

    /// What one change moves, beside what it must move.
    public struct Move: Sendable {
        /// Bytes fetched by all nodes together.
        public let bytes: UInt64
        /// What the newcomer owns afterwards, or the leaver owned before: nobody can do with less.
        public let least: UInt64
        /// An equal part of everything by weight.
        public let share: Double
        /// Groups of which somebody fetches something, and groups that there are.
        public let groupsMoved: Int
        public let groups: Int
    }

    public struct Result: Sendable {
        /// Bytes held by each node over what its weight asks, the fullest; 1 is even.
        public let fullest: Double
        /// The same for the emptiest.
        public let emptiest: Double
        /// Bytes on a node that takes more over those on one of the others, by their means; `nil` where all are equal.
        public let heavyOverLight: Double?
        /// Bytes held in each zone over the mean of all zones, the fullest.
        public let fullestZone: Double
        /// Resources two copies of which are in one zone, where there are as many zones as copies.
        public let crowded: Int
        public let join: Move
        public let leave: Move
        public let bytes: UInt64
    }

    private let settings: Settings
    private let candidates: [Candidate]
    private let groups: [GroupSummary]

    /// - Throws: `NameError` never, for the names that it makes.
    public init(_ settings: Settings) throws {
        self.settings = settings
        candidates = try (0..<settings.nodes).map { try Self.candidate($0, settings) }
        let cluster = try ClusterName("sim")
        var random = SeededGenerator(seed: settings.seed)
        var counts = [Int](repeating: 0, count: Slot.count)
        var bytes = [UInt64](repeating: 0, count: Slot.count)
        for number in 0..<settings.resources {
            let slot = Int(Slot(ofName: "resource-\(number)", in: cluster).number)
            counts[slot] += 1
            // Sizes spread over three powers of ten: manifests and text files.
            bytes[slot] &+= UInt64.random(in: 1...(1 << UInt64.random(in: 6...16, using: &random)), using: &random)
        }
        groups = Slot.all.filter { counts[Int($0.number)] > 0 }.map { slot in
            let index = Int(slot.number)
            return GroupSummary(
                key: GroupKey(slot: slot, home: nil), names: counts[index], resources: counts[index],
                bytes: bytes[index])
        }
    }

    private static func candidate(_ number: Int, _ settings: Settings) throws -> Candidate {
        Candidate(
            name: try NodeName("n\(number)"), weight: number.isMultiple(of: 3) ? 100 * settings.heavy : 100,
            zone: settings.zones > 0 ? "z\(number % settings.zones)" : nil)
    }

    public func measure() throws -> Result {
        let ring = Ring(candidates)
        let held = holdings(ring)
        let loads = held.mapValues { $0.reduce(UInt64(0)) { $0 &+ $1.bytes } }
        let all = loads.values.reduce(0, &+)
        let weights = candidates.reduce(0) { $0 + UInt64($1.weight) }
        func expected(_ candidate: Candidate) -> Double { Double(all) * Double(candidate.weight) / Double(weights) }
        let fill = candidates.map { Double(loads[$0.name] ?? 0) / max(expected($0), 1) }

        var zones: [String: UInt64] = [:]
        for candidate in candidates {
            zones[candidate.zone ?? candidate.name.text, default: 0] &+= loads[candidate.name] ?? 0
        }
        let zoneMean = Double(all) / Double(max(zones.count, 1))

        let newcomer = try Self.candidate(settings.nodes, settings)
        let leaver = candidates[Int(settings.seed % UInt64(candidates.count))]
        let joined = weights + UInt64(newcomer.weight)
        return Result(
            fullest: fill.max() ?? 1, emptiest: fill.min() ?? 1, heavyOverLight: heavyOverLight(loads),
            fullestZone: Double(zones.values.max() ?? 0) / max(zoneMean, 1), crowded: crowded(ring),
            join: move(
                .join(newcomer), ring, held, of: newcomer.name,
                share: Double(all) * Double(newcomer.weight) / Double(joined)),
            leave: move(.leave(leaver.name), ring, held, of: leaver.name, share: expected(leaver)), bytes: all)
    }

    private func heavyOverLight(_ loads: [NodeName: UInt64]) -> Double? {
        guard settings.heavy > 1 else { return nil }
        func mean(_ nodes: [Candidate]) -> Double {
            nodes.reduce(0) { $0 + Double(loads[$1.name] ?? 0) } / Double(max(nodes.count, 1))
        }
        let heavy = mean(candidates.filter { $0.weight > 100 })
        return heavy / max(mean(candidates.filter { $0.weight == 100 }), 1)
    }

    private func holdings(_ ring: Ring) -> [NodeName: [GroupSummary]] {
        let owners = SlotOwners(ring, count: settings.replicas)
        var held: [NodeName: [GroupSummary]] = [:]
        for group in groups {
            for owner in owners.names[Int(group.key.slot.number)] { held[owner, default: []].append(group) }
        }
        return held
    }

    private func move(
        _ change: MovePlan.Change, _ ring: Ring, _ held: [NodeName: [GroupSummary]], of node: NodeName, share: Double
    ) -> Move {
        let plan = MovePlan(change, ring: ring, replicas: settings.replicas, holdings: held)
        let after = holdings(MovePlan.ring(after: change, ring))
        let least = (after[node] ?? held[node] ?? []).reduce(UInt64(0)) { $0 &+ $1.bytes }
        let before = Dictionary(
            uniqueKeysWithValues: held.map { ($0.key, Set($0.value.map(\.key))) })
        let moved = after.reduce(into: Set<GroupKey>()) { moved, entry in
            moved.formUnion(entry.value.map(\.key).filter { before[entry.key]?.contains($0) != true })
        }
        return Move(
            bytes: plan.total.bytes, least: least, share: share, groupsMoved: moved.count, groups: groups.count)
    }

    private func crowded(_ ring: Ring) -> Int {
        guard settings.zones >= settings.replicas else { return 0 }
        let zoneOf = Dictionary(uniqueKeysWithValues: candidates.map { ($0.name, $0.zone ?? $0.name.text) })
        let owners = SlotOwners(ring, count: settings.replicas)
        return groups.reduce(0) { count, group in
            let zones = owners.names[Int(group.key.slot.number)].compactMap { zoneOf[$0] }
            return count + (Set(zones).count < zones.count ? group.resources : 0)
        }
    }
}
