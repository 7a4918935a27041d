import Client
import Foundation
import Testing

@testable import roost

extension ProcessTests {
    @Suite("writers who did not see each other")
    struct ConflictTests {
        private static let nodes = ["kilifi", "malindi"]

        @Test("both versions are kept, shown and given, on every node; a put that has seen them ends the conflict")
        func conflict() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kilifi")
                try await cluster.start("malindi", joining: ["kilifi"])
                try await cluster.settled(Self.nodes)
                let kilifi = try await cluster.client("kilifi")
                let malindi = try await cluster.client("malindi")
                try await cluster.put("app/doc", Sample.bytes(100, seed: 1), through: kilifi)
                try await cluster.put("app/calm", Sample.bytes(100, seed: 1), through: kilifi)
                try await cluster.settled(Self.nodes)

                // Each is up while the other is down, and takes a write of its own.
                try await cluster.kill("malindi")
                let (one, other) = (Sample.bytes(2_000, seed: 2), Sample.bytes(3_000, seed: 3))
                let first = try await cluster.put("app/doc", one, through: kilifi).result.version
                try await cluster.kill("kilifi")
                try await cluster.start("malindi")
                let second = try await cluster.put("app/doc", other, through: malindi).result.version
                try await cluster.start("kilifi", joining: ["malindi"])
                try await cluster.settled(Self.nodes)

                for (node, client) in [("kilifi", kilifi), ("malindi", malindi)] {
                    #expect(try await client.getBytes("app/doc").bytes == other, "\(node)")
                    let agent = ["--agent", "unix:\(cluster.socket(node))"]
                    let listed = try await cluster.run(TestCluster.roost, ["conflicts"] + agent)
                    #expect(listed.ending == .exited(0))
                    let lines = listed.output.split(separator: "\n").filter { $0.contains("app/") }
                    #expect(lines.count == 2, "\(listed.output)")
                    #expect(lines.first?.contains(second) == true && lines.first?.contains("head") == true)
                    #expect(lines.last?.contains(first) == true && lines.last?.contains("conflict") == true)
                    let kinds = try await client.history("app/doc").versions.map(\.kind)
                    #expect(kinds == [.head, .conflict, .earlier], "\(kinds)")
                    let got = try await cluster.run(
                        TestCluster.roost,
                        ["get", "app/doc", "--version", first, "-o", "\(cluster.path)/\(node).first"] + agent)
                    #expect(got.ending == .exited(0), "\(got.output)")
                    #expect(try Data(contentsOf: URL(filePath: "\(cluster.path)/\(node).first")) == Data(one))
                }

                try await cluster.put("app/doc", Sample.bytes(500, seed: 4), through: kilifi)
                try await cluster.settled(Self.nodes)
                for node in Self.nodes {
                    let agent = ["--agent", "unix:\(cluster.socket(node))"]
                    let listed = try await cluster.run(TestCluster.roost, ["conflicts"] + agent)
                    #expect(listed.output.contains("no conflicts"), "\(listed.output)")
                }
                let kinds = try await malindi.history("app/doc").versions.map(\.kind)
                #expect(kinds == [.head, .earlier, .earlier, .earlier], "\(kinds)")
                await kilifi.close()
                await malindi.close()
            }
        }
    }
}
