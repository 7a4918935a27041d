import ArgumentParser
import Console
import Simulation

struct SabotageTable: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sabotage",
        abstract: "Plant each known mistake: the check that is there for it must find it.",
        discussion: """
            Into the membership, and into whole agents: there each must be found within so many seeds of `run`, by a law \
            that it breaks.
            """)

    @Option(name: .long, help: "Only one of the tables: membership or cluster.")
    var only: Part?

    enum Part: String, ExpressibleByArgument, CaseIterable { case membership, cluster }

    func run() throws {
        var isComplete = true
        if only != .cluster { isComplete = try showMembership() && isComplete }
        if only == nil { print("") }
        if only != .membership { isComplete = try showCluster() && isComplete }
        if !isComplete { throw ExitCode(1) }
    }

    private func showCluster() throws -> Bool {
        var progress = Progress(total: Defect.allCases.count, what: "planted defects of agents", unit: "defects")
        var rows = [["defect", "what is wrong", "seed", "of", "first seen"]]
        var count = 0
        for defect in Defect.allCases {
            let found = try defect.find()
            let isRight = found.map { defect.laws.contains($0.violation.law) } ?? false
            if isRight { count += 1 }
            let what = found.map { (isRight ? "" : "NOT OF ITS LAWS: ") + "law \($0.violation.law)" } ?? "NOT FOUND"
            rows.append([defect.rawValue, defect.story, found.map { "\($0.seed)" } ?? "-", "\(defect.seeds)", what])
            progress.advance()
        }
        progress.finish()
        print(Report.aligned(rows, numbersFrom: rows[0].count))
        print("\n\(count) of \(Defect.allCases.count) found")
        return count == Defect.allCases.count
    }

    private func showMembership() throws -> Bool {
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
        return found == SwimDefect.allCases.count
    }
}
