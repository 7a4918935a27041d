import Client
import FoundationEssentials
import Testing

@testable import roost

/// A network of their own for agents, whose loopback counts every byte between them, with all headers, and can be made slow.
/// The test itself talks over their unix sockets, which are no part of it. It lasts as long as a process in it.
struct TestNetwork {
    private let cluster: TestCluster
    private let holder: ChildProcess
    private let settings: [String: String]

    static func mayBeMade() async throws -> Bool {
        var may = false
        try await TestCluster.run { cluster in
            let look =
                "unshare --net bash -c 'ip link set lo up && tc qdisc add dev lo root tbf rate 1mbit burst 64kb latency 1ms' "
                + "&& command -v nsenter"
            may = try await cluster.run("/bin/bash", ["-c", look]).ending == .exited(0)
        }
        return may
    }

    /// - Parameters:
    ///   - settings: of each agent.
    ///   - megabits: a second that all of them together may send; `nil` for as many as there can be.
    init(_ cluster: TestCluster, _ settings: [String: String], megabits: Int? = nil) async throws {
        self.cluster = cluster
        self.settings = settings
        let slow = megabits.map { "tc qdisc add dev lo root tbf rate \($0)mbit burst 256kb latency 400ms && " } ?? ""
        holder = try await cluster.launch(
            "/usr/bin/unshare", ["--net", "bash", "-c", "ip link set lo up && \(slow)echo up && exec sleep infinity"])
        let log = holder.logPath
        try await Patience.wait(atMost: .seconds(20), for: "a network") { () -> Patience.Look<Void> in
            let text = try String(contentsOfFile: log, encoding: .utf8)
            return text.contains("up") ? .done(()) : .notYet(text)
        }
    }

    private var inside: String { "--net=/proc/\(holder.pid)/ns/net" }

    /// Its agent, which answers on its unix socket.
    func start(_ name: String, joining: [String] = []) async throws -> ChildProcess {
        let arguments = try await cluster.arguments(name, joining: joining, settings)
        let process = try await cluster.launch("/usr/bin/nsenter", [inside, TestCluster.roost] + arguments)
        let client = try client(name)
        try await Patience.wait(atMost: .seconds(60), for: "\(name) to answer") { () -> Patience.Look<Void> in
            _ = try await client.status()
            return .done(())
        }
        await client.close()
        return process
    }

    func client(_ name: String) throws -> AgentClient {
        try AgentClient(agents: [.unix(path: cluster.socket(name))], certificates: nil)
    }

    /// All bytes that were sent in it so far.
    func bytes() async throws -> Int {
        let ran = try await cluster.run("/usr/bin/nsenter", [inside, "cat", "/proc/net/dev"])
        let line = try #require(ran.output.split(separator: "\n").first { $0.contains("lo:") }, "\(ran.output)")
        let words = line.drop { $0 != ":" }.dropFirst().split(separator: " ")
        return try #require(words.first.flatMap { Int($0) })
    }

    /// Waits until each of them holds as many.
    func holdAll(_ count: Int, _ names: [String]) async throws {
        for name in names {
            let client = try client(name)
            try await Patience.wait(atMost: .seconds(90), for: "\(name) to hold all") {
                () -> Patience.Look<Void> in
                let held = try await client.status().resources.held
                return held == count ? .done(()) : .notYet("\(held)")
            }
            await client.close()
        }
        try await settled(names)
    }

    /// Waits until all of them have nothing left to do, as `TestCluster.settled` does over TLS.
    func settled(_ names: [String]) async throws {
        let clients = try names.map { ($0, try client($0)) }
        try await Patience.wait(atMost: .seconds(90), for: "\(names) to settle") { () -> Patience.Look<Void> in
            for (name, client) in clients {
                let status = try await client.status()
                guard status.members.alive == names.count, status.converged, status.phase == .serving else {
                    return .notYet("\(name): \(status.phase) \(status.members) \(status.moves)")
                }
            }
            return .done(())
        }
        for (_, client) in clients { await client.close() }
    }
}
