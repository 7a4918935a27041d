import Client

/// What must hold when the faults are over: one view, exactly the right copies, and every acknowledged write, by bytes
/// and by history, at every node.
struct SoakVerdict: Sendable {
    let cluster: DemoCluster
    let names: [String]
    let book: SoakBook

    /// How long a cluster may take to come to rest; a node that crashed often keeps its place for a while first.
    static let restMax = Duration.seconds(180)
    private static let copies = 2

    /// - Returns: how long it took.
    func rest() async throws -> Duration {
        let start = ContinuousClock.now
        try await Patience.wait(atMost: Self.restMax, for: "the cluster to come to rest") {
            () -> Patience.Look<Void> in
            try await cluster.checkRunning()
            if let unrest = try await cluster.unrest(names) { return .notYet(unrest) }
            return .done(())
        }
        return ContinuousClock.now - start
    }

    func check() async throws {
        for name in await book.names {
            try await checkHistory(name, await book.expectation(name))
            try await checkPlaces(name)
            for node in names { try await read(name, at: node) }
        }
        for counter in await book.counters { try await check(counter: counter) }
    }

    private func read(_ name: String, at node: String) async throws {
        let mark = await book.mark(name)
        do {
            let (bytes, _) = try await cluster.client(node).getBytes(name)
            guard let number = SoakContent.number(of: bytes, name) else {
                return await book.broken("\(name) has bytes at \(node) that nobody wrote")
            }
            await book.saw(name, number, since: mark, at: node)
        } catch ClientError.status(404, _, _, _) {
            await book.saw(name, nil, since: mark, at: node)
        }
    }

    /// What was acknowledged last is there, as the head, or beside one that nobody knows the outcome of.
    private func checkHistory(_ name: String, _ expected: SoakBook.Expectation) async throws {
        var histories: [API.History] = []
        for node in names {
            do { histories.append(try await cluster.client(node).history(name)) } catch ClientError.status(404, _, _, _)
            {
                // A name of which nothing but a collected tombstone is left.
                if !expected.writes.isEmpty, !expected.isDeleted {
                    await book.lost("\(name) has no history at \(node)")
                }
            }
        }
        if Set(histories).count > 1 { await book.broken("the history of \(name) differs from node to node") }
        guard let history = histories.first else { return }
        for write in expected.writes where !history.versions.contains(where: { $0.version == write.version }) {
            await book.lost("\(name): write \(write.number), \(write.version), was acknowledged and is gone")
        }
    }

    private func checkPlaces(_ name: String) async throws {
        guard let first = names.first else { return }
        do {
            let place = try await cluster.client(first).whereIs(name)
            if Set(place.holders) != Set(place.owners) || place.holders.count != min(Self.copies, names.count) {
                await book.broken("\(name) is on \(place.holders), and belongs on \(place.owners)")
            }
        } catch ClientError.status(404, _, _, _) {
            // Deleted, as the reads tell.
        }
    }

    private func check(counter: String) async throws {
        let range = await book.range(of: counter)
        var value = 0
        do {
            let (bytes, _) = try await cluster.client(names.first ?? "").getBytes(counter)
            value = Int(String(decoding: bytes, as: UTF8.self)) ?? -1
        } catch ClientError.status(404, _, _, _) {
            // Nobody has counted.
        }
        if !range.contains(value) {
            await book.lost(
                "\(counter) is \(value), but \(range.lowerBound) conditional writes were acknowledged and \(range.count - 1) may have been"
            )
        }
    }
}
