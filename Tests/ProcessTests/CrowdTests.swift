import Client
import FoundationEssentials
import Glibc
import NIOCore
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("crowds and large files")
    struct CrowdTests {
        @Test("300 idle connections, a slow writer and a reader that does not read keep nobody from being served")
        func crowd() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("gondar")
                try await cluster.start("harar", joining: ["gondar"])
                try await cluster.settled(["gondar", "harar"])
                let writer = try await cluster.client("gondar")
                try await cluster.put("kept", [1, 2, 3], through: writer)
                try await cluster.put("large", Sample.bytes(16 << 20, seed: 1), through: writer)
                await writer.close()
                let endpoint = try await cluster.endpoint("gondar")

                // What is silent for a minute the server ends by its own bound, so all that follows is short.
                let began = ContinuousClock.now
                let silent = try (0..<200).map { _ in try RawConnection(endpoint) }
                let context = try TLSContext(credentials: Credentials(folder: cluster.certificates("client")))
                var idle: [ClientConnection] = []
                for _ in 0..<100 {
                    idle.append(
                        try await ClientConnection.connect(
                            to: .https(endpoint), tls: context, timeout: .seconds(20),
                            eventLoopGroup: MultiThreadedEventLoopGroup.singleton))
                }
                let rounds = 8
                let (parts, feed) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
                let slow = try await cluster.client("gondar")
                let slowPut = Task {
                    try await slow.send(
                        ClientRequest("PUT", "/v1/resources/slow", body: .stream(length: UInt64(rounds), parts))
                    ).status
                }
                let lazy = try await cluster.client("gondar")
                let unread = try await lazy.send(ClientRequest("GET", "/v1/resources/large"))
                #expect(unread.status == 200)

                for number in 0..<rounds {
                    feed.yield(ByteBuffer(bytes: [UInt8(number)]))
                    let client = try await cluster.client(number % 2 == 0 ? "gondar" : "harar")
                    let (bytes, _) = try await client.getBytes("kept")
                    #expect(bytes == [1, 2, 3])
                    try await cluster.put("busy/\(number)", Sample.bytes(1000, seed: number), through: client)
                    await client.close()
                }
                let stillOpen = idle.count { $0.isOpen }
                if ContinuousClock.now - began < .seconds(60) {
                    #expect(stillOpen == idle.count, "the server ended \(idle.count - stillOpen) before its time")
                }

                feed.finish()
                #expect(try await slowPut.value == 201)
                let (bytes, _) = try await cluster.client("harar").getBytes("slow")
                #expect(bytes == (0..<UInt8(rounds)).map { $0 })
                withExtendedLifetime((silent, unread)) {}
                for connection in idle { await connection.close() }
            }
        }

        @Test("256 MiB go in and out through the command line, and no agent's memory grows with them")
        func memory() async throws {
            try await TestCluster.run { cluster in
                let names = ["bahir", "dessie", "jimma"]
                try await cluster.start("bahir")
                for name in names.dropFirst() { try await cluster.start(name, joining: ["bahir"]) }
                try await cluster.settled(names)
                let source = "\(cluster.path)/source"
                _ = FileManager.default.createFile(atPath: source, contents: nil)
                let file = fopen(source, "w")
                let block = Sample.bytes(4 << 20, seed: 1)
                for number in 0..<64 {
                    fputs("part \(number)", file)
                    fwrite(block, 1, block.count, file)
                }
                fclose(file)
                func roost(_ node: String, _ arguments: String...) async throws -> TestCluster.Ran {
                    try await cluster.run(
                        TestCluster.roost,
                        arguments + [
                            "--agent", "https://\(try await cluster.endpoint(node))", "--certs",
                            cluster.certificates("client"),
                        ], within: .seconds(180))
                }
                let put = try await roost("bahir", "put", source, "huge")
                #expect(put.ending == .exited(0), "\(put.output)")
                for (index, name) in names.enumerated() {
                    let target = "\(cluster.path)/target-\(index)"
                    let get = try await roost(name, "get", "huge", "-o", target)
                    #expect(get.ending == .exited(0), "\(get.output)")
                    let same = try await cluster.run("/usr/bin/cmp", [source, target])
                    #expect(same.ending == .exited(0), "\(same.output)")
                    unlink(target)
                }
                for name in names {
                    let peak = try await cluster.peakMemory(name)
                    #expect(peak < 200 << 20, "\(name) had \(peak >> 20) MiB in use")
                }
            }
        }
    }
}
