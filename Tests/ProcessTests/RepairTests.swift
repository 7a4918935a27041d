import Client
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("after a crash")
    struct RepairTests {
        private static let nodes = ["kapenguria", "lamu", "mandera", "moroto"]

        private static func moved(_ clients: [AgentClient]) async throws -> UInt64 {
            var sum: UInt64 = 0
            for client in clients { sum += try await client.status().moves.bytes }
            return sum
        }

        private struct File: Sendable {
            let name: String
            let bytes: [UInt8]

            init(number: Int) {
                name = "kept/\(number)"
                bytes = Sample.bytes(300_000 + number, seed: number)
            }
        }

        private static func check(_ files: [File], _ client: AgentClient) async throws {
            for file in files {
                let got = try await client.getBytes(file.name).bytes
                #expect(got == file.bytes, "\(file.name)")
            }
            await client.close()
        }

        /// When something had moved, in milliseconds since 1970.
        private static func firstMove(of clients: [AgentClient], after before: UInt64) async throws -> UInt64 {
            try await Patience.wait(atMost: .seconds(90), for: "the first byte to move") {
                () -> Patience.Look<UInt64> in
                let moved = try await moved(clients)
                return moved > before ? .done(SoakBook.now) : .notYet("\(moved)")
            }
        }

        /// When the first of them took the node for crashed, in milliseconds since 1970.
        private static func crash(of node: String, seenBy clients: [AgentClient]) async throws -> Int64? {
            var times: [Int64] = []
            for client in clients {
                for try await event in try await client.events(follow: false) where event.type == "crashed" {
                    if event.node == node, let time = API.Timestamp.unixMilliseconds(event.time) { times.append(time) }
                }
            }
            return times.min()
        }

        @Test("nothing moves before relocation.delay is over; then everything is on two nodes again within moments")
        func delay() async throws {
            try await TestCluster.run { cluster in
                let settings = ["relocation.delay": "4s"]
                try await cluster.start(Self.nodes[0], settings)
                for name in Self.nodes.dropFirst() { try await cluster.start(name, joining: [Self.nodes[0]], settings) }
                try await cluster.settled(Self.nodes)
                let writer = try await cluster.client(Self.nodes[0])
                let files = (0..<24).map { File(number: $0) }
                for file in files { try await cluster.put(file.name, file.bytes, through: writer) }
                try await cluster.settled(Self.nodes)
                let names = files.map(\.name)
                let places = try await cluster.placed(names, asking: Self.nodes[0])
                let victim = try #require(places[names[0]]?.owners.first { $0 != Self.nodes[0] })
                let lost = files.filter { places[$0.name]?.holders.contains(victim) == true }
                let rest = Self.nodes.filter { $0 != victim }
                var clients: [AgentClient] = []
                for node in rest { clients.append(try await cluster.client(node)) }
                let before = try await Self.moved(clients)

                try await cluster.kill(victim)
                let first = try await Self.firstMove(of: clients, after: before)
                let crashed = try #require(try await Self.crash(of: victim, seenBy: clients))
                // Whoever moves something counts the delay from when it saw the crash itself: not before the first of them.
                let waited = Int64(first) - crashed
                #expect(waited >= 4000, "something moved \(waited) ms after the crash was seen")

                // As many bytes as were on it, over loopback; the limit is for a machine with much else to do.
                _ = try await cluster.placed(names, asking: rest[0], atMost: .seconds(30))
                try await cluster.settled(rest, atMost: .seconds(30))
                let bytes = UInt64(lost.reduce(0) { $0 + $1.bytes.count })
                let moved = try await Self.moved(clients) - before
                // Each byte counts where it was sent and where it came in: what was on it moved, and nothing else.
                #expect(moved / 2 == bytes, "\(moved / 2) B moved of \(bytes) B")
                for client in clients { try await Self.check(files, client) }
                await writer.close()
            }
        }
    }
}
