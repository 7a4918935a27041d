import Client
import FoundationEssentials
import Testing

@testable import roost

extension ProcessTests {
    /// What is found at real agents: the judgement itself has its own tests (`SoakAuditTests`).
    @Suite("the verdict of a soak, at real agents")
    struct SoakVerdictTests {
        private static let nodes = ["rumuruti", "samburu", "taveta"]

        private static func withCluster(_ body: (DemoCluster) async throws -> Void) async throws {
            // It starts this program; that is the tests here.
            let launcher = ["/bin/bash", "-c", "exec \(TestCluster.roost) \"${@:2}\"", "bash"]
            let hosts = Dictionary(uniqueKeysWithValues: nodes.map { ($0, DemoHost(launcher: launcher)) })
            let cluster = try await DemoCluster.prepare(nodes, hosts: hosts)
            do {
                try await cluster.start(nodes[0], joining: nil)
                for name in nodes.dropFirst() { try await cluster.start(name, joining: nodes[0]) }
                try await body(cluster)
            } catch { Issue.record("\(error)") }
            await cluster.tearDown(keepingLogs: false)
        }

        /// A name whose write of this number has enough bytes for a file of its own.
        private static func largeName() throws -> String {
            try #require((0..<500).map { "large-\($0)" }.first { SoakContent.bytes($0, 1).count > 200_000 })
        }

        private static func put(_ name: String, _ client: AgentClient, _ book: SoakBook) async throws {
            let number = await book.begin(name, isDelete: false)
            let answer = try await client.put(name, bytes: SoakContent.bytes(name, number))
            await book.end(name, number, .acknowledged(version: answer.result.version))
        }

        private static func violations(_ cluster: DemoCluster, _ book: SoakBook) async throws -> [String] {
            try await SoakVerdict(cluster: cluster, names: nodes, book: book).check()
            return await book.violations
        }

        @Test("what is right passes; a write that is gone, rotten bytes and a node that is silent do not")
        func planted() async throws {
            try await Self.withCluster { cluster in
                let book = SoakBook(diary: SoakDiary(folder: cluster.folder))
                _ = try await SoakVerdict(cluster: cluster, names: Self.nodes, book: book).rest()
                let client = try await cluster.client(Self.nodes[0])
                let large = try Self.largeName()
                try await Self.put(large, client, book)
                for _ in 0..<7 { try await Self.put("often", client, book) }
                for name in ["gone", "again"] {
                    try await Self.put(name, client, book)
                    let number = await book.begin(name, isDelete: true)
                    let version = try await client.delete(name).result.version
                    await book.end(name, number, .acknowledged(version: version))
                }
                try await Self.put("again", client, book)
                for value in 1...6 {
                    let answer = try await client.put("counter", bytes: Array("\(value)".utf8))
                    await book.incremented("counter", .acknowledged(version: answer.result.version))
                }
                _ = try await SoakVerdict(cluster: cluster, names: Self.nodes, book: book).rest()
                #expect(try await Self.violations(cluster, book) == [])

                // Acknowledged, as the book has it, and nowhere.
                let number = await book.begin("again", isDelete: false)
                await book.end("again", number, .acknowledged(version: "taveta.zzz.1"))
                let lost = try await Self.violations(cluster, book)
                #expect(lost.count == 1 && lost.allSatisfy { $0.contains("taveta.zzz.1") }, "\(lost)")
                #expect(await book.counts.lost == 1)

                // A flipped bit on one owner's disk.
                let place = try await client.whereIs(large)
                let sha256 = try #require(try await client.history(large).versions.first?.sha256)
                let holder = try #require(place.holders.first)
                let file = "\(cluster.folder.node(holder))/data/blobs/\(sha256.prefix(2))/\(sha256.dropFirst(2))"
                var bytes = try Data(contentsOf: URL(filePath: file))
                bytes[100_000] ^= 1
                try FileManager.default.removeItem(atPath: file)
                try bytes.write(to: URL(filePath: file))
                let rotten = try await Self.violations(cluster, book).dropFirst(lost.count)
                #expect(rotten.contains { $0.contains(holder) && $0.contains(sha256) }, "\(rotten)")

                let before = await book.violations.count
                try await cluster.kill(Self.nodes[2])
                let silent = try await Self.violations(cluster, book).dropFirst(before)
                #expect(silent.contains { $0.contains("\(Self.nodes[2]) was asked for") }, "\(silent)")
            }
        }
    }
}
