import Authority
import Client
import Glibc
import Vocabulary

/// Where an agent of a cluster runs: on loopback, unless it has a network of its own.
struct DemoHost: Sendable {
    var address = "127.0.0.1"
    /// What starts a program there: the words before its own.
    var launcher: [String] = []
}

/// Real agents on this machine, each a process of this program with its own folder, certificate, port and unix socket.
actor DemoCluster {
    static let name = "savanna"
    /// Crashed nodes keep their place for this long: the least that still shows that a restart moves nothing.
    static let relocationDelay = "3s"
    /// An agent starts within a second; a loaded machine gets more.
    static let startMax = Duration.seconds(20)

    /// Longer than an agent waits for another one that is dead, so that only an agent that hangs is given up on.
    static let silenceMax = Duration.seconds(15)

    struct Node: Sendable {
        let name: String
        let endpoint: Endpoint
        let host: DemoHost
        let client: AgentClient
        var process: ChildProcess?
        /// Whether its end would be a surprise.
        var shallRun = false
    }

    nonisolated let folder: DemoFolder
    private let guardian: ProcessGuard
    private var nodes: [String: Node] = [:]

    private init(folder: DemoFolder, guardian: ProcessGuard, nodes: [String: Node]) {
        self.folder = folder
        self.guardian = guardian
        self.nodes = nodes
    }

    /// Makes the folder, a CA with a certificate for each node and for one client, and another CA whose client nobody
    /// here knows. Starts nothing.
    ///
    /// - Parameter hosts: where they run that do not run on loopback.
    static func prepare(_ names: [String], hosts: [String: DemoHost] = [:]) async throws -> DemoCluster {
        let folder = try DemoFolder.create()
        do {
            let guardian = try ProcessGuard.start(removing: folder.path)
            do {
                let nodes = try issue(names, hosts, folder)
                return DemoCluster(folder: folder, guardian: guardian, nodes: nodes)
            } catch {
                await guardian.close()
                throw error
            }
        } catch {
            folder.remove(keepingLogs: false)
            throw error
        }
    }

    private static func issue(
        _ names: [String], _ hosts: [String: DemoHost], _ folder: DemoFolder
    ) throws -> [String: Node] {
        let cluster = try ClusterName(name)
        let authority = try CertificateAuthority.create(folder: folder.authority, cluster: cluster)
        _ = try authority.issue(role: .client, name: NodeName("operator"), into: folder.certificates("operator"))
        // Asks each node what it has itself, as only nodes may; it is no member.
        _ = try authority.issue(role: .node, name: NodeName("auditor"), into: folder.certificates("auditor"))
        let other = try CertificateAuthority.create(folder: folder.otherAuthority, cluster: cluster)
        _ = try other.issue(role: .client, name: NodeName("stranger"), into: folder.certificates("stranger"))
        // The stranger trusts our nodes, so that it is for them to refuse it.
        try folder.append(folder.certificates("operator") + "/ca.pem", to: folder.certificates("stranger") + "/ca.pem")

        var nodes: [String: Node] = [:]
        var ports: Set<UInt16> = []
        for name in names {
            let host = hosts[name] ?? DemoHost()
            _ = try authority.issue(
                role: .node, name: NodeName(name), ips: [host.address], into: folder.certificates(name))
            let port = try FreePort.find(besides: ports)
            ports.insert(port)
            let endpoint = try Endpoint(host: host.address, port: port)
            try folder.make(name)
            nodes[name] = Node(
                name: name, endpoint: endpoint, host: host,
                client: try AgentClient(
                    agents: [.https(endpoint)], certificates: folder.certificates("operator"), node: name,
                    connectTimeout: .seconds(5), timeouts: ClientTimeouts(idle: Self.silenceMax)))
        }
        return nodes
    }

    // MARK: Processes

    /// Starts the agent and waits until it answers.
    ///
    /// - Parameter seed: whom it asks for the way in; `nil` for the first node.
    func start(_ name: String, joining seed: String?) async throws {
        var lines = [
            "bind: \(try node(name).endpoint)",
            "certs: \(folder.certificates(name))",
            "data_dir: \(folder.node(name))/data",
            "socket: \(socket(of: name))",
            "relocation: {delay: \(Self.relocationDelay)}",
        ]
        if let seed { lines.append("join: [\"\(try node(seed).endpoint)\"]") }
        try folder.write(lines.joined(separator: "\n") + "\n", to: "\(name)/agent.yaml")
        let launcher = try node(name).host.launcher
        let program = launcher.isEmpty ? Executable.path : Executable.pathForOthers
        let command = launcher + [program, "agent", "--config", "\(folder.node(name))/agent.yaml"]
        nodes[name]?.process = try ChildProcess.spawn(
            ChildProcess.Start(
                executable: command[0], arguments: Array(command.dropFirst()), logPath: folder.log(name),
                group: guardian.group))
        nodes[name]?.shallRun = true
        let client = try node(name).client
        try await Patience.wait(atMost: Self.startMax, for: "\(name) to answer") {
            () -> Patience.Look<Void> in
            try await self.checkRunning()
            let status = try await client.status()
            return status.node == name ? .done(()) : .notYet("\(status.node) answers there")
        }
    }

    /// SIGTERM: it shall drain, leave and exit.
    func stop(_ name: String) async throws {
        nodes[name]?.shallRun = false
        try await process(name).send(SIGTERM)
    }

    /// SIGKILL: as by a power cut.
    func kill(_ name: String) async throws {
        nodes[name]?.shallRun = false
        try await process(name).send(SIGKILL)
    }

    /// SIGSTOP: it is there and does nothing.
    func freeze(_ name: String) async throws { try await process(name).send(SIGSTOP) }
    func thaw(_ name: String) async throws { try await process(name).send(SIGCONT) }

    func end(of name: String, within limit: Duration) async throws -> ChildProcess.Ending? {
        try await process(name).end(within: limit)
    }

    /// - Throws: when an agent that shall run has ended.
    func checkRunning() async throws {
        for node in nodes.values.sorted(by: { $0.name < $1.name }) where node.shallRun {
            if let ending = await node.process?.poll() {
                throw DemoFailure(
                    "the agent of \(node.name) ended by itself (\(ending)): \(folder.lastLine(node.name))")
            }
        }
    }

    /// Ends and reaps everything, and takes the folder away.
    func tearDown(keepingLogs: Bool) async {
        for node in nodes.values { await node.process?.stop() }
        folder.remove(keepingLogs: keepingLogs)
        // Last: should this process be ended in the middle of it, the guard finishes the work.
        await guardian.close()
        // The clients are let go and not closed: each would wait for the farewell of an agent that has just been killed.
    }

    /// Runs a program of the system to its end.
    func run(_ executable: String, _ arguments: [String]) async throws {
        let log = "\(folder.logs)/commands.log"
        let child = try ChildProcess.spawn(
            ChildProcess.Start(executable: executable, arguments: arguments, logPath: log, group: guardian.group))
        guard try await child.end(within: .seconds(10)) == .exited(0) else {
            await child.stop()
            throw DemoFailure("\(executable) \(arguments.joined(separator: " ")) failed: see \(log)")
        }
    }

    /// What keeps the nodes named (and nobody else) from being members who each say that they have converged; `nil` when
    /// nothing does.
    func unrest(_ names: [String]) async throws -> String? {
        for name in names {
            let status = try await client(name).status()
            guard status.members.alive == names.count else {
                return "\(name) knows \(status.members.alive) of \(names.count) members"
            }
            guard status.converged, status.phase == .serving else {
                return
                    "\(name) is \(status.phase.rawValue), with \(status.resources.underReplicated) resources short of "
                    + "copies, \(status.resources.misplaced) misplaced, \(status.moves.queued) queued"
            }
        }
        return nil
    }

    // MARK: Whom to ask

    func node(_ name: String) throws -> Node {
        guard let node = nodes[name] else { throw DemoFailure("the story has no node \(name)") }
        return node
    }

    func client(_ name: String) throws -> AgentClient { try node(name).client }
    func endpoint(_ name: String) throws -> Endpoint { try node(name).endpoint }

    /// Those of the nodes, beginning with another one for each number.
    func addresses(_ names: [String], from number: Int) throws -> [AgentAddress] {
        try names.indices.map { .https(try endpoint(names[($0 + number) % names.count])) }
    }

    nonisolated func socket(of name: String) -> String { "\(folder.node(name))/agent.sock" }

    private func process(_ name: String) throws -> ChildProcess {
        guard let process = try node(name).process else { throw DemoFailure("\(name) has not been started") }
        return process
    }
}
