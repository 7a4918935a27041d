import Simulation
import Testing

/// The proof that the laws can be seen broken: every defect is found within so many seeds, by a law that it breaks.
@Suite("Planted defects of whole agents", .timeLimit(.minutes(20)))
struct DefectTests {
    private static let schedules = Array(Set(Defect.allCases.map(\.faults)))

    @Test("a planted defect is found", arguments: Defect.allCases)
    func finds(defect: Defect) throws {
        guard let found = try defect.find() else {
            Issue.record("\(defect.rawValue) was not found in \(defect.seeds) seeds: \(defect.story)")
            return
        }
        #expect(defect.laws.contains(found.violation.law), "seed \(found.seed): \(found.violation)")
    }

    @Test("without it, the schedule in which it is found breaks no law", arguments: DefectTests.schedules)
    func holds(faults: [FaultKind]) throws {
        guard let defect = Defect.allCases.first(where: { $0.faults == faults }) else { return }
        for seed in UInt64(1)...3 {
            let violations = try ClusterExperiment.run(seed: seed, defect.honestTrial).violations
            #expect(violations.isEmpty, "seed \(seed): \(violations)")
        }
    }

    @Test("there are twenty at least")
    func table() { #expect(Defect.allCases.count >= 20) }
}
