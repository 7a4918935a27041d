import ArgumentParser
import Console
import Simulation

struct SabotageTable: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sabotage",
        abstract: "Plant each known mistake into the membership: the check that is there for it must find it.")

    func run() throws {
        var progress = Progress(total: SwimDefect.allCases.count, what: "planted defects", unit: "defects")
        var rows = [["defect", "what is wrong", "found by", "without it"]]
        var holding: [SwimCheck: Bool] = [:]
        var found = 0
        for defect in SwimDefect.allCases {
            let check = defect.check
            let holds = try holding[check] ?? (check.violation(with: nil) == nil)
            holding[check] = holds
            let isFound = try check.violation(with: defect) != nil
            if isFound, holds { found += 1 }
            rows.append([
                defect.rawValue, defect.story, isFound ? check.rawValue : "NOT FOUND by \(check.rawValue)",
                holds ? "holds" : "FAILS",
            ])
            progress.advance()
        }
        progress.finish()
        print(Report.aligned(rows, numbersFrom: rows[0].count))
        print("")
        print(Report.aligned(SwimCheck.allCases.map { [$0.rawValue, $0.law] }, numbersFrom: 2))
        print("\n\(found) of \(SwimDefect.allCases.count) found")
        if found < SwimDefect.allCases.count { throw ExitCode(1) }
    }
}
