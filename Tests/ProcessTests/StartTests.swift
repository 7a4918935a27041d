import Authority
import Client
import FoundationEssentials
import Glibc
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("agents that can not start, and those that wait")
    struct StartTests {
        /// Starts an agent that shall refuse to run.
        private func refused(
            _ cluster: TestCluster, _ arguments: [String], _ status: Int32, _ parts: [String],
            _ location: SourceLocation = #_sourceLocation
        ) async throws {
            let ran = try await cluster.run(TestCluster.roost, arguments, within: .seconds(60))
            #expect(ran.ending == .exited(status), "\(ran.output)", sourceLocation: location)
            for part in parts {
                #expect(ran.output.contains(part), "\(ran.output)", sourceLocation: location)
            }
        }

        @Test("unknown keys and bad values: exit 78 with the key, the value and what is allowed")
        func configuration() async throws {
            try await TestCluster.run { cluster in
                try await cluster.add("moshi")
                func file(_ text: String) throws -> [String] {
                    let path = "\(cluster.path)/agent.yaml"
                    try text.write(toFile: path, atomically: true, encoding: .utf8)
                    return ["agent", "--config", path]
                }
                try await refused(
                    cluster, file("relocation: {dealy: 3s}\n"), 78, ["relocation.dealy", "relocation.delay"])
                try await refused(cluster, file("replicas: many\n"), 78, ["replicas", "many", "allowed"])
                try await refused(cluster, file("bind: [1, 2\n"), 78, ["agent.yaml"])
                try await refused(cluster, ["agent", "--config", "\(cluster.path)/none.yaml"], 78, ["none.yaml"])
                try await refused(
                    cluster, cluster.arguments("moshi", joining: [], ["certs": "\(cluster.path)/nowhere"]), 78,
                    ["nowhere"])
                try await refused(
                    cluster, cluster.arguments("moshi", joining: [], ["certs": cluster.certificates("client")]), 78,
                    ["not for a node"])
                let yesterday = Int64(Date().timeIntervalSince1970) - 86_400
                _ = try cluster.authority.issue(
                    role: .node, name: NodeName("late"), validity: .seconds(3600), now: yesterday,
                    into: "\(cluster.path)/late")
                try await refused(
                    cluster, cluster.arguments("moshi", joining: [], ["certs": "\(cluster.path)/late"]), 78, ["expired"]
                )
                #expect(access("\(cluster.path)/moshi.data", F_OK) != 0, "a refused start left a data folder")
            }
        }

        @Test("a busy port, and a data folder that is in use, another node's or another user's, are named")
        func inTheWay() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("moshi")
                try await cluster.put("kept", [1, 2, 3], through: cluster.client("moshi"))
                let port = try await cluster.endpoint("moshi")
                try await refused(
                    cluster, cluster.arguments("tanga", joining: [], ["bind": "\(port)"]), 1, ["\(port.port)"])
                try await refused(
                    cluster, cluster.arguments("tanga", joining: [], ["bind": "192.0.2.1:7667"]), 78,
                    ["192.0.2.1", "bind"])
                try await refused(
                    cluster, cluster.arguments("tanga", joining: [], ["socket": "\(cluster.path)"]), 78,
                    [cluster.path, "socket"])
                // No second try would make it a folder, so systemd shall not make one.
                let inFile = "\(cluster.certificates("moshi"))/cert.pem/data"
                try await refused(cluster, cluster.arguments("tanga", joining: [], ["data_dir": inFile]), 78, [inFile])
                let data = "\(cluster.path)/moshi.data"
                let elsewhere = try FreePort.find(besides: [port.port])
                try await refused(
                    cluster,
                    cluster.arguments(
                        "moshi", joining: [],
                        ["bind": "127.0.0.1:\(elsewhere)", "socket": "\(cluster.path)/second.sock"]), 1, [data])
                let client = try await cluster.client("moshi")
                #expect(try await client.getBytes("kept").bytes == [1, 2, 3])
                await client.close()
                #expect(try await cluster.stop("moshi") == .exited(0))

                try await refused(
                    cluster, cluster.arguments("tanga", joining: [], ["data_dir": data]), 78, ["moshi", data])
                if getuid() == 0 {
                    #expect(chown(data, 12_345, 12_345) == 0)
                    try await refused(cluster, cluster.arguments("moshi", joining: [], [:]), 78, [data, "12345"])
                    #expect(chown(data, 0, 0) == 0)
                }
                try await cluster.start("moshi")
                #expect(try await cluster.client("moshi").getBytes("kept").bytes == [1, 2, 3])
            }
        }

        @Test("a node with nothing of its own runs, and denies nothing, until somebody answers whom it is to join")
        func blank() async throws {
            try await TestCluster.run { cluster in
                let systemd = try #require(NotifySocket("\(cluster.path)/notify"))
                try await cluster.start(
                    "tanga", joining: ["moshi"], environment: ["NOTIFY_SOCKET": "\(cluster.path)/notify"])
                try await Patience.wait(atMost: .seconds(60), for: "tanga to be up") { () -> Patience.Look<Void> in
                    systemd.messages().contains { $0.contains("READY=1") } ? .done(()) : .notYet("not ready")
                }
                let client = try await cluster.client("tanga")
                #expect(try await client.status().phase == .joining)
                let asked = try await cluster.run(
                    TestCluster.roost,
                    ["get", "anything", "--agent", "unix:\(cluster.socket("tanga"))", "--timeout", "2"])
                #expect(asked.ending != .exited(0) && !asked.output.contains("there is no"), "\(asked.output)")
                try await cluster.start("moshi")
                try await cluster.put("kept", [1], through: cluster.client("moshi"))
                try await cluster.settled(["moshi", "tanga"])
                #expect(try await client.getBytes("kept").bytes == [1])
                await client.close()
                // What it has it serves alone, whoever else is there or not.
                try await cluster.kill("moshi")
                try await cluster.kill("tanga")
                try await cluster.start("tanga", joining: ["moshi"])
                try await cluster.settled(["tanga"])
                #expect(try await cluster.client("tanga").getBytes("kept").bytes == [1])
            }
        }
    }
}
