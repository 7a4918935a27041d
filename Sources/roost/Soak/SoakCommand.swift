import ArgumentParser
import Client
import Dispatch
import Vocabulary

/// `roost soak`: what `make soak` runs.
struct SoakCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Run a cluster on this machine under faults, and check every acknowledged write.",
        discussion: """
            Agents as processes of their own on 127.0.0.1, clients that put, overwrite, delete, read and count, and \
            SIGKILL, SIGSTOP, SIGTERM, restarts and emptied disks by a seed; with --rough each agent in a network of its \
            own, which loses packets or falls in two. When the time is over all come back, and every node is asked for \
            everything: every write that was acknowledged must be there, or be gone for a reason that the history shows; \
            the bytes on every owner's disk must be right, and all must say the same. A read fails the soak that has no \
            answer within 50 s while one node at most is harmed, or within 10 s at the end; what else is not answered is \
            counted. What the seed draws is the same each time; when things happen is not.
            """)

    @Option(help: "How many nodes, 3-9.")
    var nodes = 5
    @Option(help: "How many minutes of faults, 1-10080.")
    var minutes = 5
    @Option(help: "How many clients, 1-64.")
    var clients = 4
    @Option(help: "The seed of the faults and of the clients.")
    var seed: UInt64 = 1
    @Flag(
        help: ArgumentHelp(
            "Fill a disk, lose packets and part the nodes, too: as root, in namespaces of its own, which `make soak` makes."
        ))
    var rough = false
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws {
        guard (3...9).contains(nodes) else { throw ValidationError("--nodes must be from 3 to 9.") }
        guard (1...10_080).contains(minutes) else { throw ValidationError("--minutes must be from 1 to 10080.") }
        guard (1...64).contains(clients) else { throw ValidationError("--clients must be from 1 to 64.") }
    }

    func run() async throws {
        try await Interrupt.guarding(patience: .seconds(15)) { try await soak() }
    }

    private struct Result: Encodable {
        let ok: Bool
        let seed: UInt64
        let nodes: Int
        let minutes: Int
        let operations: SoakBook.Counts
        let faults: [String: Int]
        let restMilliseconds: UInt64
        let violations: [String]
        /// Where the agents' logs and the diary are; nil when there is nothing to be found in them.
        let logs: String?

        enum CodingKeys: String, CodingKey {
            case ok, seed, nodes, minutes, operations, faults, violations, logs
            case restMilliseconds = "rest_ms"
        }
    }

    private func soak() async throws {
        let names = Array((DemoStory.main + DemoStory.others).prefix(nodes))
        let cluster: DemoCluster
        let hosts = rough ? SoakGround.hosts(names) : [:]
        do { cluster = try await DemoCluster.prepare(names, hosts: hosts) } catch {
            throw CommandFailure("preparing the soak failed: \(error)")
        }
        var ground: SoakGround?
        let result: Result
        do {
            if rough, let last = names.last { ground = try await SoakGround.prepare(cluster, hosts, narrow: last) }
            result = try await play(cluster, names, ground)
        } catch {
            await ground?.end()
            await cluster.tearDown(keepingLogs: error is DemoFailure)
            guard error is DemoFailure else { throw error }
            throw CommandFailure("soak: \(error)", hint: "the agents' logs are in \(cluster.folder.logs)")
        }
        await ground?.end()
        await cluster.tearDown(keepingLogs: result.logs != nil)
        try report(result)
        guard result.ok else {
            throw CommandFailure(
                "the soak broke what was promised", hint: "the agents' logs are in \(cluster.folder.logs)")
        }
    }

    private func play(_ cluster: DemoCluster, _ names: [String], _ ground: SoakGround?) async throws -> Result {
        let diary = SoakDiary(folder: cluster.folder)
        let book = SoakBook(diary: diary)
        try await cluster.start(names[0], joining: nil)
        for name in names.dropFirst() { try await cluster.start(name, joining: names[0]) }
        let verdict = SoakVerdict(cluster: cluster, names: names, book: book)
        _ = try await verdict.rest()
        await book.whole()

        let start = ContinuousClock.now
        let end = start + .seconds(60 * minutes)
        var faults = SoakFaults(cluster: cluster, names: names, book: book, seed: seed, ground: ground)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<clients {
                // Each begins with another node and goes on to the next one when that is gone, as a person would.
                let agents = try await cluster.addresses(names, from: number)
                let agent = try AgentClient(
                    agents: agents, certificates: cluster.folder.certificates("operator"), connectTimeout: .seconds(5),
                    timeouts: ClientTimeouts(idle: DemoCluster.silenceMax))
                let client = SoakClient(number: number, clients: clients, book: book, agent: agent)
                group.addTask { [seed] in await client.run(until: end, seed: seed) }
            }
            let bar = Terminal.progressBar("soaking")
            defer { bar.finish() }
            try await faults.run(until: end) { text in
                diary.note(text)
                bar.update(text: "\(HumanUnits.duration(ContinuousClock.now - start)) of \(minutes) min: \(text)")
            }
            try await group.waitForAll()
        }
        let rest = try await verdict.rest()
        try await verdict.check()
        let violations = await book.violations
        let counts = await book.counts
        return Result(
            ok: violations.isEmpty, seed: seed, nodes: nodes, minutes: minutes, operations: counts,
            faults: Dictionary(uniqueKeysWithValues: faults.counts.map { ($0.key.rawValue, $0.value) }),
            restMilliseconds: UInt64(max(0, rest.saturatingNanoseconds)) / 1_000_000, violations: violations,
            logs: violations.isEmpty && counts.unanswered == 0 ? nil : cluster.folder.logs)
    }

    private func report(_ result: Result) throws {
        if json { return try Terminal.print(json: result) }
        let counts = result.operations
        let faults = result.faults.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        Terminal.print(
            """
            operations  \(counts.puts) puts, \(counts.deletes) deletes, \(counts.increments) conditional increments, \
            \(counts.reads) reads answered and right, \(counts.unanswered) not answered
            due         \(counts.readsDue) of the answers had to come, as one node at most was harmed; the slowest after \
            \(HumanUnits.duration(milliseconds: counts.readsDueMillisecondsMax))
            writes      \(counts.acknowledged) acknowledged, \(counts.refused) refused, \(counts.unknown) of unknown outcome
            faults      \(faults.isEmpty ? "none" : faults)
            rest        \(HumanUnits.duration(milliseconds: result.restMilliseconds)) after the last one was back
            lost        \(counts.lost)
            """)
        for violation in result.violations { Terminal.print("broken      \(violation)") }
        if result.ok, let logs = result.logs { Terminal.print("logs        \(logs)") }
    }
}
