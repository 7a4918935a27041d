import Simulation
import Testing

/// The proof that the simulation can fail: every defect is found by the check that is there for it, and every check
/// holds where nothing is planted.
@Suite("Planted defects of the membership", .timeLimit(.minutes(20)))
struct SabotageTests {
    @Test("without a defect, it holds", arguments: SwimCheck.allCases)
    func holds(check: SwimCheck) throws {
        let violation = try check.violation(with: nil)
        #expect(violation == nil, "\(check.rawValue): \(check.law)")
    }

    @Test("the defect is found", arguments: SwimDefect.allCases)
    func finds(defect: SwimDefect) throws {
        let violation = try defect.check.violation(with: defect)
        #expect(violation != nil, "\(defect.story), and still it held: \(defect.check.law)")
    }

    @Test("there are twenty at least, and no check is there for nothing")
    func table() {
        #expect(SwimDefect.allCases.count >= 20)
        #expect(Set(SwimDefect.allCases.map(\.check)) == Set(SwimCheck.allCases))
    }
}
