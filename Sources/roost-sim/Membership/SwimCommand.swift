import ArgumentParser
import Console
import Simulation
import Vocabulary

/// A subcommand that plays one experiment: what it plays, what is said of it, and the curve that shows more than a table.
protocol SwimCommand: ParsableCommand {
    associatedtype Experiment: SwimExperiment

    /// What it takes when nothing is said: members, and seeds.
    static var standard: (nodes: Int, seeds: Int) { get }
    var options: SwimOptions { get }
    var plot: PlotOptions { get }
    /// What was asked for besides what every experiment takes.
    var facts: [Fact] { get }

    func experiment(_ group: SwimGroup) -> Experiment
    /// - Parameter facts: for the title.
    func chart(of runs: [SwimRun], _ facts: String) -> Chart
}

extension SwimCommand {
    var facts: [Fact] { [] }

    func run() throws { try runAlone() }

    /// The whole of a subcommand that has nothing of its own to add.
    func runAlone() throws {
        let group = try options.group(standard: Self.standard.nodes)
        let runs = try play(group)
        try plot.draw { chart(of: runs, options.facts(group).sentence) }
    }

    /// Runs every seed, and tells what came of it.
    func play(_ group: SwimGroup) throws -> [SwimRun] {
        let facts = options.facts(group) + facts
        var progress = Progress(
            total: options.seeds ?? Self.standard.seeds, what: "\(Experiment.name), \(group.nodes) members")
        let runs = try options.run(experiment(group), seeds: Self.standard.seeds, facts: facts, &progress)
        progress.finish()
        if !options.json { print(Report.table(runs, Report.title(Experiment.name, facts, runs))) }
        return runs
    }
}

extension Chart.Series {
    /// One value of each moment of a run.
    init(_ name: String, _ run: SwimRun?, _ value: (SwimRun.Point) -> Double) {
        self.init(name, (run?.curve ?? []).map { ($0.time.seconds, value($0)) })
    }
}
