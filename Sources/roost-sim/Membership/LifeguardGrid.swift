import ArgumentParser
import Console
import SWIM
import Simulation
import Vocabulary

struct LifeguardGrid: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lifeguard",
        abstract:
            "Members block on their messages (Lifeguard, DSN 2018 §5): who is wrongly condemned, by two sets of rules."
    )

    enum Grid: String, ExpressibleByArgument, CaseIterable {
        /// Blocked and well by turns for two minutes.
        case interval
        /// Blocked once.
        case threshold

        var cells: [Lifeguard.Anomaly] {
            switch self {
            case .interval: Lifeguard.Anomaly.interval
            case .threshold: Lifeguard.Anomaly.threshold
            }
        }
    }

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    @Option(name: .long, help: "interval (9 x 6 x 8 cells) or threshold (9 x 6).")
    var grid = Grid.interval

    @Option(name: .long, help: "So many cells of the grid, drawn by the seed; 0: all of them.")
    var cells = 24

    @Option(name: .long, help: "The rules that those of --rules are compared with: \(Rules.names).")
    var against = Rules.swim

    func validate() throws {
        guard (0...1_000).contains(cells) else { throw ValidationError("--cells must be 0-1000, not \(cells)") }
        guard against != options.rules else {
            throw ValidationError("--against must be others than those of --rules, which are \(options.rules.rawValue)")
        }
    }

    func run() throws {
        var chosen = grid.cells
        if (1..<chosen.count).contains(cells) {
            var dice = SeededGenerator(seed: options.seed)
            chosen = Array(chosen.shuffled(using: &dice).prefix(cells))
        }
        let base = try options.group(standard: 128)
        var summary = LifeguardSummary(rules: options.rules, against: against)
        var progress = Progress(
            total: chosen.count * summary.arms.count * (options.seeds ?? 1),
            what: "lifeguard \(grid.rawValue), \(base.nodes) members", unit: "runs")
        for cell in chosen {
            for arm in summary.arms {
                let group = try options.group(standard: 128, arm)
                let runs = try options.run(
                    Lifeguard(group, cell), seeds: 1, facts: options.facts(group, arm) + facts(cell), &progress)
                summary.add(runs, cell, arm)
            }
        }
        progress.finish()
        if !options.json {
            print(
                "lifeguard, \(grid.rawValue): \(options.sharedFacts(base).sentence), \(chosen.count) cells, "
                    + "\(options.seeds ?? 1) seeds each, from \(options.seed)")
            print(summary.table)
        }
        try plot.draw { summary.chart("False verdicts, \(grid.rawValue) grid, n = \(base.nodes)") }
    }

    private func facts(_ cell: Lifeguard.Anomaly) -> [Fact] {
        var facts = [
            Fact("anomalous", cell.members, "ill"), Fact("anomaly_ms", Int(cell.lasts.milliseconds), "ms"),
        ]
        if let pause = cell.pause { facts.append(Fact("interval_ms", Int(pause.milliseconds), "ms")) }
        return facts
    }
}

/// What the cells showed together, by one set of rules and by another.
struct LifeguardSummary {
    let rules: Rules
    let against: Rules

    var arms: [Rules] { [against, rules] }

    private struct Entry {
        let cell: Lifeguard.Anomaly
        let arm: Rules
        let run: SwimRun
    }

    private var entries: [Entry] = []

    init(rules: Rules, against: Rules) {
        self.rules = rules
        self.against = against
    }

    mutating func add(_ runs: [SwimRun], _ cell: Lifeguard.Anomaly, _ arm: Rules) {
        entries += runs.map { Entry(cell: cell, arm: arm, run: $0) }
    }

    private func values(_ measure: Measure, _ arm: Rules, where isWanted: (Lifeguard.Anomaly) -> Bool = { _ in true })
        -> [Double]
    {
        entries.filter { $0.arm == arm && isWanted($0.cell) }.compactMap { $0.run[measure] }
    }

    private static let measures: [Measure] = [
        .falseCrashes, .falseCrashesAtHealthy, .crashesOfFaulty, .falseSuspicions, .refutations, .bytes,
    ]

    var table: String {
        var rows = [["a run", "", "median", "p99", "max", "sum", "\(rules)/\(against)"]]
        for measure in Self.measures {
            for arm in arms {
                let sorted = values(measure, arm).sorted()
                let others = values(measure, against)
                rows.append(
                    [measure.title, arm.rawValue]
                        + [0.5, 0.99, 1].map { part in
                            Report.percentile(sorted, part).map { Report.fixed($0, measure.digits) } ?? "-"
                        } + [
                            Report.fixed(sorted.reduce(0, +), measure.digits),
                            arm == rules ? Self.ratio(sorted.reduce(0, +), others.reduce(0, +)) : "",
                        ])
            }
        }
        return Report.aligned(rows) + "\n\n" + byCell("ill at once", \.members)
            + "\n\n" + byCell("blocked for, ms", { Int($0.lasts.milliseconds) }) + "\n"
            + Report.traces(entries.map(\.run))
    }

    private func byCell(_ title: String, _ key: (Lifeguard.Anomaly) -> Int) -> String {
        let both = [against.rawValue, rules.rawValue]
        var rows = [
            [title, "false verdicts: \(both[0])", both[1], "ratio", "at healthy ones: \(both[0])", both[1], "ratio"]
                + ["about ill: \(both[0])", both[1]]
        ]
        for value in Set(entries.map { key($0.cell) }).sorted() {
            func sum(_ measure: Measure, _ arm: Rules) -> Double {
                values(measure, arm) { key($0) == value }.reduce(0, +)
            }
            var row = ["\(value)"]
            for measure in [Measure.falseCrashes, .falseCrashesAtHealthy] {
                let (others, ours) = (sum(measure, against), sum(measure, rules))
                row += [Report.fixed(others, 0), Report.fixed(ours, 0), Self.ratio(ours, others)]
            }
            rows.append(row + arms.map { Report.fixed(sum(.crashesOfFaulty, $0), 0) })
        }
        return Report.aligned(rows)
    }

    private static func ratio(_ ours: Double, _ others: Double) -> String {
        others > 0 ? Report.fixed(100 * ours / others, 1) + " %" : "-"
    }

    func chart(_ title: String) -> Chart {
        func line(_ name: String, _ measure: Measure, _ arm: Rules) -> Chart.Series {
            let members = Set(entries.map(\.cell.members)).sorted()
            return Chart.Series(
                name,
                members.map { count in
                    let found = values(measure, arm) { $0.members == count }
                    // Zero has no place on such a scale: a tenth of one verdict a run is drawn for it.
                    return (Double(count), max(found.reduce(0, +) / Double(max(found.count, 1)), 0.1))
                })
        }
        return Chart(
            title: title, x: Axis("members blocked at once"),
            y: Axis("false verdicts a run, mean (0.1 stands for none)", .decades),
            series: [
                line("\(against), at any member", .falseCrashes, against),
                line("\(rules), at any member", .falseCrashes, rules),
                line("\(against), at healthy members", .falseCrashesAtHealthy, against),
                line("\(rules), at healthy members", .falseCrashesAtHealthy, rules),
            ])
    }
}
