import Client
import Testing

@testable import roost

extension ProcessTests {
    @Suite("peers.max: 2 in a cluster of six")
    struct PeersTests {
        /// With so few places a request may be told 503, to come again: it gets its turn.
        private static let crowdMax = Duration.seconds(180)

        @Test("eighteen larger files go in and out through all six at once, and the bound holds all the while")
        func concurrent() async throws {
            try await TestCluster.run { cluster in
                let names = ["kapenguria", "lodwar", "malindi", "nanyuki", "ukunda", "vihiga"]
                let limits = ["peers.max": "2"]
                try await cluster.start(names[0], limits)
                for name in names.dropFirst() { try await cluster.start(name, joining: [names[0]], limits) }
                try await cluster.settled(names, atMost: .seconds(120))
                let files = (0..<18).map { (name: "large/\($0)", seed: $0, size: (2 << 20) + $0) }

                let watch = Task { try await worst(cluster, names) }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (index, name) in names.enumerated() {
                        group.addTask {
                            let client = try await cluster.client(name)
                            for file in files where file.seed % names.count == index {
                                let bytes = Sample.bytes(file.size, seed: file.seed)
                                try await cluster.put(file.name, bytes, through: client, atMost: Self.crowdMax)
                            }
                            await client.close()
                        }
                    }
                    try await group.waitForAll()
                }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for name in names {
                        group.addTask {
                            let client = try await cluster.client(name)
                            for file in files {
                                let bytes = try await Patience.wait(
                                    atMost: Self.crowdMax, for: "\(file.name) through \(name)"
                                ) {
                                    .done(try await client.getBytes(file.name).bytes)
                                }
                                #expect(
                                    bytes == Sample.bytes(file.size, seed: file.seed), "\(file.name) through \(name)")
                            }
                            await client.close()
                        }
                    }
                    try await group.waitForAll()
                }
                watch.cancel()
                #expect(try await watch.value <= 2)
                _ = try await cluster.placed(files.map(\.name), asking: names[0], atMost: .seconds(180))
            }
        }

        /// The most peers that any node was connected to, looked at until cancelled.
        private func worst(_ cluster: TestCluster, _ names: [String]) async throws -> Int {
            var worst = 0
            let clients = try await names.asyncMap { try await cluster.client($0) }
            while !Task.isCancelled {
                for client in clients {
                    do { worst = max(worst, try await client.peers().connected) } catch {
                        if Task.isCancelled { break }
                        throw error
                    }
                }
            }
            for client in clients { await client.close() }
            return worst
        }
    }
}
