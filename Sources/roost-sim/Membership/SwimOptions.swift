import ArgumentParser
import Console
import SWIM
import Simulation

/// What every experiment on the membership takes.
struct SwimOptions: ParsableArguments {
    @Option(name: .long, help: "Members in the cluster (2-20000); each experiment has its own standard.")
    var nodes: Int?

    @Option(name: .long, help: "The first seed.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "How many seeds, one run each (1-1000000).")
    var seeds: Int?

    @Option(name: .long, help: "Datagrams lost, in percent (0-100); calls take longer instead.")
    var loss: UInt32 = 0

    @Option(name: .long, help: "One-way delay between two members of one site, in microseconds (0-10000000).")
    var delay: Int64 = 100

    @Option(name: .long, help: "Sites that the members are spread over (1-100).")
    var sites = 1

    @Option(name: .long, help: "Round trips between two sites, in milliseconds, as MS..MS.")
    var between = "100..150"

    @Option(name: .long, help: "Whose rules the members keep: \(Rules.names).")
    var rules = Rules.roost

    @Option(name: .long, help: "Lifeguard's alpha: a suspicion lasts alpha * log10(n) periods (1-100).")
    var alpha: Int?

    @Option(name: .long, help: "Lifeguard's beta: one whom nobody else accuses has beta times as long (1-20).")
    var beta: Int?

    @Flag(name: .long, help: "Print one JSON value a seed.")
    var json = false

    @Option(name: .long, help: "Print the last so many lines of each run's trace on stderr.")
    var trace = 0

    func validate() throws {
        if let nodes, !(2...20_000).contains(nodes) {
            throw ValidationError("--nodes must be 2-20000, not \(nodes)")
        }
        if let seeds, !(1...1_000_000).contains(seeds) {
            throw ValidationError("--seeds must be 1-1000000, not \(seeds)")
        }
        guard seed <= .max - UInt64(seeds ?? 1_000) else { throw ValidationError("--seed plus --seeds is past 2^64") }
        guard loss <= 100 else { throw ValidationError("--loss must be 0-100 percent, not \(loss)") }
        guard (0...10_000_000).contains(delay) else {
            throw ValidationError("--delay must be 0-10000000 microseconds, not \(delay)")
        }
        guard (1...100).contains(sites) else { throw ValidationError("--sites must be 1-100, not \(sites)") }
        if let alpha, !(1...100).contains(alpha) { throw ValidationError("--alpha must be 1-100, not \(alpha)") }
        if let beta, !(1...20).contains(beta) { throw ValidationError("--beta must be 1-20, not \(beta)") }
        guard (0...1_000_000).contains(trace) else { throw ValidationError("--trace must be 0-1000000 lines") }
        _ = try topology
    }

    var topology: Topology {
        get throws {
            let bounds = between.split(separator: ".").compactMap { Int64($0) }
            guard let low = bounds.first, let high = bounds.last, 0 <= low, low <= high, high <= 10_000 else {
                throw ValidationError("--between must be A..B with 0 <= A <= B <= 10000, not \(between)")
            }
            return Topology(
                sites: sites, inside: Link(delay: .microseconds(delay), loss: .percent(loss)),
                between: .milliseconds(low)...(.milliseconds(high)))
        }
    }

    func settings(_ rules: Rules) -> Membership.Settings {
        var settings = rules.settings
        if let alpha { settings.suspicionMultiplier = alpha }
        // Without Lifeguard suspicions do not shrink, so there is nothing to begin from.
        if let beta, rules != .swim { settings.suspicionMaxMultiplier = beta }
        return settings
    }

    func group(standard: Int, _ rules: Rules? = nil) throws -> SwimGroup {
        try SwimGroup(nodes: nodes ?? standard, topology: topology, settings: settings(rules ?? self.rules))
    }

    /// What is said above a table, and in each JSON value.
    func facts(_ group: SwimGroup, _ rules: Rules? = nil) -> [Fact] {
        let rules = Fact("rules", (rules ?? self.rules).rawValue, "rules")
        return sharedFacts(group) + [rules]
    }

    /// The same without the rules, for what compares them.
    func sharedFacts(_ group: SwimGroup) -> [Fact] {
        var facts = [Fact("nodes", group.nodes, "members"), Fact("loss_percent", Int(loss), "% loss")]
        if sites > 1 {
            facts += [Fact("sites", sites, "sites"), Fact("between_ms", between, "ms of round trip between them")]
        }
        return facts
    }

    /// Runs every seed; prints a line for each when lines are wanted.
    func run(
        _ experiment: some SwimExperiment, seeds standard: Int, facts: [Fact], _ progress: inout Progress
    ) throws -> [SwimRun] {
        var runs: [SwimRun] = []
        for index in 0..<(seeds ?? standard) {
            let run = try experiment.run(
                seed: seed + UInt64(index), trace: trace > 0 ? .lines(max: trace) : .hashOnly
            ) { lines in
                for line in lines { Terminal.error(line) }
            }
            if json { print(Report.json(run, type(of: experiment).name, facts)) }
            runs.append(run)
            progress.advance()
        }
        return runs
    }
}

/// Where a curve goes that says more than a table.
struct PlotOptions: ParsableArguments {
    @Option(name: .long, help: "Also draw it, into this SVG file.")
    var plot: String?

    func draw(_ chart: () -> Chart) throws {
        guard let plot else { return }
        guard File.write(chart().svg, to: plot) else {
            throw ValidationError("could not write \(plot): is its folder there, and writable?")
        }
    }
}
