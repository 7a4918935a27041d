import ArgumentParser
import Simulation

struct Flap: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A few members are neither there nor gone for five minutes: how often the others condemn whom.")

    @OptionGroup var options: SwimOptions

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

    func run() throws {
        let flapping = Flapping(
            try options.group(standard: 128), kind, period: .seconds(period), share: .percent(share),
            time: .seconds(60 * minutes))
        try options.run(
            flapping, seeds: 10,
            facts: [
                Fact("share_percent", Int(share), "% ill"), Fact("kind", kind.rawValue, "fault"),
                Fact("period_s", period, "s a turn"),
            ])
    }
}

extension Flapping.Kind: ExpressibleByArgument {}
