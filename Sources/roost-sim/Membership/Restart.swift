import ArgumentParser
import Simulation

struct Restart: SwimCommand {
    static let configuration = CommandConfiguration(
        abstract: "Everybody restarts, some at another address: time after the last start until all know all.")
    static let standard = (nodes: 128, seeds: 10)

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    @Option(name: .long, help: "All restart within so many seconds (0-3600).")
    var within = 60

    @Option(name: .long, help: "Percent of the members that come back at another address (0-100).")
    var moved: UInt32 = 30

    func validate() throws {
        guard (0...3_600).contains(within) else { throw ValidationError("--within must be 0-3600, not \(within)") }
        guard moved <= 100 else { throw ValidationError("--moved must be 0-100 percent, not \(moved)") }
    }

    var facts: [Fact] {
        [Fact("within_s", within, "s for all stops"), Fact("moved_percent", Int(moved), "% moved")]
    }

    func experiment(_ group: SwimGroup) -> Restarting {
        var restarting = Restarting(group, within: .seconds(within), moved: .percent(moved))
        restarting.keepsCurve = plot.plot != nil
        return restarting
    }

    /// Of the first seed. Those that are down count as known nowhere but where they were known before.
    func chart(of runs: [SwimRun], _ facts: String) -> Chart {
        Chart(
            title:
                "Everybody restarts within \(within) s, \(moved) % elsewhere: \(facts), \(Report.seeds(runs.prefix(1)))",
            x: Axis("seconds after the first stop"), y: Axis("members known, and known where they are"),
            series: [
                Chart.Series("to who knows most", runs.first, \.highest),
                Chart.Series("to the median member", runs.first, \.median),
                Chart.Series("to who knows least", runs.first, \.lowest),
            ])
    }
}
