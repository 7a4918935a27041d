import Testing

@testable import roost

extension ProcessTests {
    @Suite("roost-sim")
    struct SimulatorTests {
        private static let program = TestCluster.roost + "-sim"

        /// Each process has its own order of dictionaries and sets (`Hasher`): what hung on it would differ here, and not between
        /// two runs in one process.
        @Test("two processes make the same trace of a seed, forgetting included, byte for byte")
        func sameTrace() async throws {
            try await TestCluster.run { cluster in
                for options in [
                    ["--faults", "all"], ["--faults", "none", "--minutes", "4", "--tombstone-keep", "20"],
                ] {
                    let arguments = ["run", "--seed", "11", "--seeds", "2", "--json"] + options
                    var lines: [[Substring]] = []
                    for _ in 0..<2 {
                        let ran = try await cluster.run(Self.program, arguments, within: .seconds(300))
                        #expect(ran.ending == .exited(0), "\(ran)")
                        lines.append(ran.output.split(separator: "\n").filter { $0.contains("\"trace\"") })
                    }
                    #expect(lines[0].count == 2 && lines[0] == lines[1])
                }
            }
        }
    }
}
