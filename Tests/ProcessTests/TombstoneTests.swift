import Client
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("Deleted names")
    struct TombstoneTests {
        private static let all = ["garissa", "lamu", "malindi"]

        /// Whether anything at all is known of the name through each of them.
        private func known(_ name: String, _ cluster: TestCluster, _ nodes: [String]) async throws -> [String] {
            var knowing: [String] = []
            for node in nodes {
                let client = try await cluster.client(node)
                do {
                    _ = try await client.history(name)
                    knowing.append(node)
                } catch ClientError.status(404, _, _, _) {}
                await client.close()
            }
            return knowing
        }

        private func awaitForgotten(_ name: String, _ cluster: TestCluster, _ nodes: [String]) async throws {
            try await Patience.wait(atMost: .seconds(60), for: "\(name) to be forgotten") { () -> Patience.Look<Void> in
                let knowing = try await known(name, cluster, nodes)
                return knowing.isEmpty ? .done(()) : .notYet("\(knowing) know of it")
            }
        }

        @Test("are forgotten when all agree; one that is away is waited for, and brings nothing back, or is forgotten")
        func forgotten() async throws {
            try await TestCluster.run { cluster in
                let settings = ["relocation.delay": "2s", "tombstone.keep": "10s"]
                try await cluster.start("garissa", settings)
                for name in Self.all.dropFirst() { try await cluster.start(name, joining: ["garissa"], settings) }
                try await cluster.settled(Self.all)
                let client = try await cluster.client("garissa")
                for name in ["early", "late"] {
                    try await cluster.put(name, Sample.bytes(900, seed: 1), through: client)
                }
                _ = try await client.delete("early")
                #expect(try await known("early", cluster, Self.all) == Self.all)
                try await awaitForgotten("early", cluster, Self.all)

                // A copy of what is deleted lies on the disk of one that is down.
                let holders = try await client.whereIs("late").holders
                let away = try #require(holders.first { $0 != "garissa" })
                let rest = Self.all.filter { $0 != away }
                try await cluster.kill(away)
                try await cluster.settled(rest)
                _ = try await client.delete("late")
                try await Patience.wait(atMost: .seconds(60), for: "somebody to wait for it") {
                    () -> Patience.Look<Void> in
                    for node in rest {
                        let asked = try await cluster.client(node)
                        let awaited = try await asked.status().deletedWaitFor
                        await asked.close()
                        if awaited == [away] { return .done(()) }
                    }
                    return .notYet("nobody does")
                }
                #expect(try await known("late", cluster, rest) == rest)
                try await cluster.start(away, joining: ["garissa"], settings)
                try await cluster.settled(Self.all)
                try await awaitForgotten("late", cluster, Self.all)
                for node in Self.all {
                    let asked = try await cluster.client(node)
                    await #expect(throws: ClientError.self) { try await asked.getBytes("late") }
                    await asked.close()
                }

                // One that never comes back is waited for until somebody says so.
                try await cluster.put("last", Sample.bytes(900, seed: 2), through: client)
                try await cluster.kill(away)
                try await cluster.settled(rest)
                _ = try await client.delete("last")
                let ran = try await cluster.run(
                    TestCluster.roost, ["forget", away, "--agent", "unix:\(cluster.socket("garissa"))"])
                #expect(ran.ending == .exited(0), "\(ran)")
                try await awaitForgotten("last", cluster, rest)
                await client.close()
            }
        }
    }
}
