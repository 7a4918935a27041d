import Agent
import ArgumentParser
import Client
import FoundationEssentials
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `roost doctor`: is this host well, and what is to be done if not. It looks at the files as an agent would at its start,
/// and asks the agent that runs here; each of both without the other.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check this host: configuration, certificates, disk, ports, and how its agent reaches the others.",
        discussion: "Prints one line a check, and what to do about what is not ok; changes nothing. "
            + "Exits with 1 when a check fails; a warning is no failure. Also works while the agent is down.")

    @OptionGroup var connection: ConnectionOptions
    @Option(
        help: ArgumentHelp(
            "The agent's YAML file.",
            discussion: "Default: $ROOST_CONFIG, or else /etc/roost/roost.yaml where there is one. ROOST_* variables "
                + "override it, as they do for the agent."),
        completion: .file())
    var config: String?
    @Flag(help: "Print one JSON value.")
    var json = false

    static let standardConfiguration = "/etc/roost/roost.yaml"

    func run() async throws {
        // What is wrong usage of every verb is that of this one, which would else look at another agent than the one named.
        let checkup = await Self.examine(self, addresses: try connection.addresses())
        if json {
            try Terminal.print(json: checkup)
        } else {
            for check in checkup.checks { Self.show(check) }
        }
        guard checkup.isWell else { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    private static func examine(_ command: DoctorCommand, addresses: [AgentAddress]) async -> API.Checkup {
        let (configuration, settings) = command.configuration()
        let address =
            command.connection.agent.isEmpty && Environment["ROOST_AGENT"] == nil
            ? AgentAddress.unix(path: settings.socketPath) : addresses.first ?? .standard
        // As the agent calls them: what the operator put there may be over, or of a CA that is trusted no more.
        let agent = await AgentChecks(
            address: address, certificates: HostChecks.certificatesInUse(settings), settings: settings
        ).run()
        var checks = [configuration] + HostChecks.certificates(settings) + HostChecks.disk(settings)
        checks.append(HostChecks.files(limit: agent.status?.process?.filesMax, open: agent.status?.process?.filesOpen))
        let own = agent.status.flatMap { try? Endpoint(parsing: $0.address) }?.port
        checks += HostChecks.ports(settings, isUp: agent.status != nil, own: own)
        return API.Checkup(checks: checks + agent.checks)
    }

    /// What the agent would start with; the defaults, where that can not be read.
    private func configuration() -> (API.Check, AgentSettings) {
        var environment = ProcessInfo.processInfo.environment
        var file = config ?? Environment["ROOST_CONFIG"]
        if file == nil, access(Self.standardConfiguration, F_OK) == 0 { file = Self.standardConfiguration }
        // The one variable that is both the agent's and the command line's: given here, it is who asks.
        if let certs = connection.certs { environment["ROOST_CERTS"] = certs }
        do throws(SettingsError) {
            let settings = try AgentSettings(file: file, environment: environment, flags: [])
            let text = file.map { "\($0) is valid" } ?? "there is no configuration file: the defaults count"
            return (API.Check("configuration", .ok, text), settings)
        } catch {
            var settings = AgentSettings()
            if let certs = connection.certificates { settings.certificatesFolder = certs }
            return (
                API.Check(
                    "configuration", .fail, "\(error)", remedy: "correct it; until then no agent starts (exit 78)"),
                settings
            )
        }
    }

    private static func show(_ check: API.Check) {
        let colour: Terminal.Colour =
            switch check.outcome {
            case .ok: .green
            case .warn: .yellow
            case .fail: .red
            }
        let word = check.outcome.rawValue
        let padding = String(repeating: " ", count: 4 - word.count)
        let name = check.name + String(repeating: " ", count: max(0, 13 - check.name.count))
        let text = check.text + (check.remedy.map { "; \($0)" } ?? "")
        Terminal.print(painted: "\(Terminal.paint(word, colour))\(padding)  \(name)  \(text.printable())")
    }
}
