import ArgumentParser
import Simulation

struct Idle: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Nothing happens: bytes sent by a member, sealed, with IP and UDP headers; and false alarms.")

    @OptionGroup var options: SwimOptions

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
    }

    func run() throws {
        for count in counts ?? [options.nodes ?? 32] {
            var group = try options.group(standard: count)
            group.nodes = count
            try options.run(
                Idling(group, time: .seconds(60 * minutes)), seeds: 1, facts: [Fact("minutes", minutes, "min")])
        }
    }
}
