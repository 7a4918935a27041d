import ArgumentParser
import Console
import Simulation

struct Detect: SwimCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cut one member's power: time to the first suspicion, to the first verdict, and until all know.")
    static let standard = (nodes: 32, seeds: 10)

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    @Flag(name: .long, help: "The same seeds by memberlist's rules too, side by side with those of --rules.")
    var compare = false

    func validate() throws {
        if compare, options.rules == .memberlist {
            throw ValidationError("--compare sets --rules beside memberlist's: it must be roost or swim")
        }
    }

    func experiment(_ group: SwimGroup) -> Detection { Detection(group) }

    func run() throws {
        guard compare else { return try runAlone() }
        let arms = [options.rules, .memberlist]
        let group = try options.group(standard: Self.standard.nodes)
        let title = options.sharedFacts(group)
        var progress = Progress(
            total: (options.seeds ?? Self.standard.seeds) * arms.count, what: "detect, \(group.nodes) members",
            unit: "runs")
        var found: [(name: String, runs: [SwimRun])] = []
        for rules in arms {
            let group = try options.group(standard: Self.standard.nodes, rules)
            let runs = try options.run(
                Detection(group), seeds: Self.standard.seeds, facts: options.facts(group, rules), &progress)
            found.append((rules.rawValue, runs))
        }
        progress.finish()
        if !options.json { print(Report.comparison(found, Report.title("detect", title, found[0].runs))) }
        try plot.draw {
            chart(
                "\(title.sentence), \(Report.seeds(found[0].runs))",
                found.flatMap { name, runs in
                    [
                        .distribution("\(name): first suspicion", of: runs.compactMap { $0[.firstSuspicion] }),
                        .distribution("\(name): verdict known to all", of: runs.compactMap { $0[.knownByAll] }),
                    ]
                })
        }
    }

    func chart(of runs: [SwimRun], _ facts: String) -> Chart {
        chart(
            "\(facts), \(Report.seeds(runs))",
            [
                .distribution("first suspicion", of: runs.compactMap { $0[.firstSuspicion] }),
                .distribution("first verdict", of: runs.compactMap { $0[.firstVerdict] }),
                .distribution("verdict known to a member", of: runs.flatMap(\.samples)),
                .distribution("verdict known to all", of: runs.compactMap { $0[.knownByAll] }),
            ])
    }

    private func chart(_ facts: String, _ series: [Chart.Series]) -> Chart {
        Chart(
            title: "Detection of a power loss: \(facts)", x: Axis("seconds after the loss"),
            y: Axis("share, %", in: 0...100), series: series)
    }
}
