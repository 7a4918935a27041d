import ArgumentParser
import Console
import Simulation
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Whole agents under faults, the laws checked: the simulator as the judge.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Clusters of whole agents with clients and faults; every law of DESIGN §2 that a simulation can see.")

    @Option(name: .long, help: "How many seeds, one cluster each (1-1000000).")
    var seeds = 100

    @Option(name: .long, help: "The first seed.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "Members at the start, as A..B (2-50).")
    var nodes = "3..6"

    @Option(name: .long, help: "Virtual minutes of faults, at most (1-1000); then all must come to rest.")
    var minutes = 2

    @Option(
        name: .long,
        help: """
            Which faults, with commas: all, classic (seven of them, drawn as the run goes: the schedules of the oldest \
            seeds), none, or of \(FaultKind.names).
            """)
    var faults = "all"

    @Option(name: .long, help: "Of the faults of the schedule only these, by their numbers: 3,5,7.")
    var only: String?

    @Option(name: .long, help: "Clients that put, overwrite, delete and get while faults are made (1-64).")
    var clients = 3

    @Option(name: .long, help: "Exactly so many virtual seconds of faults (1-60000).")
    var seconds: Int64?

    @Flag(inversion: .prefixedNo, help: "Look for the shortest schedule of the first seed that fails.")
    var shrink = true

    @Option(name: .long, help: "A fault planted on purpose, to see it found: \(Defect.names).")
    var defect: String?

    @OptionGroup(title: "Parts of the product, each of which a seed draws for itself unless it is given")
    var features: FeatureOptions

    @Option(name: .long, help: "Seeds at once (1-64). As many as there are cores, unless given.")
    var jobs = max(1, min(64, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))))

    @Flag(name: .long, help: "Print one JSON value a seed, and one of all at the end.")
    var json = false

    @Option(name: .long, help: "Lines of the story to print of a seed that fails.")
    var story = 60

    private var plan: ClusterPlan {
        get throws {
            var plan = ClusterPlan()
            let bounds = nodes.split(separator: ".").compactMap { Int($0) }
            guard let low = bounds.first, let high = bounds.last, 2 <= low, low <= high, high <= 50 else {
                throw ValidationError("--nodes must be A..B with 2 <= A <= B <= 50, not \(nodes)")
            }
            plan.faults = try schedule
            plan.clients = clients
            plan.seconds = seconds
            plan.nodes = low...high
            plan.minutes = 1...minutes
            plan.features = features.given
            plan.drawn = features.drawn
            if features.keepsPlaces == true, case .drawn(let kinds, _) = plan.faults, !kinds.isEmpty,
                !kinds.contains(where: \.keepsPlaces)
            {
                throw ValidationError("--keeps-places leaves none of --faults \(faults)")
            }
            if let defect {
                guard let known = Defect(rawValue: defect) else {
                    throw ValidationError("--defect must be one of \(Defect.names), not \(defect)")
                }
                plan.defects = [known]
            }
            return plan
        }
    }

    private var schedule: FaultSchedule {
        get throws {
            var numbers: Set<Int>?
            if let only {
                let parts = only.split(separator: ",")
                numbers = Set(parts.compactMap { Int($0) })
                guard numbers?.count == parts.count else {
                    throw ValidationError("--only must be numbers with commas, not \(only)")
                }
            }
            switch faults {
            case "classic":
                guard only == nil else { throw ValidationError("--only needs a schedule that is not classic") }
                return .classic
            case "all": return .drawn(FaultKind.allCases, only: numbers)
            case "none": return .drawn([], only: numbers)
            default:
                let kinds = try faults.split(separator: ",").map { name in
                    guard let kind = FaultKind(rawValue: String(name)) else {
                        throw ValidationError("--faults knows all, classic, none, \(FaultKind.names), not \(name)")
                    }
                    return kind
                }
                return .drawn(kinds, only: numbers)
            }
        }
    }

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs must be 1-64, not \(jobs)") }
        guard (1...64).contains(clients) else { throw ValidationError("--clients must be 1-64, not \(clients)") }
        if let seconds, !(1...60_000).contains(seconds) {
            throw ValidationError("--seconds must be 1-60000, not \(seconds)")
        }
        guard (1...1_000_000).contains(seeds) else { throw ValidationError("--seeds must be 1-1000000, not \(seeds)") }
        guard seed <= .max - UInt64(seeds) else { throw ValidationError("--seed plus --seeds is past 2^64") }
        guard (1...1_000).contains(minutes) else { throw ValidationError("--minutes must be 1-1000, not \(minutes)") }
        guard (0...600).contains(story) else { throw ValidationError("--story must be 0-600, not \(story)") }
        _ = try plan
    }

    func run() async throws {
        let plan = try plan
        var progress = Progress(total: seeds, what: "clusters under faults")
        let start = ContinuousClock.now
        var outcomes: [ClusterOutcome] = []
        var failed: [UInt64] = []
        try await forEachSeed(of: plan) { outcome in
            progress.advance()
            if !outcome.violations.isEmpty {
                failed.append(outcome.seed)
                progress.finish()
                if failed.count <= 5 { tell(outcome, of: plan) }
                if shrink, failed.count == 1 { try shorten(outcome, of: plan) }
            }
            if json { print(ClusterReport.json(outcome)) }
            var kept = outcome
            kept.story = []
            outcomes.append(kept)
        }
        progress.finish()
        let seconds = (ContinuousClock.now - start).seconds
        print(
            json
                ? ClusterReport.summary(outcomes, failed: failed)
                : ClusterReport.table(outcomes, failed: failed, seconds: seconds))
        if !failed.isEmpty { throw ExitCode(1) }
    }

    /// Runs `jobs` seeds at once, and tells of them in their order.
    private func forEachSeed(of plan: ClusterPlan, _ body: (ClusterOutcome) throws -> Void) async throws {
        try await withThrowingTaskGroup(of: ClusterOutcome.self) { group in
            var begun = 0
            var told = 0
            var waiting: [UInt64: ClusterOutcome] = [:]
            func begin() {
                guard begun < seeds else { return }
                let next = seed + UInt64(begun)
                begun += 1
                group.addTask { try ClusterExperiment.run(seed: next, plan) }
            }
            for _ in 0..<jobs { begin() }
            while let outcome = try await group.next() {
                waiting[outcome.seed] = outcome
                while let next = waiting.removeValue(forKey: seed + UInt64(told)) {
                    told += 1
                    try body(next)
                }
                // One slow seed must not let the others' outcomes pile up behind it.
                while begun < seeds, begun - told < jobs * 4, begun - told - waiting.count < jobs { begin() }
            }
        }
    }

    private func shorten(_ outcome: ClusterOutcome, of plan: ClusterPlan) throws {
        Terminal.error("  looking for a shorter schedule that fails alike ...")
        let shortest = try Shrinking(outcome, of: plan)
        guard
            shortest.plan.faults != plan.faults || shortest.plan.clients != plan.clients
                || shortest.plan.seconds != plan.seconds
        else { return Terminal.error("  none in \(shortest.tries) runs") }
        Terminal.error("the shortest found, in \(shortest.tries) runs, of seed \(outcome.seed):")
        for fault in shortest.outcome.made { Terminal.error("  fault \(fault.number): \(fault.text)") }
        tell(shortest.outcome, of: shortest.plan)
    }

    private func tell(_ outcome: ClusterOutcome, of plan: ClusterPlan) {
        let with = outcome.features == Features() ? "" : ", \(outcome.features)"
        Terminal.error("seed \(outcome.seed), \(outcome.nodes) nodes\(with):")
        for line in outcome.story.suffix(story) { Terminal.error("  " + line) }
        for violation in outcome.violations { Terminal.error("  \(violation)") }
        var again =
            "roost-sim run --seeds 1 --seed \(outcome.seed) --nodes \(nodes) --minutes \(minutes) --faults \(faults)"
        if case .drawn(_, let numbers?) = plan.faults {
            // No fault has the number 0.
            let listed = numbers.isEmpty ? [0] : numbers.sorted()
            again += " --only \(listed.map(String.init).joined(separator: ","))"
        }
        if plan.clients != 3 { again += " --clients \(plan.clients)" }
        if let seconds = plan.seconds { again += " --seconds \(seconds)" }
        again += features.text
        if let defect { again += " --defect \(defect)" }
        Terminal.error("  again: \(again)")
    }
}

extension FaultKind {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

extension Defect {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
