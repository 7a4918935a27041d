import Console
import Vocabulary

/// All batches of a run, dealt out to the workers beforehand: which worker runs what decides nothing.
struct Campaign: Sendable {
    /// What the process may grow by after its first batches: the allocator's own waste, no more.
    static let growthBytesMax = 48 << 20
    /// The first part of the batches, of a hundred, in which the process becomes as large as it will be.
    private static let warmUpPercent = 20

    let seed: UInt64
    let places: [Place]
    let jobs: Int

    struct Outcome: Sendable {
        var tallies: [Layer: Tally] = [:]
        var residentWarm: Int?
        var residentEnd: Int?

        /// `nil` for a run too short to tell, or where memory can not be read.
        var growth: Int? {
            guard let residentWarm, let residentEnd else { return nil }
            return residentEnd - residentWarm
        }

        static func += (a: inout Outcome, b: Outcome) {
            for (layer, tally) in b.tallies { a.tallies[layer, default: Tally()] += tally }
            // Of one process: the worker that was warm last saw it fully grown.
            if let warm = b.residentWarm { a.residentWarm = max(a.residentWarm ?? 0, warm) }
        }
    }

    init(seed: UInt64, datagrams: Int, layers: [Layer], jobs: Int) {
        self.seed = seed
        self.jobs = jobs
        let shares = layers.reduce(0) { $0 + $1.share }
        var places: [Place] = []
        for layer in layers {
            let wanted = datagrams / shares * layer.share
            let batches = max(1, (wanted + layer.batchSize - 1) / layer.batchSize)
            for batch in 0..<batches { places.append(Place(layer: layer, batch: batch, datagram: 0)) }
        }
        // In turn, so that each worker and each minute has of every layer.
        self.places = places.sorted { ($0.batch, $0.layer.number) < ($1.batch, $1.layer.number) }
    }

    var datagrams: Int { places.reduce(0) { $0 + $1.layer.batchSize } }

    func run() async throws -> Outcome {
        var outcome = try await withThrowingTaskGroup(of: Outcome.self) { group in
            for worker in 0..<jobs { group.addTask { try work(worker) } }
            var outcome = Outcome()
            for try await part in group { outcome += part }
            return outcome
        }
        outcome.residentEnd = Memory.resident
        return outcome
    }

    private func work(_ worker: Int) throws -> Outcome {
        let slot = BlackBox.slot(worker)
        let mine = places.indices.filter { $0 % jobs == worker }
        // The first worker's progress stands for all.
        var progress = Progress(total: datagrams, what: "roost-fuzz", unit: "datagrams", isShown: worker == 0)
        let warm = max(mine.count * Self.warmUpPercent / 100, 1)
        var outcome = Outcome()
        var done = 0
        for (index, place) in mine.enumerated() {
            guard !Task.isCancelled else { break }
            let tally = try Batch.run(seed: seed, places[place], in: slot)
            outcome.tallies[places[place].layer, default: Tally()] += tally
            done += tally.datagrams
            progress.show(done * jobs)
            if index + 1 == warm, mine.count >= 10 { outcome.residentWarm = Memory.resident }
        }
        progress.finish()
        return outcome
    }
}
