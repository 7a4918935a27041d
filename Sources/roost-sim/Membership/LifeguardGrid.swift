import ArgumentParser
import SWIM
import Simulation
import Vocabulary

struct LifeguardGrid: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lifeguard",
        abstract: "Members block on their messages (Lifeguard, DSN 2018 §5): who is wrongly condemned, on and off.")

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

    func validate() throws {
        guard (0...1_000).contains(cells) else { throw ValidationError("--cells must be 0-1000, not \(cells)") }
    }

    func run() throws {
        var chosen = grid.cells
        if (1..<chosen.count).contains(cells) {
            var dice = SeededGenerator(seed: options.seed)
            chosen = Array(chosen.shuffled(using: &dice).prefix(cells))
        }
        let base = try options.group(standard: 128)
        var progress = Progress(
            total: chosen.count * LifeguardSummary.Arm.allCases.count * (options.seeds ?? 1),
            what: "lifeguard \(grid.rawValue), \(base.nodes) members", unit: "run")
        var summary = LifeguardSummary()
        for cell in chosen {
            for arm in LifeguardSummary.Arm.allCases {
                var group = base
                group.settings = arm.settings(base.settings)
                let runs = try options.run(
                    Lifeguard(group, cell), seeds: 1,
                    facts: options.facts(group) + facts(cell) + [Fact("lifeguard", arm.rawValue, "")], &progress)
                summary.add(runs, cell, arm)
            }
        }
        progress.finish()
        if !options.json {
            print(
                "lifeguard, \(grid.rawValue): \(options.facts(base).sentence), \(chosen.count) cells, "
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

/// What the cells showed together, with Lifeguard and without.
struct LifeguardSummary {
    enum Arm: String, CaseIterable {
        case off, on

        /// What the members of this arm run with.
        func settings(_ settings: Membership.Settings) -> Membership.Settings {
            switch self {
            case .off: settings.withoutLifeguard
            case .on: settings
            }
        }
    }

    private struct Entry {
        let cell: Lifeguard.Anomaly
        let arm: Arm
        let run: SwimRun
    }

    private var entries: [Entry] = []

    mutating func add(_ runs: [SwimRun], _ cell: Lifeguard.Anomaly, _ arm: Arm) {
        entries += runs.map { Entry(cell: cell, arm: arm, run: $0) }
    }

    private func values(_ measure: Measure, _ arm: Arm, where isWanted: (Lifeguard.Anomaly) -> Bool = { _ in true })
        -> [Double]
    {
        entries.filter { $0.arm == arm && isWanted($0.cell) }.compactMap { $0.run[measure] }
    }

    private static let measures: [Measure] = [
        .falseCrashes, .falseCrashesAtHealthy, .crashesOfFaulty, .falseSuspicions, .refutations, .bytes,
    ]

    var table: String {
        var rows = [["a run", "", "median", "p99", "max", "sum", "on/off"]]
        for measure in Self.measures {
            for arm in Arm.allCases {
                let sorted = values(measure, arm).sorted()
                let others = values(measure, .off)
                rows.append(
                    [measure.title, arm.rawValue]
                        + [0.5, 0.99, 1].map { part in
                            Report.percentile(sorted, part).map { Report.fixed($0, measure.digits) } ?? "-"
                        } + [
                            Report.fixed(sorted.reduce(0, +), measure.digits),
                            arm == .on ? Self.ratio(sorted.reduce(0, +), others.reduce(0, +)) : "",
                        ])
            }
        }
        return Report.aligned(rows) + "\n\n" + byCell("ill at once", \.members)
            + "\n\n" + byCell("blocked for, ms", { Int($0.lasts.milliseconds) }) + "\n"
            + Report.traces(entries.map(\.run))
    }

    private func byCell(_ title: String, _ key: (Lifeguard.Anomaly) -> Int) -> String {
        var rows = [
            [
                title, "false verdicts: off", "on", "on/off", "at healthy ones: off", "on", "on/off", "about ill: off",
                "on",
            ]
        ]
        for value in Set(entries.map { key($0.cell) }).sorted() {
            func sum(_ measure: Measure, _ arm: Arm) -> Double {
                values(measure, arm) { key($0) == value }.reduce(0, +)
            }
            var row = ["\(value)"]
            for measure in [Measure.falseCrashes, .falseCrashesAtHealthy] {
                let (off, on) = (sum(measure, .off), sum(measure, .on))
                row += [Report.fixed(off, 0), Report.fixed(on, 0), Self.ratio(on, off)]
            }
            rows.append(row + Arm.allCases.map { Report.fixed(sum(.crashesOfFaulty, $0), 0) })
        }
        return Report.aligned(rows)
    }

    private static func ratio(_ on: Double, _ off: Double) -> String {
        off > 0 ? Report.fixed(100 * on / off, 1) + " %" : "-"
    }

    func chart(_ title: String) -> Chart {
        func line(_ name: String, _ measure: Measure, _ arm: Arm) -> Chart.Series {
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
                line("off, at any member", .falseCrashes, .off), line("on, at any member", .falseCrashes, .on),
                line("off, at healthy members", .falseCrashesAtHealthy, .off),
                line("on, at healthy members", .falseCrashesAtHealthy, .on),
            ])
    }
}
