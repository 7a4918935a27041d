import ArgumentParser
import Console
import Vocabulary

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The fuzzer's command line: any datagram whatever leaves an agent working.
@main
struct RoostFuzz: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost-fuzz",
        abstract: "Hostile datagrams by the million into the parts of an agent that read them, every law checked.",
        discussion: """
            opener: raw bytes, forged and repeated seals. codec: mutated packets inside an intact seal. membership: \
            storms of packets from enemies who hold the key, after which the member must still do its work. The same \
            seed gives the same datagrams on any machine; a failure prints what to run to see it again.
            """)

    @Option(name: .long, help: "Datagrams in all, rounded up to whole batches (1-10^12).")
    var count = 10_000_000

    @Option(name: .long, help: "The seed of everything.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "One of opener, codec, membership; again for more. All, unless given.")
    var layer: [Layer] = []

    @Option(name: .long, help: "Workers at once (1-64). As many as there are cores, unless given.")
    var jobs: Int?

    @Option(name: .long, help: "LAYER:BATCH or LAYER:BATCH:DATAGRAM as a failure names it: run that alone.")
    var replay: String?

    @Option(name: .long, help: "Rounds of --count datagrams, each of the next seed, until so many minutes are over.")
    var minutes: Int?

    @Flag(name: .long, help: "Print the result as one JSON value, for each round.")
    var json = false

    func validate() throws {
        guard (1...1_000_000_000_000).contains(count) else {
            throw ValidationError("--count must be 1-10^12, not \(count)")
        }
        if let jobs, !(1...BlackBox.workersMax).contains(jobs) {
            throw ValidationError("--jobs must be 1-\(BlackBox.workersMax), not \(jobs)")
        }
        if let minutes, !(1...99_999).contains(minutes) {
            throw ValidationError("--minutes must be 1-99999, not \(minutes)")
        }
        _ = try replayed
    }

    private var replayed: (place: Place, isWhole: Bool)? {
        get throws {
            guard let replay else { return nil }
            let parts = replay.split(separator: ":")
            let numbers = parts.dropFirst().compactMap { Int($0) }
            guard let layer = parts.first.flatMap({ Layer(rawValue: String($0)) }), (1...2).contains(numbers.count),
                numbers.count == parts.count - 1, numbers.allSatisfy({ $0 >= 0 })
            else { throw ValidationError("--replay must be LAYER:BATCH or LAYER:BATCH:DATAGRAM, not \(replay)") }
            let place = Place(layer: layer, batch: numbers[0], datagram: numbers.count > 1 ? numbers[1] : 0)
            return (place, numbers.count == 1)
        }
    }

    func run() async throws {
        BlackBox.open(seed: seed)
        do {
            if let (place, isWhole) = try replayed {
                let tally = try Batch.run(
                    seed: seed, place, in: BlackBox.slot(0), stopAfter: isWhole ? nil : place.datagram,
                    tellsStory: true)
                print("\(place.layer.rawValue):\(place.batch): \(tally.datagrams) datagrams, no law broken")
                return
            }
            let end = minutes.map { ContinuousClock.now + .seconds($0 * 60) }
            var seed = seed
            repeat {
                BlackBox.open(seed: seed)
                try await round(seed)
                seed &+= 1
            } while end.map { ContinuousClock.now < $0 } ?? false
        } catch let failure as Failure {
            Terminal.error("\(failure)")
            throw ExitCode(1)
        }
    }

    private func round(_ seed: UInt64) async throws {
        let cores = max(1, min(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), BlackBox.workersMax))
        let layers = layer.isEmpty ? Layer.allCases : Layer.allCases.filter(layer.contains)
        let campaign = Campaign(seed: seed, datagrams: count, layers: layers, jobs: jobs ?? cores)
        let start = ContinuousClock.now
        let outcome = try await campaign.run()
        let report = Report(seed: seed, outcome: outcome, seconds: (ContinuousClock.now - start).seconds)
        print(json ? report.json : report.text)
        if let growth = outcome.growth, growth > Campaign.growthBytesMax {
            Terminal.error(
                "the process grew by \(growth >> 20) MiB after its warm-up, past \(Campaign.growthBytesMax >> 20)")
            throw ExitCode(1)
        }
    }
}
