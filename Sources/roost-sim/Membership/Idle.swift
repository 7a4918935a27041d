import ArgumentParser
import Simulation

struct Idle: SwimCommand {
    static let configuration = CommandConfiguration(
        abstract: "Nothing happens: bytes sent by a member, sealed, with IP and UDP headers; and false alarms.")
    static let standard = (nodes: 32, seeds: 1)

    @OptionGroup var options: SwimOptions
    @OptionGroup var plot: PlotOptions

    @Option(name: .long, help: "Virtual minutes (1-10000).")
    var minutes = 5

    @Option(name: .long, help: "Instead of --nodes: several sizes, one after the other, as 16,128,1000,2000.")
    var sizes: String?

    private var counts: [Int]? {
        sizes.map { $0.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 } }
    }

    func validate() throws {
        guard (1...10_000).contains(minutes) else { throw ValidationError("--minutes must be 1-10000, not \(minutes)") }
        if let counts, !counts.allSatisfy({ (2...20_000).contains($0) }) {
            throw ValidationError("--sizes must be numbers of 2-20000 with commas between them, not \(sizes ?? "")")
        }
        guard plot.plot == nil || counts.map({ $0.count > 1 }) ?? false else {
            throw ValidationError("--plot draws the cost by the number of members: it takes several --sizes")
        }
    }

    var facts: [Fact] { [Fact("minutes", minutes, "min")] }

    func experiment(_ group: SwimGroup) -> Idling { Idling(group, time: .seconds(60 * minutes)) }

    func run() throws {
        var found: [(nodes: Int, runs: [SwimRun])] = []
        for count in counts ?? [options.nodes ?? Self.standard.nodes] {
            var group = try options.group(standard: count)
            group.nodes = count
            found.append((count, try play(group)))
        }
        found.sort { $0.nodes < $1.nodes }
        try plot.draw { chart(of: found) }
    }

    private func chart(of found: [(nodes: Int, runs: [SwimRun])]) -> Chart {
        func line(_ name: String, _ measure: Measure) -> Chart.Series {
            Chart.Series(
                name,
                found.map { nodes, runs in
                    (Double(nodes), runs.compactMap { $0[measure] }.reduce(0, +) / Double(max(runs.count, 1)))
                })
        }
        return Chart(
            title: "What it costs to be a member, while nothing happens: \(options.loss) % loss, \(minutes) min",
            x: Axis("members", .decades), y: Axis("bytes a second"),
            series: [
                line("datagrams of a member", .bytes), line("of the busiest", .bytesOfBusiest),
                line("exchanges of a member", .exchangeBytes),
            ])
    }

    func chart(of runs: [SwimRun], _ facts: String) -> Chart { chart(of: [(options.nodes ?? 0, runs)]) }
}
