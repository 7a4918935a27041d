import ArgumentParser
import Simulation

struct Leave: SwimCommand {
    static let configuration = CommandConfiguration(
        abstract: "One member says farewell: time until the first and the last know.")
    static let standard = (nodes: 32, seeds: 10)

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    func experiment(_ group: SwimGroup) -> Farewell { Farewell(group) }

    func chart(of runs: [SwimRun], _ facts: String) -> Chart {
        Chart(
            title: "A farewell: \(facts), \(Report.seeds(runs))", x: Axis("seconds after it"),
            y: Axis("share, %", in: 0...100),
            series: [
                .distribution("known to a member", of: runs.flatMap(\.samples)),
                .distribution("known to all", of: runs.compactMap { $0[.knownByAll] }),
            ])
    }
}
