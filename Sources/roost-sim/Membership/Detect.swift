import ArgumentParser
import Simulation

struct Detect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cut one member's power: time to the first suspicion, to the first verdict, and until all know.")

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    @Flag(name: .long, help: "The same seeds by memberlist's rules too, side by side with those of --rules.")
    var compare = false

    func validate() throws {
        if compare, options.rules == .memberlist {
            throw ValidationError("--compare sets --rules beside memberlist's: it must be roost or swim")
        }
    }

    func run() throws {
        if compare { return try runCompared() }
        let group = try options.group(standard: 32)
        let runs = try options.run(Detection(group), seeds: 10)
        try plot.draw {
            chart(
                options.facts(group), runs.count,
                [
                    .distribution("first suspicion", of: runs.compactMap { $0[.firstSuspicion] }),
                    .distribution("first verdict", of: runs.compactMap { $0[.firstVerdict] }),
                    .distribution("verdict known to a member", of: runs.flatMap(\.samples)),
                    .distribution("verdict known to all", of: runs.compactMap { $0[.knownByAll] }),
                ])
        }
    }

    private func runCompared() throws {
        let arms = [options.rules, .memberlist]
        let group = try options.group(standard: 32)
        var progress = Progress(
            total: (options.seeds ?? 10) * arms.count, what: "detect, \(group.nodes) members", unit: "run")
        var found: [(name: String, runs: [SwimRun])] = []
        for rules in arms {
            let group = try options.group(standard: 32, rules)
            let runs = try options.run(
                Detection(group), seeds: 10, facts: options.facts(group, rules), &progress)
            found.append((rules.rawValue, runs))
        }
        progress.finish()
        if !options.json {
            print(Report.comparison(found, Report.title("detect", options.sharedFacts(group), found[0].runs)))
        }
        try plot.draw {
            chart(
                options.sharedFacts(group), found[0].runs.count,
                found.flatMap { name, runs in
                    [
                        .distribution("\(name): first suspicion", of: runs.compactMap { $0[.firstSuspicion] }),
                        .distribution("\(name): verdict known to all", of: runs.compactMap { $0[.knownByAll] }),
                    ]
                })
        }
    }

    private func chart(_ facts: [Fact], _ seeds: Int, _ series: [Chart.Series]) -> Chart {
        Chart(
            title: "Detection of a power loss: \(facts.sentence), \(seeds) seeds",
            x: Axis("seconds after the loss"), y: Axis("share, %", in: 0...100), series: series)
    }
}
