import Client

/// Steps 7 and 8: a node dies without a word while everybody asks, and comes back.
extension DemoStory {
    func mkangoDies() async throws -> DemoReport.Finding {
        let survivors = everybody(but: "mkango")
        let load = DemoLoad(story: self, asking: survivors)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            for name in survivors { group.addTask { try await load.run(asking: name) } }
            // Queries flow before the blow falls.
            try await load.reach(2 * survivors.count)
            let killed = ContinuousClock.now
            try await cluster.kill("mkango")
            let watcher = Task { () throws -> (seen: UInt64, healed: UInt64) in
                try await waitForVerdict(of: survivors)
                let seen = DemoReport.milliseconds(since: killed)
                _ = try await settled(survivors, "all copies to be made again")
                return (seen, DemoReport.milliseconds(since: killed))
            }
            defer { watcher.cancel() }
            group.addTask {
                _ = try await withTaskCancellationHandler {
                    try await watcher.value
                } onCancel: {
                    watcher.cancel()
                }
                await load.stop()
            }
            // The first query that fails ends the step.
            try await group.waitForAll()
            let (seen, healed) = try await watcher.value
            let queries = await load.answered
            let slowest = await load.slowest
            let resumed = await load.resumed
            return DemoReport.Finding(
                "seen by all after \(DemoReport.seconds(seen)), every copy made again after "
                    + "\(DemoReport.seconds(healed)); \(queries) queries meanwhile, all answered with the right bytes, "
                    + "the slowest in \(DemoReport.seconds(slowest))"
                    + (resumed > 0 ? ", \(resumed) resumed in the middle" : ""),
                [
                    "seen_ms": seen, "healed_ms": healed, "queries": UInt64(queries), "slowest_ms": slowest,
                    "resumed": UInt64(resumed),
                ])
        }
    }

    private func waitForVerdict(of names: [String]) async throws {
        try await Patience.wait(atMost: Self.settleMax, for: "mkango's crash to be seen") {
            () -> Patience.Look<Void> in
            try await cluster.checkRunning()
            for name in names {
                let members = try await cluster.client(name).members()
                let state = members.first { $0.name == "mkango" }?.state
                guard state == .crashed else { return .notYet("\(name) says \(state?.rawValue ?? "nothing")") }
            }
            return .done(())
        }
    }

    func mkangoReturns(_ before: [DemoFile]) async throws -> DemoReport.Finding {
        try await cluster.start("mkango", joining: "mpologoma")
        let places = try await settled(everybody, "mkango's resources to be back on it")
        let share = share(of: "mkango", places)
        guard share.map(\.name) == before.map(\.name) else {
            throw DemoFailure("mkango had \(before.count) files before and has \(share.count) others now")
        }
        try await checkHolds("mkango", share)
        for file in share { try await check(file, from: "mkango", holders: ["mkango"]) }
        let moved = try await cluster.client("mkango").status().moves.bytes
        // It has on its disk what it had; nothing was written meanwhile.
        let kept = share.reduce(UInt64(0)) { $0 + UInt64($1.bytes.count) }
        guard moved < kept / 1000 else {
            throw DemoFailure(
                "mkango was sent \(HumanUnits.bytes(moved)), of \(HumanUnits.bytes(kept)) that it has on its disk")
        }
        return DemoReport.Finding(
            "the same \(share.count) files as before, of which \(HumanUnits.bytes(moved)) had to be sent",
            ["share": UInt64(share.count), "bytes_moved": moved])
    }
}

/// Readers that ask without pause, and keep account.
actor DemoLoad {
    private let story: DemoStory
    private(set) var answered = 0
    private(set) var resumed = 0
    /// Milliseconds.
    private(set) var slowest: UInt64 = 0
    private var stopped = false

    init(story: DemoStory, asking: [String]) { self.story = story }

    /// Asks the node for each file, over and over. The first wrong or missing answer is thrown.
    func run(asking name: String) async throws {
        while !stopped {
            for file in story.files where !stopped {
                let began = ContinuousClock.now
                let download: Download
                do { download = try await story.check(file, from: name, holders: nil) } catch let error
                    as CancellationError
                {
                    throw error
                } catch {
                    throw DemoFailure("a query for \(file.name) to \(name) failed while mkango was down: \(error)")
                }
                answered += 1
                resumed += download.resumes
                slowest = max(slowest, DemoReport.milliseconds(since: began))
            }
        }
    }

    func stop() { stopped = true }

    func reach(_ count: Int) async throws {
        try await Patience.wait(atMost: .seconds(20), for: "queries to be answered") {
            answered >= count ? .done(()) : .notYet("\(answered) answered")
        }
    }
}
