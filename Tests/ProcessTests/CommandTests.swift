import Client
import Glibc
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    /// What scripts rely on when something is missing: exit status and stdout.
    @Suite("the command line when a node or an agent is missing")
    struct CommandTests {
        /// Only what the verb writes to stdout; remarks go to stderr.
        private func roost(
            _ cluster: TestCluster, _ agents: [String], _ arguments: String..., role: Role = .admin
        ) async throws -> TestCluster.Ran {
            try await cluster.run(
                "/bin/sh",
                ["-c", "exec \"$0\" \"$@\" 2>/dev/null", TestCluster.roost] + arguments
                    + agents.flatMap { ["--agent", $0] } + ["--certs", cluster.certificates(role.rawValue)])
        }

        @Test("leave and join are for the first agent named: while that is down, no other one leaves in its place")
        func firstAgentOnly() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("narok")
                try await cluster.start("voi", joining: ["narok"])
                try await cluster.settled(["narok", "voi"])
                let agents = [
                    "https://\(try await cluster.endpoint("narok"))", "https://\(try await cluster.endpoint("voi"))",
                ]
                try await cluster.kill("narok")
                #expect(try await roost(cluster, agents, "leave").ending == .exited(69))
                #expect(try await roost(cluster, agents, "join", "127.0.0.1:1").ending == .exited(69))
                // Reads do go on to the next one, and find it in its place.
                let status = try await roost(cluster, agents, "status", "--json", role: .reader)
                #expect(status.ending == .exited(0))
                #expect(status.output.contains("\"phase\":\"serving\""), "\(status.output)")
            }
        }

        @Test("a put with a home that is no member exits with 66, and stores nothing")
        func unknownHome() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("narok")
                let agent = "https://\(try await cluster.endpoint("narok"))"
                let put = try await roost(
                    cluster, [agent], "put", cluster.certificates("client") + "/cert.pem", "c", "--home", "nosuchnode")
                #expect(put.ending == .exited(66))
                #expect(try await cluster.client("narok").list().resources.isEmpty)
            }
        }

        @Test("a file that says that it is empty, and is not, is put whole")
        func madeUpFile() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("narok")
                let agent = "https://\(try await cluster.endpoint("narok"))"
                let put = try await roost(cluster, [agent], "put", "/proc/version", "v")
                #expect(put.ending == .exited(0))
                let (bytes, _) = try await cluster.client("narok").getBytes("v")
                #expect(String(decoding: bytes, as: UTF8.self).contains("version"))
                let empty = "\(cluster.path)/empty"
                #expect(try await roost(cluster, [agent], "put", "/dev/null", "w").ending == .exited(0))
                try #require(close(creat(empty, 0o600)) == 0)
                #expect(try await roost(cluster, [agent], "put", empty, "e").ending == .exited(0))
                #expect(try await cluster.client("narok").getBytes("e").bytes.isEmpty)
            }
        }

        @Test("ls --json and find --json print one value, or nothing at all when the first request fails")
        func listings() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("narok")
                let agent = "https://\(try await cluster.endpoint("narok"))"
                let some = try await roost(cluster, [agent], "ls", "--json", role: .reader)
                #expect(some.ending == .exited(0))
                #expect(some.output == "{\"resources\":[],\"unreachable\":[]}\n")
                try await cluster.kill("narok")
                for verb in [["ls"], ["find", "*"]] {
                    let none = try await cluster.run(
                        "/bin/sh",
                        ["-c", "exec \"$0\" \"$@\" 2>/dev/null", TestCluster.roost] + verb
                            + ["--json", "--agent", agent, "--certs", cluster.certificates("reader")])
                    #expect(none.ending == .exited(69))
                    #expect(none.output.isEmpty, "\(none.output)")
                }
            }
        }
    }
}
