import ArgumentParser
import Simulation

struct Partition: SwimCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cut the network in two for a while: time from its mending until every view is whole.")
    static let standard = (nodes: 32, seeds: 10)

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    @Option(name: .long, help: "How long the cut lasts, in hours (0.01-1000).")
    var hours = 0.05

    @Option(name: .long, help: "Members on the smaller side; without it, one half.")
    var minority: Int?

    @Flag(name: .long, help: "Keep the departed for a third of the cut only: each side forgets the other.")
    var forget = false

    @Flag(name: .long, help: "Every process restarts during the cut.")
    var bothRestart = false

    func validate() throws {
        guard (0.01...1_000).contains(hours) else { throw ValidationError("--hours must be 0.01-1000, not \(hours)") }
        if let minority, minority < 1 { throw ValidationError("--minority must be at least 1, not \(minority)") }
    }

    var facts: [Fact] {
        var facts = [Fact("cut_hours", Report.fixed(hours, 2), "h of cut")]
        if let minority { facts.append(Fact("minority", minority, "cut off")) }
        if forget { facts.append(Fact("forgets", "true", "forgotten")) }
        if bothRestart { facts.append(Fact("restarts", "true", "restarted")) }
        return facts
    }

    func experiment(_ group: SwimGroup) -> Healing {
        Healing(
            group, cut: .milliseconds(Int64(hours * 3_600_000)), minority: minority, forgets: forget,
            restartsAll: bothRestart)
    }

    func chart(of runs: [SwimRun], _ facts: String) -> Chart {
        Chart(
            title: "After a cut of \(Report.fixed(hours, 2)) h: \(facts), \(Report.seeds(runs))",
            x: Axis("seconds after its mending"),
            y: Axis("share, %", in: 0...100),
            series: [
                .distribution("first return", of: runs.compactMap { $0[.firstReturn] }),
                .distribution("every view whole", of: runs.compactMap { $0[.whole] }),
            ])
    }
}
