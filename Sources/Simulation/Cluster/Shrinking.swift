import Vocabulary

/// The shortest schedule of a seed that still fails: fewer faults, then fewer clients, then less time, as long as the same
/// law is broken first (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002).
///
/// A schedule that is drawn beforehand makes it possible: without one of its faults, the others come when they came
/// before, and mean the same. What happens in between may be different, for the clients wait for other answers.
public struct Shrinking: Sendable {
    public private(set) var plan: ClusterPlan
    public private(set) var outcome: ClusterOutcome
    /// Runs that it took.
    public private(set) var tries = 0
    private let seed: UInt64
    private let law: Int
    private let triesMax: Int

    /// - Parameters:
    ///   - outcome: of a run of the plan that broke a law. Of a classic schedule only clients and time are taken away.
    ///   - triesMax: it ends with the shortest that it has found by then.
    public init(_ outcome: ClusterOutcome, of plan: ClusterPlan, triesMax: Int = 200) throws {
        self.plan = plan
        self.outcome = outcome
        self.triesMax = triesMax
        seed = outcome.seed
        law = outcome.violations.first?.law ?? 0
        guard law != 0 else { return }
        try removeFaults()
        try removeClients()
        try removeTime()
    }

    private mutating func fails(_ candidate: ClusterPlan) throws -> Bool {
        guard tries < triesMax else { return false }
        tries += 1
        let result = try ClusterExperiment.run(seed: seed, candidate)
        guard result.violations.first?.law == law else { return false }
        plan = candidate
        outcome = result
        return true
    }

    private func plan(only numbers: [Int]) -> ClusterPlan? {
        guard case .drawn(let kinds, _) = plan.faults else { return nil }
        var candidate = plan
        candidate.faults = .drawn(kinds, only: Set(numbers))
        return candidate
    }

    /// By halves, then quarters, down to one by one, until none can be left out.
    private mutating func removeFaults() throws {
        guard let all = plan(only: outcome.made.map(\.number)), try fails(all) else { return }
        var size = max(1, outcome.made.count / 2)
        while tries < triesMax {
            var isShorter = false
            var start = 0
            while start < outcome.made.count {
                let numbers = outcome.made.map(\.number)
                let kept = Array(numbers[..<start] + numbers.dropFirst(start + size))
                if let candidate = plan(only: kept), try fails(candidate) {
                    isShorter = true
                } else {
                    start += size
                }
            }
            if size == 1, !isShorter { return }
            size = max(1, size / 2)
        }
    }

    private mutating func removeClients() throws {
        while plan.clients > 1 {
            var candidate = plan
            candidate.clients -= 1
            guard try fails(candidate) else { return }
        }
    }

    private mutating func removeTime() throws {
        while true {
            var candidate = plan
            let seconds = candidate.seconds ?? Int64(plan.minutes.upperBound) * 60
            guard seconds > 2 else { return }
            candidate.seconds = seconds / 2
            guard try fails(candidate) else { return }
        }
    }
}
