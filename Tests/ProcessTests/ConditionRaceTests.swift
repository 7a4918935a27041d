import Client
import Glibc
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("many writers on one version")
    struct ConditionRaceTests {
        private static let nodes = ["garissa", "homabay", "kajiado", "kwale"]
        private static let writers = 12

        /// What one of the writers was told.
        private struct Told: Sendable {
            let number: Int
            /// Of the version that was acknowledged.
            let version: String?
            /// Nothing of it is the head, and nothing will be.
            let isRefused: Bool
            let text: String

            init(_ number: Int, _ answer: Answer) {
                self.number = number
                let result = try? answer.value(API.PutResult.self)
                version = [200, 202].contains(answer.status) ? result?.version : nil
                let code = answer.errorCode
                // Of any other 503 than these nothing was written (docs/PROTOCOL.md).
                isRefused =
                    answer.status == 412
                    || answer.status == 503 && !["outcome_unknown", "stopping"].contains(code)
                text = "\(answer.status) \(code ?? "")"
            }

            init(_ number: Int, lostBy error: any Error) {
                self.number = number
                version = nil
                isRefused = false
                text = "\(error)"
            }
        }

        private static func bytes(_ number: Int) -> [UInt8] { Array("writer \(number)".utf8) }

        /// All of them at once, each through one node and on connections of its own.
        ///
        /// - Parameter meanwhile: what is done when the first of them has been answered, and others have not.
        private static func race(
            _ cluster: TestCluster, _ name: String, on version: String,
            meanwhile: @escaping @Sendable () async throws -> Void
        ) async throws -> [Told] {
            let clients = try await (0..<writers).map { $0 }.asyncMap {
                try await cluster.client(nodes[$0 % nodes.count])
            }
            let told = try await withThrowingTaskGroup(of: Told?.self) { group in
                for (number, client) in clients.enumerated() {
                    group.addTask {
                        do {
                            return Told(
                                number,
                                try await client.ask(
                                    "PUT", "/v1/resources/\(name)", ["If-Match": "\"\(version)\""], body: bytes(number))
                            )
                        } catch { return Told(number, lostBy: error) }
                    }
                }
                var told: [Told] = []
                for try await one in group {
                    guard let one else { continue }
                    told.append(one)
                    if told.count == 1 {
                        group.addTask {
                            try await meanwhile()
                            return nil
                        }
                    }
                }
                return told
            }
            for client in clients { await client.close() }
            return told
        }

        /// One version is the head at every node, and it is the one that was acknowledged, if any was.
        private static func check(
            _ cluster: TestCluster, _ name: String, _ told: [Told], on version: String
        ) async throws {
            let story = told.map { "\($0.number): \($0.text)" }.joined(separator: "; ")
            let winners = told.filter { $0.version != nil }
            #expect(winners.count <= 1, "\(name): \(story)")
            var heads: Set<String> = []
            for node in nodes {
                let client = try await cluster.client(node)
                let (bytes, download) = try await client.getBytes(name)
                let head = try #require(try await client.history(name).versions.first)
                #expect(head.version == download.version && head.kind == .head, "\(name) at \(node)")
                heads.insert(head.version)
                let text = String(decoding: bytes, as: UTF8.self)
                if let winner = winners.first {
                    #expect(head.version == winner.version, "\(name) at \(node): \(story)")
                    #expect(bytes == Self.bytes(winner.number), "\(name) at \(node) is \(text): \(story)")
                } else if head.version != version {
                    // One whose writer will never know.
                    let writer = told.first { Self.bytes($0.number) == bytes }
                    #expect(writer?.isRefused == false, "\(name) at \(node) is \(text): \(story)")
                }
                await client.close()
            }
            #expect(heads.count == 1, "\(name): \(heads)")
        }

        private static func begin(_ cluster: TestCluster) async throws {
            try await cluster.start(nodes[0])
            for name in nodes.dropFirst() { try await cluster.start(name, joining: [nodes[0]]) }
            try await cluster.settled(nodes)
        }

        @Test("of twelve through four nodes exactly one wins, every time, while the cluster is calm")
        func calm() async throws {
            try await TestCluster.run { cluster in
                try await Self.begin(cluster)
                let client = try await cluster.client(Self.nodes[0])
                for round in 0..<12 {
                    let name = "race/\(round)"
                    let version = try await cluster.put(name, [0], through: client).result.version
                    let told = try await Self.race(cluster, name, on: version) {}
                    #expect(told.count { $0.version != nil } == 1, "\(told)")
                    #expect(told.count { $0.isRefused } == Self.writers - 1, "\(told)")
                    try await Self.check(cluster, name, told, on: version)
                }
                await client.close()
            }
        }

        @Test("at most one wins while an owner is killed among them, and what was acknowledged is the head everywhere")
        func crash() async throws {
            try await TestCluster.run { cluster in
                try await Self.begin(cluster)
                for round in 0..<4 {
                    let name = "race/\(round)"
                    let client = try await cluster.client(Self.nodes[0])
                    let version = try await cluster.put(name, [0], through: client).result.version
                    let place = try #require(try await cluster.placed([name], asking: Self.nodes[0])[name])
                    await client.close()
                    // The one that orders the writes, and the one that has the other copy, by turns; at once, and when one
                    // of the writers was answered.
                    let victim = place.owners[round % 2]
                    let told: [Told]
                    if round < 2 {
                        async let killed: Void = cluster.kill(victim)
                        told = try await Self.race(cluster, name, on: version) {}
                        try await killed
                    } else {
                        told = try await Self.race(cluster, name, on: version) { try await cluster.kill(victim) }
                    }
                    #expect(told.count == Self.writers)
                    try await Self.back(cluster, victim)
                    try await Self.check(cluster, name, told, on: version)
                }
            }
        }

        @Test(
            "the owner that has made one of them is killed before it is acknowledged: none else wins, and all are told so"
        )
        func crashBeforeTheAnswer() async throws {
            try await TestCluster.run { cluster in
                try await Self.begin(cluster)
                let writer = try await cluster.client(Self.nodes[0])
                let (name, taker, other) = try await cluster.foreignName(to: Self.nodes[0], through: writer)
                await writer.close()
                try await cluster.settled(Self.nodes)
                let onlooker = try await cluster.client(taker)
                let version = try #require(try await onlooker.history(name).versions.first?.version)

                // Its copy is waited for, and does not come.
                try await cluster.process(other).send(SIGSTOP)
                async let race = Self.race(cluster, name, on: version) {}
                try await Patience.wait(atMost: .seconds(20), for: "\(taker) to have made one") {
                    () -> Patience.Look<Void> in
                    let head = try await onlooker.history(name).versions.first?.version
                    return head == version ? .notYet("it is the old one") : .done(())
                }
                try await cluster.kill(taker)
                try await cluster.process(other).send(SIGCONT)
                let told = try await race
                #expect(told.contains { $0.version == nil && !$0.isRefused }, "\(told)")
                try await Self.back(cluster, taker)
                try await Self.check(cluster, name, told, on: version)
                await onlooker.close()
            }
        }

        private static func back(_ cluster: TestCluster, _ victim: String) async throws {
            let other = try #require(nodes.first { $0 != victim })
            try await cluster.start(victim, joining: [other])
            try await cluster.settled(nodes)
        }
    }
}
