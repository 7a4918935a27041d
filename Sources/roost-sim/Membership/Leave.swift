import ArgumentParser
import Simulation

struct Leave: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "One member says farewell: time until the first and the last know.")

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    func run() throws {
        let group = try options.group(standard: 32)
        let runs = try options.run(Farewell(group), seeds: 10)
        try plot.draw {
            Chart(
                title: "A farewell: \(options.facts(group).sentence), \(runs.count) seeds",
                x: Axis("seconds after it"), y: Axis("share, %", in: 0...100),
                series: [
                    .distribution("known to a member", of: runs.flatMap(\.samples)),
                    .distribution("known to all", of: runs.compactMap { $0[.knownByAll] }),
                ])
        }
    }
}
