import ArgumentParser
import Simulation

struct Flap: SwimCommand {
    static let configuration = CommandConfiguration(
        abstract: "A few members are neither there nor gone for five minutes: how often the others condemn whom.")
    static let standard = (nodes: 128, seeds: 10)

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    @Option(name: .long, help: "\(Flapping.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
    var kind = Flapping.Kind.loss

    @Option(name: .long, help: "Seconds from turn to turn (1-3600); loss has none.")
    var period = 20

    @Option(name: .long, help: "Percent of the members that are ill (1-50); one at least.")
    var share: UInt32 = 1

    @Option(name: .long, help: "Virtual minutes of it (1-1000).")
    var minutes = 5

    func validate() throws {
        guard (1...3_600).contains(period) else { throw ValidationError("--period must be 1-3600, not \(period)") }
        guard (1...50).contains(share) else { throw ValidationError("--share must be 1-50 percent, not \(share)") }
        guard (1...1_000).contains(minutes) else { throw ValidationError("--minutes must be 1-1000, not \(minutes)") }
    }

    var facts: [Fact] {
        [
            Fact("share_percent", Int(share), "% ill"), Fact("kind", kind.rawValue, "fault"),
            Fact("period_s", period, "s a turn"),
        ]
    }

    func experiment(_ group: SwimGroup) -> Flapping {
        Flapping(group, kind, period: .seconds(period), share: .percent(share), time: .seconds(60 * minutes))
    }

    /// The first seed's verdicts as they come and go: the figures tell how many, not when.
    func chart(of runs: [SwimRun], _ facts: String) -> Chart {
        Chart(
            title: "Neither there nor gone, \(kind.rawValue): \(facts), \(Report.seeds(runs.prefix(1)))",
            x: Axis("seconds after the first fault"),
            y: Axis("healthy members that hold it for crashed, %", in: 0...100),
            series: [
                Chart.Series("of the ill members: whom most condemn", runs.first, \.highest),
                Chart.Series("the median one", runs.first, \.median),
                Chart.Series("whom fewest condemn", runs.first, \.lowest),
            ])
    }
}

extension Flapping.Kind: ExpressibleByArgument {}
