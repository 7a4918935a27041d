import Simulation
import Testing
import Vocabulary

/// What each seed has on or off of the product, besides its faults.
@Suite("Parts of the product that seeds draw", .timeLimit(.minutes(20)))
struct FeatureTests {
    private static let drawing: ClusterPlan = {
        var plan = ClusterPlan()
        plan.faults = .drawn(FaultKind.allCases)
        plan.drawn = Set(Feature.allCases)
        plan.minutes = 1...1
        return plan
    }()

    /// Nothing happens in it, so that many seeds can be looked at.
    private static let short: ClusterPlan = {
        var plan = drawing
        plan.seconds = 1
        plan.clients = 0
        plan.features.nearClocks = true
        plan.drawn.remove(.nearClocks)
        return plan
    }()

    @Test("the same seed draws the same, each part is drawn by some seeds, and some have none")
    func sameSeed() throws {
        var counts: [Feature: Int] = [:]
        var plain = 0
        for seed in UInt64(1)...36 {
            let features = try ClusterExperiment.run(seed: seed, Self.short).features
            for feature in Feature.allCases where features.has(feature) { counts[feature, default: 0] += 1 }
            if features.description == "clocks wrong by seconds" { plain += 1 }
            #expect(features.peersMax.map { [2, 3].contains($0) } ?? true, "8 are more than there are")
        }
        // Of 36 one in six, four, three and six; and two in seven have none.
        let least: [Feature: Int] = [.keepsPlaces: 2, .tombstoneKeep: 4, .movesHomes: 6, .peersMax: 2]
        for (feature, count) in least { #expect((counts[feature] ?? 0) >= count, "\(feature): \(counts)") }
        #expect(plain >= 6)
        for seed in UInt64(5)...6 {
            let first = try ClusterExperiment.run(seed: seed, Self.drawing)
            let again = try ClusterExperiment.run(seed: seed, Self.drawing)
            #expect(first.features == again.features && first.traceHash == again.traceHash)
            #expect(first.story == again.story)
        }
    }

    @Test(
        "a seed that draws nothing is as it is where nothing is drawn, and what is drawn leaves its schedule as it was")
    func rest() throws {
        var without = Self.drawing
        without.drawn = []
        var kinds: Set<Bool> = []
        for seed in UInt64(1)...9 {
            let drawn = try ClusterExperiment.run(seed: seed, Self.drawing)
            guard !drawn.features.keepsPlaces else { continue }
            let plain = try ClusterExperiment.run(seed: seed, without)
            #expect(plain.features == Features() && plain.nodes == drawn.nodes)
            kinds.insert(drawn.features == Features())
            if drawn.features == Features() { #expect(plain.traceHash == drawn.traceHash, "seed \(seed)") }
        }
        #expect(kinds == [true, false])
    }

    @Test("what is given holds for every seed, on or off, and leaves the others as they are drawn")
    func given() throws {
        var plan = Self.short
        plan.drawn.subtract([.peersMax, .movesHomes])
        plan.features.peersMax = 3
        for seed in UInt64(1)...12 {
            let features = try ClusterExperiment.run(seed: seed, plan).features
            let drawn = try ClusterExperiment.run(seed: seed, Self.short).features
            #expect(features.peersMax == 3 && !features.movesHomes)
            #expect(features.keepsPlaces == drawn.keepsPlaces && features.tombstoneKeep == drawn.tombstoneKeep)
        }
        // Classic schedules are kept for their histories.
        plan = Self.short
        plan.faults = .classic
        #expect(try ClusterExperiment.run(seed: 1, plan).features.description == "clocks wrong by seconds")
    }

    @Test("under all faults no part breaks a law by itself", arguments: Feature.allCases)
    func alone(feature: Feature) throws {
        var plan = Self.drawing
        plan.drawn = []
        switch feature {
        case .keepsPlaces: plan.features.keepsPlaces = true
        case .tombstoneKeep: plan.features.tombstoneKeep = .seconds(15)
        case .movesHomes: plan.features.movesHomes = true
        case .peersMax: plan.features.peersMax = 2
        case .nearClocks:
            plan.features.tombstoneKeep = .seconds(15)
            plan.features.nearClocks = true
        }
        var forgotten = 0
        for seed in UInt64(1)...4 {
            let outcome = try ClusterExperiment.run(seed: seed, plan)
            #expect(outcome.violations.isEmpty && outcome.rest != nil, "seed \(seed): \(outcome.violations)")
            #expect(outcome.features.has(feature))
            forgotten += outcome.forgotten
            guard feature == .keepsPlaces else { continue }
            let moving: Set = ["leave", "join", "partition", "one-way", "full-disk"]
            #expect(moving.isDisjoint(with: outcome.faults.keys) && !outcome.made.isEmpty)
        }
        // What clocks that are an hour wrong put off for an hour.
        if feature == .nearClocks { #expect(forgotten > 0) }
    }

    /// Whoever has a copy of a name that has another home now, and owns neither, fetches what has become of it.
    @Test("that a name left its home is no storm", arguments: [137, 354] as [UInt64])
    func movedHomes(seed: UInt64) throws {
        var plan = Self.drawing
        plan.minutes = 1...2
        let outcome = try ClusterExperiment.run(seed: seed, plan)
        #expect(outcome.features.keepsPlaces && outcome.features.movesHomes)
        #expect(outcome.violations.isEmpty, "\(outcome.violations)")
    }

    @Test("that a copy is gone is seen at that step, not at the next second")
    func atEachStep() throws {
        let found = try #require(try Defect.losesConflicts.find())
        #expect((found.violation.at - .zero).milliseconds.truncatingRemainder(dividingBy: 1_000) != 0)
    }
}
