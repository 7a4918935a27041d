import ArgumentParser
import Simulation

struct Detect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cut one member's power: time to the first suspicion, to the first verdict, and until all know.")

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    func run() throws {
        let group = try options.group(standard: 32)
        let runs = try options.run(Detection(group), seeds: 10)
        try plot.draw {
            Chart(
                title: "Detection of a power loss: \(options.facts(group).sentence), \(runs.count) seeds",
                x: Axis("seconds after the loss"), y: Axis("share, %", in: 0...100),
                series: [
                    .distribution("first suspicion", of: runs.compactMap { $0[.firstSuspicion] }),
                    .distribution("first verdict", of: runs.compactMap { $0[.firstVerdict] }),
                    .distribution("verdict known to a member", of: runs.flatMap(\.samples)),
                    .distribution("verdict known to all", of: runs.compactMap { $0[.knownByAll] }),
                ])
        }
    }
}
