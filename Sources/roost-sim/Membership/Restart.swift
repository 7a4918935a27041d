import ArgumentParser
import Simulation

struct Restart: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Everybody restarts, some at another address: time after the last start until all know all.")

    @OptionGroup var options: SwimOptions

    @Option(name: .long, help: "All restart within so many seconds (0-3600).")
    var within = 60

    @Option(name: .long, help: "Percent of the members that come back at another address (0-100).")
    var moved: UInt32 = 30

    func validate() throws {
        guard (0...3_600).contains(within) else { throw ValidationError("--within must be 0-3600, not \(within)") }
        guard moved <= 100 else { throw ValidationError("--moved must be 0-100 percent, not \(moved)") }
    }

    func run() throws {
        let restarting = Restarting(
            try options.group(standard: 128), within: .seconds(within), moved: .percent(moved))
        try options.run(
            restarting, seeds: 10,
            facts: [Fact("within_s", within, "s for all stops"), Fact("moved_percent", Int(moved), "% moved")])
    }
}
