import Client
import Glibc
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    /// The network counts all: what they compare, tell one another and greet with, too.
    @Suite("what crosses the wire when a node returns")
    struct ReturnTests {
        private static let nodes = ["narok", "nyeri", "oloitokitok"]
        private static let fileBytes = 4 << 20
        private static let fileCount = 48

        @Test(
            "less than a thousandth of what it holds, in all, before its copies were made again and after",
            .enabled("a network of its own needs root, ip and nsenter") { try await TestNetwork.mayBeMade() })
        func wire() async throws {
            try await TestCluster.run { cluster in
                let network = try await TestNetwork(cluster, ["relocation.delay": "6s"])
                _ = try await network.start(Self.nodes[0])
                _ = try await network.start(Self.nodes[1], joining: [Self.nodes[0]])
                let subject = Self.nodes[2]
                var process = try await network.start(subject, joining: [Self.nodes[0]])
                try await network.settled(Self.nodes)
                let writer = try network.client(Self.nodes[0])
                for number in 0..<Self.fileCount {
                    try await cluster.put("kept/\(number)", Sample.bytes(Self.fileBytes, seed: number), through: writer)
                }
                try await network.settled(Self.nodes)
                let onSubject = try network.client(subject)
                let held = try await onSubject.status().resources.held
                await onSubject.close()
                let allowed = held * Self.fileBytes / 1000
                #expect(held > Self.fileCount / 3)

                for isRepaired in [false, true] {
                    await process.send(SIGKILL)
                    _ = try await process.end(within: .seconds(10))
                    if isRepaired { try await network.holdAll(Self.fileCount, Array(Self.nodes.dropLast())) }
                    let before = try await network.bytes()
                    process = try await network.start(subject, joining: [Self.nodes[0]])
                    try await network.settled(Self.nodes)
                    let crossed = try await network.bytes() - before
                    #expect(
                        crossed < allowed,
                        "\(crossed) B crossed the wire as \(held) files of \(Self.fileBytes) B returned, repaired: \(isRepaired)"
                    )
                    #expect(crossed > 0)
                    let client = try network.client(subject)
                    #expect(try await client.status().resources.held == held)
                    #expect(try await client.status().moves.bytes == 0)
                    await client.close()
                }
                await writer.close()
            }
        }
    }
}
