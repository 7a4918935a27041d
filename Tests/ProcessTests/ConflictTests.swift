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

        @Test("what lost to a delete is shown and given on every node; an rm or a put ends the conflict")
        func lostToDelete() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kilifi")
                try await cluster.start("malindi", joining: ["kilifi"])
                try await cluster.settled(Self.nodes)
                let kilifi = try await cluster.client("kilifi")
                let malindi = try await cluster.client("malindi")
                let names = ["app/ended", "app/over"]
                for name in names { try await cluster.put(name, Sample.bytes(100, seed: 1), through: kilifi) }
                try await cluster.settled(Self.nodes)

                // One side writes them, the other deletes them later.
                try await cluster.kill("malindi")
                var (puts, deletes, bytes): ([String: API.PutResult], [String: API.PutResult], [String: [UInt8]]) =
                    ([:], [:], [:])
                for (number, name) in names.enumerated() {
                    bytes[name] = Sample.bytes(2_000, seed: 2 + number)
                    puts[name] = try await cluster.put(name, bytes[name] ?? [], through: kilifi).result
                }
                try await cluster.kill("kilifi")
                try await cluster.start("malindi")
                for name in names { deletes[name] = try await Self.delete(name, malindi) }
                try await cluster.start("kilifi", joining: ["malindi"])
                try await cluster.settled(Self.nodes)

                for (node, client) in [("kilifi", kilifi), ("malindi", malindi)] {
                    let agent = ["--agent", "unix:\(cluster.socket(node))"]
                    let seen = try await client.list()
                    #expect(seen.resources.isEmpty && seen.next == nil, "a deleted name is no resource")
                    let listed = try await client.list(conflictsOnly: true).resources
                    #expect(listed.map(\.name) == names && listed.map(\.conflicts) == [1, 1])
                    #expect(listed.allSatisfy { $0.deleted == true })
                    let text = try await cluster.run(TestCluster.roost, ["conflicts"] + agent)
                    #expect(text.ending == .exited(0) && text.output.contains("put or rm"), "\(text.output)")
                    let json = try await cluster.run(TestCluster.roost, ["conflicts", "--json"] + agent)
                    #expect(json.output.split(separator: "\n").count == names.count, "\(json.output)")
                    for name in names {
                        let (put, delete) = (try #require(puts[name]), try #require(deletes[name]))
                        let lines = text.output.split(separator: "\n").filter { $0.hasPrefix(name) }
                        try #require(lines.count == 2, "\(text.output)")
                        #expect(lines[0].contains(delete.version) && lines[0].contains("head, deleted"))
                        #expect(lines[1].contains(put.version) && lines[1].contains("conflict  "))
                        #expect(json.output.contains(put.version) && json.output.contains(delete.version))
                        let history = try await client.history(name).versions
                        #expect(history.map(\.kind) == [.head, .conflict] && history.map(\.deleted) == [true, false])
                        let file = "\(cluster.path)/\(node).lost"
                        let got = try await cluster.run(
                            TestCluster.roost, ["get", name, "--version", put.version, "-o", file] + agent)
                        #expect(got.ending == .exited(0), "\(got.output)")
                        #expect(FileManager.default.contents(atPath: file).map(Array.init) == bytes[name])
                        try? FileManager.default.removeItem(atPath: file)
                    }
                }

                let agent = ["--agent", "unix:\(cluster.socket("kilifi"))"]
                let put = try await cluster.put(names[1], Sample.bytes(500, seed: 4), through: kilifi).result
                let removed = try await cluster.run(TestCluster.roost, ["rm", names[0]] + agent)
                #expect(removed.ending == .exited(0), "\(removed.output)")
                let again = try await cluster.run(TestCluster.roost, ["rm", names[0]] + agent)
                #expect(again.ending == .exited(ExitStatus.notFound.rawValue), "\(again.output)")
                try await cluster.settled(Self.nodes)
                for (node, client) in [("kilifi", kilifi), ("malindi", malindi)] {
                    let listed = try await cluster.run(
                        TestCluster.roost, ["conflicts", "--agent", "unix:\(cluster.socket(node))"])
                    #expect(listed.output.contains("no conflicts"), "\(listed.output)")
                    #expect(try await client.history(names[0]).versions.map(\.deleted) == [true])
                    let versions = try await client.history(names[1]).versions
                    #expect(versions.map(\.kind) == [.head, .earlier, .earlier] && versions[0].version == put.version)
                    try await Self.gone(try #require(puts[names[0]]?.sha256), from: "\(cluster.path)/\(node).data")
                }
                _ = try await Self.delete(names[1], malindi)
                for node in Self.nodes {
                    try await Self.gone(try #require(puts[names[1]]?.sha256), from: "\(cluster.path)/\(node).data")
                }
                await kilifi.close()
                await malindi.close()
            }
        }

        /// Again on a 503, as `TestCluster.put`.
        private static func delete(_ name: String, _ client: AgentClient) async throws -> API.PutResult {
            try await Patience.wait(atMost: .seconds(60), for: "\(name) to be deleted") {
                do { return .done(try await client.delete(name).result) } catch {
                    guard case ClientError.status(503, let problem, _, _) = error else { throw error }
                    return .notYet(problem.message)
                }
            }
        }

        /// Waits until a node has let go of the bytes.
        private static func gone(_ sha256: String, from folder: String) async throws {
            let path = "\(folder)/blobs/\(sha256.prefix(2))/\(sha256.dropFirst(2))"
            try await Patience.wait(atMost: .seconds(60), for: "\(path) to go") { () -> Patience.Look<Void> in
                FileManager.default.fileExists(atPath: path) ? .notYet("it is there") : .done(())
            }
        }
    }
}
