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
            }

            let ok: Bool
            let operations: Operations
            let faults: [String: Int]
            let violations: [String]
        }

        @Test("a minute of faults loses no acknowledged write")
        func minute() async throws {
            try await TestCluster.run { cluster in
                let ran = try await cluster.run(
                    TestCluster.roost, ["soak", "--minutes", "1", "--seed", "3", "--json"], within: .seconds(400))
                let line = try #require(ran.output.split(separator: "\n").last, "\(ran)")
                let result = try JSONDecoder().decode(Result.self, from: Data(line.utf8))
                #expect(ran.ending == .exited(0) && result.ok, "\(ran)")
                #expect(result.operations.lost == 0 && result.violations.isEmpty)
                #expect(result.operations.acknowledged > 20 && result.operations.reads > 20, "\(ran.output)")
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
