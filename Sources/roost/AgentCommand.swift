import Agent
import ArgumentParser
import Client
import FoundationEssentials

/// `roost agent`: runs the agent in the foreground, as systemd starts it. Every key of the configuration is a flag;
/// `Setting.all` holds their help, and AgentTests compare the two lists.
struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Run the agent in the foreground.",
        discussion: """
            Flags override ROOST_* variables (peers.max is ROOST_PEERS_MAX), which override the YAML file.
            """)

    @Option(name: .long, help: "The YAML file; ROOST_CONFIG names it, too.")
    var config: String?

    @Flag(help: "Check the configuration and the certificates as a start does, and end: with 0, or 78 and why.")
    var check = false

    @Option(name: .customLong("name"), help: .setting("name")) var name: String?
    @Option(name: .customLong("cluster"), help: .setting("cluster")) var cluster: String?
    @Option(name: .customLong("bind"), help: .setting("bind")) var bind: String?
    @Option(name: .customLong("advertise"), help: .setting("advertise")) var advertise: String?
    @Option(name: .customLong("join"), parsing: .singleValue, help: .setting("join")) var join: [String] = []
    @Option(name: .customLong("data_dir"), help: .setting("data_dir")) var dataFolder: String?
    @Option(name: .customLong("certs"), help: .setting("certs")) var certificatesFolder: String?
    @Option(name: .customLong("socket"), help: .setting("socket")) var socket: String?
    @Option(name: .customLong("zone"), help: .setting("zone")) var zone: String?
    @Option(name: .customLong("weight"), help: .setting("weight")) var weight: String?
    // `--tag role=edge`, too, as one says it.
    @Option(name: [.customLong("tags"), .long], parsing: .singleValue, help: .setting("tags")) var tag: [String] = []
    @Option(name: .customLong("ca"), help: .setting("ca")) var authorityFolder: String?
    @Option(name: .customLong("replicas"), help: .setting("replicas")) var replicas: String?
    @Option(name: .customLong("peers.max"), help: .setting("peers.max")) var peersMax: String?
    @Option(name: .customLong("swim.probe_interval"), help: .setting("swim.probe_interval"))
    var probeInterval: String?
    @Option(name: .customLong("swim.probe_timeout"), help: .setting("swim.probe_timeout"))
    var probeTimeout: String?
    @Option(name: .customLong("swim.suspicion_multiplier"), help: .setting("swim.suspicion_multiplier"))
    var suspicionMultiplier: String?
    @Option(name: .customLong("swim.push_pull_interval"), help: .setting("swim.push_pull_interval"))
    var pushPullInterval: String?
    @Option(name: .customLong("relocation.delay"), help: .setting("relocation.delay")) var relocationDelay: String?
    @Option(name: .customLong("relocation.delay_max"), help: .setting("relocation.delay_max"))
    var relocationDelayMax: String?
    @Option(name: .customLong("relocation.streams"), help: .setting("relocation.streams"))
    var relocationStreams: String?
    @Option(name: .customLong("tombstone.keep"), help: .setting("tombstone.keep")) var tombstoneKeep: String?
    @Option(name: .customLong("leave.on_stop"), help: .setting("leave.on_stop")) var leaveOnStop: String?
    @Option(name: .customLong("leave.timeout"), help: .setting("leave.timeout")) var leaveTimeout: String?
    @Option(name: .customLong("scrub.rate"), help: .setting("scrub.rate")) var scrubRate: String?
    @Option(name: .customLong("scrub.interval"), help: .setting("scrub.interval")) var scrubInterval: String?
    @Option(name: .customLong("keys.wait"), help: .setting("keys.wait")) var keysWait: String?
    @Option(name: .customLong("keys.overlap"), help: .setting("keys.overlap")) var keysOverlap: String?
    @Option(name: .customLong("http.bind"), help: .setting("http.bind")) var httpBind: String?
    @Option(name: .customLong("log.level"), help: .setting("log.level")) var logLevel: String?
    @Option(name: .customLong("log.format"), help: .setting("log.format")) var logFormat: String?
    @Option(name: .customLong("limits.body"), help: .setting("limits.body")) var bodyMax: String?

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let file = config ?? environment["ROOST_CONFIG"]
        let flags = flags
        let settings: AgentSettings
        do throws(SettingsError) {
            settings = try AgentSettings(file: file, environment: environment, flags: flags)
        } catch {
            StandardError.write("roost: \(error)\n")
            throw ExitCode(error.exitCode)
        }
        let ending: AgentEnding
        do {
            if check {
                let (name, cluster) = try AgentService.check(settings)
                return Terminal.print("\(name) of \(cluster) can start with this configuration")
            }
            ending = try await AgentService.run(
                settings: settings, version: Roost.version, refusalToStart: Executable.refusalToStart
            ) {
                try AgentSettings(file: file, environment: environment, flags: flags)
            }
        } catch let error as StartError {
            switch error {
            case .configuration(let message, let hint):
                throw CommandFailure(message, hint: hint, status: .badConfiguration)
            case .failed(let message, let hint): throw CommandFailure(message, hint: hint)
            }
        }
        switch ending {
        case .stopped: break
        case .restart(by: .supervisor): throw ExitCode(ExitStatus.restart.rawValue)
        case .restart(by: .itself): throw Executable.startAgain()
        }
    }

    /// What was given, by key.
    private var flags: [(key: String, value: String)] {
        let single: [(String, String?)] = [
            ("name", name), ("cluster", cluster), ("bind", bind), ("advertise", advertise),
            ("data_dir", dataFolder), ("certs", certificatesFolder), ("socket", socket), ("zone", zone),
            ("weight", weight), ("ca", authorityFolder), ("replicas", replicas), ("peers.max", peersMax),
            ("swim.probe_interval", probeInterval), ("swim.probe_timeout", probeTimeout),
            ("swim.suspicion_multiplier", suspicionMultiplier), ("swim.push_pull_interval", pushPullInterval),
            ("relocation.delay", relocationDelay), ("relocation.delay_max", relocationDelayMax),
            ("relocation.streams", relocationStreams), ("tombstone.keep", tombstoneKeep),
            ("leave.on_stop", leaveOnStop), ("leave.timeout", leaveTimeout), ("scrub.rate", scrubRate),
            ("scrub.interval", scrubInterval), ("keys.wait", keysWait), ("keys.overlap", keysOverlap),
            ("http.bind", httpBind),
            ("log.level", logLevel), ("log.format", logFormat), ("limits.body", bodyMax),
        ]
        return join.map { ("join", $0) } + tag.map { ("tags", $0) }
            + single.compactMap { key, value in value.map { (key, $0) } }
    }
}

extension ArgumentHelp {
    /// From the one table of settings, so that the help can not drift from what is accepted.
    static func setting(_ key: String) -> ArgumentHelp {
        ArgumentHelp(Setting.help(for: key), valueName: "value")
    }
}
