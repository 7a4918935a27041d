import FoundationEssentials
import Testing

@testable import roost

extension ProcessTests {
    @Suite("a soak")
    struct SoakTests {
        private struct Result: Decodable {
            struct Operations: Decodable {
                let acknowledged: Int
                let reads: Int
                let lost: Int
                let readsDue: Int

                enum CodingKeys: String, CodingKey {
                    case acknowledged, reads, lost
                    case readsDue = "reads_due"
                }
            }

            let ok: Bool
            let operations: Operations
            let faults: [String: Int]
            let violations: [String]
        }

        @Test("a minute of faults loses no acknowledged write")
        func minute() async throws {
            try await check(TestCluster.roost, ["soak", "--minutes", "1", "--seed", "3", "--json"])
        }

        /// Mounts and a network of its own.
        private static let ground = ["--mount", "--net"]

        private static func hasGround() async throws -> Bool {
            var found = false
            try await TestCluster.run { cluster in
                let look = "unshare \(ground.joined(separator: " ")) bash -c 'ip link set lo up && nft list tables'"
                found = try await cluster.run("/bin/bash", ["-c", look]).ending == .exited(0)
            }
            return found
        }

        @Test(
            "nor does one with lost packets, cuts and full disks",
            .enabled("a network of its own needs root, ip and nft") { try await hasGround() })
        func rough() async throws {
            let inside = "ip link set lo up && exec \"$@\""
            let soak = [TestCluster.roost, "soak", "--rough", "--minutes", "1", "--seed", "5", "--json"]
            try await check("/usr/bin/unshare", Self.ground + ["bash", "-c", inside, "soak"] + soak)
        }

        private func check(_ program: String, _ arguments: [String]) async throws {
            try await TestCluster.run { cluster in
                let ran = try await cluster.run(program, arguments, within: .seconds(400))
                let line = try #require(ran.output.split(separator: "\n").last, "\(ran)")
                let result = try JSONDecoder().decode(Result.self, from: Data(line.utf8))
                #expect(ran.ending == .exited(0) && result.ok, "\(ran)")
                #expect(result.operations.lost == 0 && result.violations.isEmpty)
                #expect(result.operations.acknowledged > 20 && result.operations.reads > 20, "\(ran.output)")
                #expect(result.operations.readsDue > 0, "no read had to be answered: \(ran.output)")
                #expect(!result.faults.isEmpty)
            }
        }

        @Test("what would harm the machine's own loopback is refused")
        func ground() async throws {
            try await TestCluster.run { cluster in
                let ran = try await cluster.run(TestCluster.roost, ["soak", "--rough", "--minutes", "1"])
                #expect(ran.ending == .exited(1), "\(ran)")
                #expect(ran.output.contains("would harm the whole machine"), "\(ran.output)")
            }
        }
    }
}
