import ArgumentParser
import Simulation
import Vocabulary

struct Bootstrap: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Everybody starts at once and asks the same member: time until all know all.")

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    @Option(name: .long, help: "All start within so many seconds (0-3600).")
    var within = 1

    func validate() throws {
        guard (0...3_600).contains(within) else { throw ValidationError("--within must be 0-3600, not \(within)") }
    }

    func run() throws {
        let group = try options.group(standard: 2_000)
        let runs = try options.run(
            Gathering(group, within: .seconds(within)), seeds: 1, facts: [Fact("within_s", within, "s for all starts")])
        try plot.draw {
            let points = runs.first?.curve ?? []
            func line(_ name: String, _ value: (SwimRun.Point) -> Double) -> Chart.Series {
                Chart.Series(name, points.map { ($0.time.seconds, value($0)) })
            }
            return Chart(
                title: "Start through one member: \(options.facts(group).sentence), seed \(options.seed)",
                x: Axis("seconds after the first start"), y: Axis("members known", in: 0...Double(group.nodes)),
                series: [
                    line("to who knows most") { $0.highest }, line("to the median member") { $0.median },
                    line("to who knows least") { $0.lowest },
                ])
        }
    }
}
