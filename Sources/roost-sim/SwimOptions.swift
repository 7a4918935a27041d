import ArgumentParser
import Simulation

/// What every experiment on the membership takes.
struct SwimOptions: ParsableArguments {
    @Option(name: .long, help: "Members in the cluster (2-20000).")
    var nodes = 32

    @Option(name: .long, help: "The first seed.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "How many seeds, one run each (1-1000000).")
    var seeds = 10

    @Option(name: .long, help: "Datagrams lost, in percent (0-100).")
    var loss: UInt32 = 0

    @Option(name: .long, help: "One-way delay between any two members, in microseconds (0-10000000).")
    var delay: Int64 = 100

    @Flag(name: .long, help: "Print one JSON value a seed.")
    var json = false

    @Option(name: .long, help: "Print the last so many lines of each run's trace on stderr.")
    var trace = 0

    func validate() throws {
        guard (2...20_000).contains(nodes) else { throw ValidationError("--nodes must be 2-20000, not \(nodes)") }
        guard (1...1_000_000).contains(seeds) else { throw ValidationError("--seeds must be 1-1000000, not \(seeds)") }
        guard seed <= .max - UInt64(seeds) else { throw ValidationError("--seed plus --seeds is past 2^64") }
        guard loss <= 100 else { throw ValidationError("--loss must be 0-100 percent, not \(loss)") }
        guard (0...10_000_000).contains(delay) else {
            throw ValidationError("--delay must be 0-10000000 microseconds, not \(delay)")
        }
        guard (0...1_000_000).contains(trace) else { throw ValidationError("--trace must be 0-1000000 lines") }
    }

    var link: Link { Link(delay: .microseconds(delay), loss: .percent(loss)) }

    /// Runs every seed and prints what was found.
    func run(_ experiment: SwimExperiment) throws {
        var progress = Progress(total: seeds, what: "\(experiment.rawValue), \(nodes) members")
        var runs: [SwimRun] = []
        for index in 0..<seeds {
            let run = try experiment.run(
                nodes: nodes, seed: seed + UInt64(index), link: link,
                trace: trace > 0 ? .lines(max: trace) : .hashOnly
            ) { lines in
                for line in lines { Terminal.error(line) }
            }
            if json { print(Report.json(run, experiment, nodes: nodes, loss: loss)) }
            runs.append(run)
            progress.advance()
        }
        progress.finish()
        if !json { print(Report.table(runs, experiment, nodes: nodes, loss: loss)) }
    }
}

struct Detect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cut one member's power: time to the first suspicion, and to the first and the last verdict.")
    @OptionGroup var options: SwimOptions
    func run() throws { try options.run(.detect) }
}

struct Partition: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Split the network in halves for two minutes: time from its healing until every view is whole.")
    @OptionGroup var options: SwimOptions
    func run() throws { try options.run(.partition) }
}

struct Leave: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "One member says farewell: time until the first and the last know.")
    @OptionGroup var options: SwimOptions
    func run() throws { try options.run(.leave) }
}

struct Idle: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Nothing happens for five minutes: bytes sent by a member, and false alarms.")
    @OptionGroup var options: SwimOptions
    func run() throws { try options.run(.idle) }
}
