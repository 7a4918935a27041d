import ArgumentParser
import Simulation
import Vocabulary

/// The parts of the product that a run has on or off. What is given holds for every seed, what is not each seed draws.
struct FeatureOptions: ParsableArguments {
    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Whoever goes is back before its place is given away: nothing may move (law 7); drawn by one seed in six.",
            discussion: """
                Only faults are made after which a member is back by itself: nobody leaves or joins, there is no cut with \
                two sides, and no disk is full.
                """))
    var keepsPlaces: Bool?

    @Option(
        help: """
            Forget deleted names after so many virtual seconds (1-60000), when every member has agreed, or never; drawn \
            by one seed in four. A cycle takes 80 s.
            """)
    var tombstoneKeep: String?

    @Flag(
        inversion: .prefixedNo,
        help: "Let names change their home from write to write; drawn by one seed in three.")
    var movingHomes: Bool?

    @Option(
        help: """
            peers.max of every node: how many others it may be connected with at once (1-50, or any); drawn by one seed \
            in six, as 2, 3 or 8.
            """)
    var peersMax: String?

    @Flag(
        inversion: .prefixedNo,
        help: """
            Wall clocks are wrong by seconds at most, not by an hour; drawn by three of four seeds that forget deleted \
            names, which would take that hour.
            """)
    var nearClocks: Bool?

    @Flag(help: "Nothing is drawn: what is not given is off.")
    var plain = false

    var given: Features {
        var features = Features()
        features.keepsPlaces = keepsPlaces ?? false
        features.tombstoneKeep = tombstoneKeep.flatMap { Int64($0) }.map { .seconds($0) }
        features.movesHomes = movingHomes ?? false
        features.peersMax = peersMax.flatMap { Int($0) }
        features.nearClocks = nearClocks ?? false
        return features
    }

    var drawn: Set<Feature> {
        guard !plain else { return [] }
        return Set(
            Feature.allCases.filter { feature in
                switch feature {
                case .keepsPlaces: keepsPlaces == nil
                case .tombstoneKeep: tombstoneKeep == nil
                case .movesHomes: movingHomes == nil
                case .peersMax: peersMax == nil
                case .nearClocks: nearClocks == nil
                }
            })
    }

    /// As they were given, for the command that runs a seed again.
    var text: String {
        func flag(_ name: Feature, _ value: Bool?) -> String {
            value.map { $0 ? " --\(name.rawValue)" : " --no-\(name.rawValue)" } ?? ""
        }
        func option(_ name: Feature, _ value: String?) -> String { value.map { " --\(name.rawValue) \($0)" } ?? "" }
        return flag(.keepsPlaces, keepsPlaces) + option(.tombstoneKeep, tombstoneKeep) + flag(.movesHomes, movingHomes)
            + option(.peersMax, peersMax) + flag(.nearClocks, nearClocks) + (plain ? " --plain" : "")
    }

    func validate() throws {
        if let tombstoneKeep, tombstoneKeep != "never", !(1...60_000).contains(Int(tombstoneKeep) ?? 0) {
            throw ValidationError("--tombstone-keep must be 1-60000 or never, not \(tombstoneKeep)")
        }
        if let peersMax, peersMax != "any", !(1...50).contains(Int(peersMax) ?? 0) {
            throw ValidationError("--peers-max must be 1-50 or any, not \(peersMax)")
        }
    }
}
