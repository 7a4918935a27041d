import Client
import Vocabulary

/// What must hold when the faults are over: one view, exactly the right copies, and every acknowledged write, by bytes
/// and by history, at every node (`SoakAudit` says what that is).
///
/// Every node is asked for everything. What each has on its own disk is asked for as nodes ask one another.
struct SoakVerdict: Sendable {
    let cluster: DemoCluster
    let names: [String]
    let book: SoakBook

    /// How long a cluster may take to come to rest; a node that crashed often keeps its place for a while first.
    static let restMax = Duration.seconds(180)
    /// Of a cluster at rest every node answers within so long, the first time that it is asked. Some milliseconds is what it
    /// takes; this is what a machine under load may add.
    private static let answerMax = Duration.seconds(10)
    /// So long deleted names may take to be on their owners only: nothing counts them as misplaced.
    private static let deletedMax = Duration.seconds(60)
    private static let copies = 2
    /// Looks at a name until two in a row find the same on the disks: a write that nobody waited for may come that late.
    private static let looksMax = 20
    private static let bytesMax = 4 << 20

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
        var auditors: [String: AgentClient] = [:]
        for node in names {
            auditors[node] = try AgentClient(
                agents: [.https(try await cluster.endpoint(node))],
                certificates: cluster.folder.certificates("auditor"), node: node, connectTimeout: Self.answerMax,
                timeouts: ClientTimeouts(idle: Self.answerMax))
        }
        var live: Set<String> = []
        for name in await book.names where try await audit(name, await book.known(name), auditors) { live.insert(name) }
        for counter in await book.counters where try await audit(counter, await book.known(counter: counter), auditors)
        {
            live.insert(counter)
        }
        try await checkCounts(live)
        for (_, auditor) in auditors { await auditor.close() }
    }

    // MARK: One name

    /// - Returns: whether it is there, and not deleted.
    private func audit(
        _ name: String, _ known: SoakAudit.Known, _ auditors: [String: AgentClient]
    ) async throws -> Bool {
        let audit = SoakAudit(name: name, known: known, nodes: names, copies: Self.copies)
        let deadline = ContinuousClock.now + Self.deletedMax
        while true {
            let evidence: SoakEvidence
            do { evidence = try await look(at: name, known, auditors) } catch let error as SoakSilence {
                await book.broken("\(error)")
                return true
            }
            let findings = audit.findings(evidence)
            let unsettled = findings.contains { if case .unsettled = $0 { true } else { false } }
            if unsettled, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(500))
                continue
            }
            for finding in findings {
                switch finding {
                case .lost(let text): await book.lost(text)
                case .broken(let text), .unsettled(let text): await book.broken(text)
                }
            }
            return evidence.holdings.values.contains { $0.first.map { $0.sha256 != nil } ?? false }
        }
    }

    private func look(
        at name: String, _ known: SoakAudit.Known, _ auditors: [String: AgentClient]
    ) async throws -> SoakEvidence {
        var evidence = SoakEvidence()
        for _ in 0..<Self.looksMax {
            evidence = SoakEvidence()
            for node in names { evidence.holdings[node] = try await holding(name, node, auditors) }
            let holders = names.filter { evidence.holdings[$0]?.isEmpty == false }
            // The disks first: an owner that is asked for the name and meets rotten bytes answers with another's, and mends
            // its own.
            for holder in holders {
                for version in evidence.holdings[holder] ?? [] {
                    guard let sha256 = version.sha256 else { continue }
                    evidence.held[holder, default: [:]][version.dot.text] = Self.judged(
                        try await bytes("/v1/peer/blobs/\(sha256)", auditors[holder], holder), name, known)
                }
            }
            for node in names { evidence.answers[node] = try await answer(name, known, node) }
            // Of one who has it not itself, where there is one: so it is passed on.
            let asked = names.first { !holders.contains($0) } ?? names.first ?? ""
            for version in Set(evidence.holdings.values.joined()) where version.sha256 != nil {
                let text = version.dot.text
                let path = ResourcePath.with("/v1/resources/" + ResourcePath.encode(name), query: [("version", text)])
                evidence.given[text] = Self.judged(
                    try await bytes(path, await cluster.client(asked), asked), name, known)
            }
            var after: [String: [SoakEvidence.Version]] = [:]
            for node in names { after[node] = try await holding(name, node, auditors) }
            if after == evidence.holdings { break }
        }
        return evidence
    }

    private func holding(
        _ name: String, _ node: String, _ auditors: [String: AgentClient]
    ) async throws -> [SoakEvidence.Version] {
        struct Held: Decodable { let versions: [SoakEvidence.Version] }
        let path = "/v1/peer/versions/" + ResourcePath.encode(name)
        return try await asked(node, "what it has of \(name)") {
            try await auditors[node]?.getJSON(Held.self, path).versions ?? []
        }
    }

    private func answer(
        _ name: String, _ known: SoakAudit.Known, _ node: String
    ) async throws -> SoakEvidence.Answer {
        var answer = SoakEvidence.Answer()
        let client = try await cluster.client(node)
        let got = try await bytes("/v1/resources/" + ResourcePath.encode(name), client, node)
        answer.bytes = Self.judged(got, name, known)
        answer.version = got?.version
        answer.history = try await asked(node, "the history of \(name)") {
            do { return try await client.history(name).versions } catch ClientError.status(404, _, _, _) { return [] }
        }
        answer.place = try await asked(node, "where \(name) is") {
            do { return try await client.whereIs(name) } catch ClientError.status(404, _, _, _) { return nil }
        }
        return answer
    }

    private static func judged(
        _ got: (bytes: [UInt8], version: String?)?, _ name: String, _ known: SoakAudit.Known
    ) -> SoakEvidence.Bytes {
        guard let got else { return .missing }
        let number: Int?
        switch known {
        case .attempts: number = SoakContent.number(of: got.bytes, name)
        case .counter: number = SoakContent.value(of: got.bytes)
        }
        return number.map { .write($0) } ?? .foreign
    }

    /// Asks once: what is not answered then is not answered.
    ///
    /// - Returns: `nil` where there is nothing.
    private func bytes(
        _ path: String, _ client: AgentClient?, _ node: String
    ) async throws -> (bytes: [UInt8], version: String?)? {
        guard let client else { return nil }
        return try await asked(node, path) {
            do {
                return try await client.fetch(
                    path, upTo: Self.bytesMax, timeouts: ClientTimeouts(idle: Self.answerMax))
            } catch ClientError.status(404, _, _, _) { return nil }
        }
    }

    /// - Throws: `SoakSilence` when there is no answer, or it comes late.
    private func asked<T: Sendable>(
        _ node: String, _ what: String, _ ask: () async throws -> T
    ) async throws -> T {
        let start = ContinuousClock.now
        do {
            let answer = try await ask()
            let took = ContinuousClock.now - start
            guard took <= Self.answerMax else { throw SoakSilence(text: "it answered after \(took)") }
            return answer
        } catch let error as CancellationError {
            throw error
        } catch {
            throw SoakSilence(text: "the cluster is at rest, and \(node) was asked for \(what) in vain: \(error)")
        }
    }

    // MARK: All of them

    /// Lists and figures, at every node.
    private func checkCounts(_ live: Set<String>) async throws {
        var lists: [String: [API.ResourceInfo]] = [:]
        var held = 0
        for node in names {
            let client = try await cluster.client(node)
            do {
                lists[node] = try await asked(node, "its list") { try await list(client, node) }
                let status = try await asked(node, "its status") { try await client.status() }
                held += status.resources.held
                if !status.converged || status.resources.underReplicated > 0 || status.resources.misplaced > 0
                    || status.resources.held != status.resources.owned || status.members.alive != names.count
                {
                    await book.broken(
                        "\(node) is at rest no more: \(status.members.alive) members, \(status.resources), \(status.moves)"
                    )
                }
            } catch let error as SoakSilence { await book.broken("\(error)") }
        }
        let copies = min(Self.copies, names.count)
        if held != copies * live.count {
            await book.broken(
                "the nodes hold \(held) copies of \(live.count) resources, which are to be on \(copies) each")
        }
        for node in names {
            guard let list = lists[node] else { continue }
            if list != lists[names.first ?? ""] { await book.broken("\(node) lists other resources than the others") }
            if Set(list.map(\.name)) != live || list.contains(where: { $0.holders.count != copies }) {
                await book.broken(
                    "\(node) lists \(list.map { "\($0.name) on \($0.holders)" }); there are \(live.sorted())")
            }
        }
    }

    private func list(_ client: AgentClient, _ node: String) async throws -> [API.ResourceInfo] {
        var all: [API.ResourceInfo] = []
        var page = try await client.list(limit: 1000)
        while true {
            guard page.unreachable.isEmpty else { throw SoakSilence(text: "it does not reach \(page.unreachable)") }
            all += page.resources
            guard let next = page.next else { return all }
            page = try await client.list(limit: 1000, after: next)
        }
    }
}

/// Somebody who had to answer did not.
struct SoakSilence: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
}
