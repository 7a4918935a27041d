import Client
import Glibc
import Testing

@testable import roost

extension ProcessTests {
    @Suite("fewer copies than wanted")
    struct CopiesTests {
        @Test("alone, one copy is all that can be wanted: 201, and --strict is content")
        func alone() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kericho")
                let answer = try await cluster.client("kericho").ask("PUT", "/v1/resources/a", body: [1])
                #expect(answer.status == 201)
                #expect(try answer.value(API.PutResult.self).copies == ["kericho"])
                #expect(try await put(cluster, "b", "--strict").ending == .exited(0))
            }
        }

        private func put(_ cluster: TestCluster, _ name: String, _ flags: String...) async throws -> TestCluster.Ran {
            try await cluster.run(
                TestCluster.roost,
                [
                    "put", cluster.certificates("client") + "/cert.pem", name, "--agent",
                    "https://\(try await cluster.endpoint("kericho"))", "--certs", cluster.certificates("client"),
                ] + flags)
        }

        @Test("with the other owner silent: 202 and who has it, --strict 75, and a second SIGTERM ends a stuck leave")
        func silentOwner() async throws {
            try await TestCluster.run { cluster in
                // The silent one keeps its place for as long as the test takes, and a leave would wait for it.
                let settings = ["relocation.delay": "1h", "leave.timeout": "1h"]
                try await cluster.start("kericho", settings)
                try await cluster.start("lokori", joining: ["kericho"], settings)
                try await cluster.settled(["kericho", "lokori"])
                let silent = try await cluster.process("lokori")
                await silent.send(SIGSTOP)

                let client = try await cluster.client("kericho")
                let answer = try await client.ask("PUT", "/v1/resources/short", body: [1, 2, 3])
                #expect(answer.status == 202)
                #expect(try answer.value(API.PutResult.self).copies == ["kericho"])
                let lax = try await put(cluster, "lax")
                #expect(lax.ending == .exited(0) && lax.output.contains("warning: lax: only 1"), "\(lax.output)")
                let strict = try await put(cluster, "strict", "--strict")
                #expect(strict.ending == .exited(75), "\(strict.output)")
                #expect(try await client.getBytes("short").bytes == [1, 2, 3])
                await client.close()

                let stuck = try await cluster.process("kericho")
                await stuck.send(SIGTERM)
                try await Patience.wait(atMost: .seconds(60), for: "kericho to drain") { () -> Patience.Look<Void> in
                    try cluster.logText("kericho").contains("draining") ? .done(()) : .notYet("not yet")
                }
                #expect(await stuck.poll() == nil, "it waits for the silent one")
                await stuck.send(SIGTERM)
                #expect(try await stuck.end(within: .seconds(60)) == .exited(0))

                // Nothing is lost by it, and the copies that were owed are made.
                await silent.send(SIGCONT)
                try await cluster.start("kericho", joining: ["lokori"], settings)
                try await cluster.settled(["kericho", "lokori"])
                _ = try await cluster.placed(["lax", "short", "strict"], asking: "lokori")
                #expect(try await cluster.client("lokori").getBytes("short").bytes == [1, 2, 3])
            }
        }
    }
}
