import ArgumentParser
import Client
import Vocabulary

struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Restart the agent asked, announced to the others: nothing is handed over or moved.",
        discussion: """
            For an upgrade, or a configuration that only a start takes up. The others wait for it for a minute, and then \
            for relocation.delay, before they copy what it holds. Under systemd the agent ends with the exit status \
            \(ExitStatus.restart.rawValue), on which roost.service starts it again; started by anything else, it puts a \
            new start of its program in its own place, with the same process id, arguments and environment.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Flag(inversion: .prefixedNo, help: "Wait until it serves again.")
    var wait = true
    @Option(help: "Seconds to wait for that at most.")
    var timeout = 120
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws {
        if !(1...86_400).contains(timeout) { throw ValidationError("--timeout must be from 1 to 86400.") }
    }

    func run() async throws {
        try await connection.run(firstOnly: true) { client in
            let began = ContinuousClock.now
            let begun = try await client.restart()
            let starter = begun.by == .supervisor ? "its supervisor starts it again" : "it starts itself again"
            guard wait else {
                if json { return try Terminal.print(json: Report(begun, nil, nil)) }
                return Terminal.print("\(begun.node) restarts: \(starter)")
            }
            let bar = Terminal.progressBar("restarting")
            defer { bar.finish() }
            bar.update(text: "\(begun.node) restarts: \(starter)")
            let status = try await back(begun, starter, bar)
            let took = ContinuousClock.now - began
            bar.finish()
            if json {
                try Terminal.print(json: Report(begun, status, took))
            } else {
                Terminal.print(
                    "\(begun.node) is back and \(status.phase.rawValue) after \(HumanUnits.duration(took))"
                        + " (roost \(status.version))")
            }
        }
    }

    /// How often the agent is asked; while it is away that fails at once.
    private static let pollInterval = Duration.milliseconds(50)

    /// Asks until an agent of a later start serves, on a client of its own: the first one's connection ends with the agent.
    private func back(
        _ begun: API.RestartResult, _ starter: String, _ bar: ProgressBar
    ) async throws -> API.Status {
        let client = try connection.clientOfFirst()
        let end = ContinuousClock.now + .seconds(timeout)
        var seen = "it does not answer"
        while ContinuousClock.now < end {
            do {
                let status = try await client.status()
                if status.node != begun.node {
                    throw CommandFailure("\(status.node) answers there instead of \(begun.node)")
                } else if let epoch = status.epoch, epoch <= begun.epoch {
                    seen = "it has not ended yet"
                } else if status.phase == .serving {
                    await client.close()
                    return status
                } else {
                    seen = "it is back, and \(status.phase.rawValue)"
                }
            } catch let error as ClientError {
                seen = "it does not answer (\(error))"
            }
            bar.update(text: "\(begun.node): \(seen)")
            try await Task.sleep(for: Self.pollInterval)
        }
        await client.close()
        throw CommandFailure(
            "\(begun.node) does not serve again after \(timeout) s: \(seen)",
            hint: begun.by == .supervisor
                ? "\(starter): its log says more (journalctl -u roost)" : "its log says more; start it again")
    }

    private struct Report: Encodable {
        let node: String
        let by: API.RestartResult.Starter
        let told: Int
        let phase: API.Phase?
        let version: String?
        let durationMilliseconds: UInt64?

        init(_ begun: API.RestartResult, _ status: API.Status?, _ took: Duration?) {
            node = begun.node
            by = begun.by
            told = begun.told
            phase = status?.phase
            version = status?.version
            durationMilliseconds = took.map { UInt64(clamping: max(0, $0.saturatingNanoseconds) / 1_000_000) }
        }

        enum CodingKeys: String, CodingKey {
            case node, by, told, phase, version
            case durationMilliseconds = "duration_ms"
        }
    }
}
