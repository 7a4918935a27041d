import ArgumentParser
import Simulation

struct Bootstrap: SwimCommand {
    static let configuration = CommandConfiguration(
        abstract: "Everybody starts at once and asks the same member: time until all know all.")
    static let standard = (nodes: 2_000, seeds: 1)

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    @Option(name: .long, help: "All start within so many seconds (0-3600).")
    var within = 1

    func validate() throws {
        guard (0...3_600).contains(within) else { throw ValidationError("--within must be 0-3600, not \(within)") }
    }

    var facts: [Fact] { [Fact("within_s", within, "s for all starts")] }

    func experiment(_ group: SwimGroup) -> Gathering { Gathering(group, within: .seconds(within)) }

    func chart(of runs: [SwimRun], _ facts: String) -> Chart {
        Chart(
            title: "Start through one member: \(facts), \(Report.seeds(runs.prefix(1)))",
            x: Axis("seconds after the first start"),
            y: Axis("members known"),
            series: [
                Chart.Series("to who knows most", runs.first, \.highest),
                Chart.Series("to the median member", runs.first, \.median),
                Chart.Series("to who knows least", runs.first, \.lowest),
            ])
    }
}
