import Client
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("The smaller side of a cut")
    struct SmallerSideTests {
        private static let few = ["kisumu", "mombasa"]
        private static let many = ["eldoret", "nakuru", "thika"]

        @Test("moves nothing, takes writes, and is made whole when the others are forgotten")
        func smallerSide() async throws {
            try await TestCluster.run { cluster in
                // Less than what may be between the first verdict and the last: with most of a cluster down, two that are left
                // doubt themselves for a while.
                let settings = ["relocation.delay": "10s"]
                let all = Self.few + Self.many
                try await cluster.start("kisumu", settings)
                for name in all.dropFirst() { try await cluster.start(name, joining: ["kisumu"], settings) }
                try await cluster.settled(all)
                let writer = try await cluster.client("kisumu")
                let names = (0..<40).map { "file-\($0)" }
                for (index, name) in names.enumerated() {
                    try await cluster.put(name, Sample.bytes(2_000, seed: index), through: writer)
                }
                let places = try await cluster.placed(names, asking: "kisumu")
                try await cluster.settled(all)
                let before = try await counts(cluster)

                for name in Self.many { try await cluster.kill(name) }
                let crashed = ContinuousClock.now
                // Nothing happens, so there is nothing to wait for but the time in which it would have.
                try await Patience.wait(atMost: .seconds(150), for: "a few delays") { () -> Patience.Look<Void> in
                    let members = try await writer.status().members
                    guard members.alive == 2 else { return .notYet("\(members)") }
                    return ContinuousClock.now - crashed > .seconds(50) ? .done(()) : .notYet("too early")
                }
                for name in Self.few {
                    let log = try cluster.logText(name)
                    #expect(log.contains("more members are missing than are here"), "\(name)")
                }
                #expect(try await counts(cluster) == before)

                // What is put meanwhile has its copies.
                try await cluster.put("late", Sample.bytes(3_000, seed: 99), through: writer)
                #expect(Set(try await writer.whereIs("late").holders) == Set(Self.few))

                for name in Self.many {
                    let agent = "unix:\(cluster.socket("kisumu"))"
                    let ran = try await cluster.run(TestCluster.roost, ["forget", name, "--agent", agent])
                    #expect(ran.ending == .exited(0), "\(ran)")
                }
                try await cluster.settled(Self.few)
                let reachable = names.filter { name in
                    places[name]?.holders.contains { Self.few.contains($0) } ?? false
                }
                #expect(reachable.count > 10, "\(reachable)")
                for (name, place) in try await cluster.placed(reachable + ["late"], asking: "mombasa") {
                    #expect(Set(place.holders) == Set(Self.few), "\(name)")
                }
                await writer.close()
            }
        }

        private struct Counts: Equatable {
            let held: Int
            let movedBytes: UInt64
        }

        private func counts(_ cluster: TestCluster) async throws -> [String: Counts] {
            var counts: [String: Counts] = [:]
            for name in Self.few {
                let client = try await cluster.client(name)
                let status = try await client.status()
                counts[name] = Counts(held: status.resources.held, movedBytes: status.moves.bytes)
                await client.close()
            }
            return counts
        }
    }
}
