import Authority
import Client
import FoundationEssentials
import Glibc
import Testing
import Vocabulary

@testable import roost

/// All tests of real processes, one after the other: they share the machine's few cores, and each measures how the
/// agents behave and not how they wait for the tests beside them. The limit is past the sum of any test's own waits,
/// which say what they waited for.
@Suite("real processes on loopback", .serialized, .timeLimit(.minutes(15)))
enum ProcessTests {}

/// Real agents of the `roost` beside the tests, each with its folder, certificate and port. However a test ends, its
/// processes are killed, reaped and their folder is gone; what the agents logged stands in the failure.
actor TestCluster {
    static let name = "savanna"

    struct Node: Sendable {
        let name: String
        let endpoint: Endpoint
        var process: ChildProcess?
    }

    nonisolated let path: String
    nonisolated let authority: CertificateAuthority
    private let guardian: ProcessGuard
    private var nodes: [String: Node] = [:]
    private var children: [ChildProcess] = []
    private var childCount = 0

    /// The program that was built beside the test bundle.
    static let roost = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "roost").path

    private init() throws {
        var template = Array("/tmp/roost-test-XXXXXX".utf8CString)
        try template.withUnsafeMutableBufferPointer { buffer in
            try #require(buffer.baseAddress.flatMap { mkdtemp($0) } != nil)
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guardian = try ProcessGuard.start(removing: path)
        authority = try CertificateAuthority.create(folder: "\(path)/ca", cluster: ClusterName(Self.name))
        try FileManager.default.createDirectory(atPath: "\(path)/certs", withIntermediateDirectories: false)
        for role in [Role.client, .reader, .admin] {
            _ = try authority.issue(
                role: role, name: NodeName("the-\(role.rawValue)"), into: "\(path)/certs/\(role.rawValue)")
        }
    }

    /// Runs the body with a cluster that has no node yet.
    static func run(_ body: (TestCluster) async throws -> Void) async throws {
        let cluster = try TestCluster()
        do {
            try await body(cluster)
        } catch {
            Issue.record("\(error)\n\(await cluster.logTails())")
        }
        await cluster.tearDown()
    }

    private func tearDown() async {
        await guardian.close()
        for child in children { await child.stop() }
        try? FileManager.default.removeItem(atPath: path)
    }

    private func logTails() -> String {
        nodes.keys.sorted().map { name in
            let text = (try? String(contentsOfFile: log(name), encoding: .utf8)) ?? ""
            let lines = text.split(separator: "\n").map(String.init)
            // Where a process crashed, its stack is what tells why, and not the registers at its end.
            let crash = lines.firstIndex { $0.contains("rogram crashed") }
            let told = crash.map { lines[$0...].prefix(100) } ?? lines.suffix(12)
            return (["--- \(name)"] + told).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    // MARK: Nodes

    nonisolated func log(_ node: String) -> String { "\(path)/\(node).log" }
    nonisolated func logText(_ node: String) throws -> String { try String(contentsOfFile: log(node), encoding: .utf8) }
    nonisolated func socket(_ node: String) -> String { "\(path)/\(node).sock" }
    nonisolated func certificates(_ of: String) -> String { "\(path)/certs/\(of)" }

    /// Reserves a port and issues a certificate; starts nothing.
    @discardableResult
    func add(_ name: String) throws -> Endpoint {
        if let node = nodes[name] { return node.endpoint }
        _ = try authority.issue(role: .node, name: NodeName(name), ips: ["127.0.0.1"], into: certificates(name))
        let port = try FreePort.find(besides: Set(nodes.values.map(\.endpoint.port)))
        let endpoint = try Endpoint(host: "127.0.0.1", port: port)
        nodes[name] = Node(name: name, endpoint: endpoint)
        return endpoint
    }

    /// What `roost agent` is started with, as flags. The probes keep their defaults: with shorter ones, agents that a
    /// busy machine stalls for half a second come to doubt themselves.
    func arguments(_ name: String, joining: [String], _ settings: [String: String]) throws -> [String] {
        let endpoint = try add(name)
        var all = [
            "bind": "\(endpoint)", "certs": certificates(name), "data_dir": "\(path)/\(name).data",
            "socket": socket(name), "relocation.delay": "1s", "log.level": "debug",
        ]
        for (key, value) in settings { all[key] = value }
        let joins = try joining.flatMap { ["--join", "\(try add($0))"] }
        return ["agent"] + all.sorted { $0.key < $1.key }.flatMap { ["--\($0.key)", $0.value] } + joins
    }

    /// Starts the agent and waits until it answers on its TLS port.
    func start(
        _ name: String, joining: [String] = [], _ settings: [String: String] = [:], environment: [String: String] = [:]
    ) async throws {
        let process = try spawn(try arguments(name, joining: joining, settings), log: log(name), environment)
        nodes[name]?.process = process
        let client = try onlooker(name)
        try await Patience.wait(atMost: .seconds(60), for: "\(name) to answer") { () -> Patience.Look<Void> in
            if let ending = await process.poll() { throw DemoFailure("\(name) ended at its start: \(ending)") }
            _ = try await client.status()
            return .done(())
        }
        await client.close()
    }

    func process(_ name: String) throws -> ChildProcess { try #require(nodes[name]?.process) }
    func endpoint(_ name: String) throws -> Endpoint { try #require(nodes[name]?.endpoint) }

    func kill(_ name: String) async throws {
        let process = try process(name)
        await process.send(SIGKILL)
        _ = try await process.end(within: .seconds(10))
    }

    /// SIGTERM, and the end that it comes to: within `leave.timeout` (60 s), the farewell and the server's own stop.
    func stop(_ name: String) async throws -> ChildProcess.Ending? {
        let process = try process(name)
        await process.send(SIGTERM)
        return try await process.end(within: .seconds(90))
    }

    /// A client of one node, or of several in turn, over TLS.
    func client(_ names: String..., role: Role = .client) throws -> AgentClient {
        try AgentClient(
            agents: try names.map { .https(try endpoint($0)) }, certificates: certificates(role.rawValue),
            connectTimeout: .seconds(20), timeouts: ClientTimeouts(idle: .seconds(60)))
    }

    /// A client that looks again and again: one look that hangs must not use up the patience for all of them.
    private func onlooker(_ name: String) throws -> AgentClient {
        try AgentClient(
            agents: [.https(try endpoint(name))], certificates: certificates(Role.client.rawValue),
            connectTimeout: .seconds(5), timeouts: ClientTimeouts(idle: .seconds(12)))
    }

    /// A put, again on a 503: that says that nothing was written because the owners are getting in step, as they do
    /// for moments around every change of the membership.
    @discardableResult
    nonisolated func put(
        _ name: String, _ bytes: [UInt8], through client: AgentClient, home: String? = nil,
        atMost limit: Duration = .seconds(60)
    ) async throws -> AgentClient.WriteAnswer {
        try await Patience.wait(atMost: limit, for: "\(name) to be taken") {
            do { return .done(try await client.put(name, bytes: bytes, options: .init(home: home))) } catch {
                guard case ClientError.status(503, let problem, _, _) = error else {
                    throw DemoFailure("putting \(name): \(error)")
                }
                return .notYet(problem.message)
            }
        }
    }

    // MARK: Other children

    private func spawn(
        _ arguments: [String], executable: String = roost, log: String, _ environment: [String: String] = [:]
    )
        throws -> ChildProcess
    {
        let child = try ChildProcess.spawn(
            ChildProcess.Start(
                executable: executable, arguments: arguments, logPath: log, group: guardian.group,
                environment: environment))
        children.append(child)
        return child
    }

    /// A program that runs on beside the test; both of its outputs are in its log.
    func launch(_ executable: String = roost, _ arguments: [String], environment: [String: String] = [:]) throws
        -> ChildProcess
    {
        childCount += 1
        return try spawn(arguments, executable: executable, log: "\(path)/run-\(childCount).log", environment)
    }

    struct Ran: Sendable {
        let ending: ChildProcess.Ending
        let output: String
    }

    /// Runs a program to its end.
    func run(
        _ executable: String = roost, _ arguments: [String], within limit: Duration = .seconds(60),
        environment: [String: String] = [:]
    ) async throws -> Ran {
        let child = try launch(executable, arguments, environment: environment)
        guard let ending = try await child.end(within: limit) else {
            await child.stop()
            throw DemoFailure("\(executable) \(arguments.joined(separator: " ")) ran longer than \(limit)")
        }
        let output = String(decoding: try Data(contentsOf: URL(filePath: child.logPath)), as: UTF8.self)
        return Ran(ending: ending, output: output)
    }

    // MARK: States

    /// Waits until exactly these nodes know each other and each says that it has nothing left to do.
    func settled(_ names: [String], atMost limit: Duration = .seconds(90)) async throws {
        let clients = try names.map { ($0, try onlooker($0)) }
        try await Patience.wait(atMost: limit, for: "\(names) to settle") { () -> Patience.Look<Void> in
            for (name, client) in clients {
                let status = try await client.status()
                guard status.members.alive == names.count, status.converged, status.phase == .serving else {
                    return .notYet(
                        "\(name): \(status.phase) \(status.members) \(status.resources) \(status.moves)")
                }
            }
            return .done(())
        }
        for (_, client) in clients { await client.close() }
    }

    /// Waits until the head is held by exactly its owners, `count` of them.
    func placed(
        _ resources: [String], asking name: String, count: Int = 2, atMost limit: Duration = .seconds(90)
    ) async throws -> [String: API.Where] {
        let client = try onlooker(name)
        return try await Patience.wait(atMost: limit, for: "each resource to be on \(count) owners") {
            var found: [String: API.Where] = [:]
            for resource in resources {
                let place = try await client.whereIs(resource)
                guard place.holders.count == count, Set(place.holders) == Set(place.owners) else {
                    return .notYet("\(resource) is on \(place.holders), not on \(place.owners)")
                }
                found[resource] = place
            }
            return .done(found)
        }
    }

    /// A name that the client's node has no part in, with two others as its owners.
    ///
    /// - Returns: the name; the owner that takes its puts; the other one.
    func foreignName(to node: String, through client: AgentClient) async throws -> (
        name: String, taker: String, other: String
    ) {
        let candidates = (0..<16).map { "file-\($0)" }
        for candidate in candidates { try await put(candidate, [1], through: client) }
        let places = try await placed(candidates, asking: node)
        let name = try #require(candidates.first { places[$0]?.owners.contains(node) == false })
        let taker = try #require(try await put(name, [2], through: client).node)
        let owners = try #require(places[name]?.owners)
        try #require(owners.contains(taker))
        return (name, taker, try #require(owners.first { $0 != taker }))
    }

    /// The most memory that it ever had in use, from /proc.
    func peakMemory(_ name: String) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(process(name).pid)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(Int(line.split(separator: " ")[1])) * 1024
    }
}

/// Bytes that differ from place to place and from seed to seed, made fast also without optimisation.
enum Sample {
    static func bytes(_ count: Int, seed: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 4096)
        let block = (0..<61).map { "\(seed) jambo \($0 &* 7919 &+ seed)\n" }.joined()
        var number = 0
        while bytes.count < count {
            bytes.append(contentsOf: "[\(number)]\(block)".utf8)
            number += 1
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}
