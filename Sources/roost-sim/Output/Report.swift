import Simulation
import Vocabulary

/// The runs of one experiment as a table for people, or one JSON value a run.
enum Report {
    /// A figure a row; over the runs its median, its 99th percentile and its greatest.
    static func table(_ runs: [SwimRun], _ title: String) -> String {
        var rows = [[title, "median", "p99", "max"]]
        for (index, figure) in (runs.first?.figures ?? []).enumerated() {
            let values = runs.map { $0.figures[index].value }
            let known = values.compactMap { $0 }.sorted()
            let never = values.count - known.count
            rows.append(
                [figure.measure.title + (never > 0 ? " (\(never) of \(values.count) never)" : "")]
                    + [0.5, 0.99, 1].map { part in
                        percentile(known, part).map { fixed($0, figure.measure.digits) } ?? "-"
                    })
        }
        return aligned(rows) + "\n" + traces(runs)
    }

    /// A figure a row, the same three columns for each arm of a comparison.
    static func comparison(_ arms: [(name: String, runs: [SwimRun])], _ title: String) -> String {
        var rows = [[title] + arms.flatMap { ["\($0.name): median", "p99", "max"] }]
        for (index, figure) in (arms.first?.runs.first?.figures ?? []).enumerated() {
            var row = [figure.measure.title]
            for arm in arms {
                let known = arm.runs.compactMap { $0.figures[index].value }.sorted()
                let never = known.count < arm.runs.count ? " (\(arm.runs.count - known.count) never)" : ""
                row += [0.5, 0.99, 1].map { part in
                    percentile(known, part).map { fixed($0, figure.measure.digits) } ?? "-"
                }
                row[row.count - 1] += never
            }
            rows.append(row)
        }
        return aligned(rows) + "\n" + arms.map { "\($0.name): \(traces($0.runs))" }.joined(separator: "\n")
    }

    static func title(_ experiment: String, _ facts: [Fact], _ runs: [SwimRun]) -> String {
        "\(experiment): \(facts.sentence), \(seeds(runs))"
    }

    /// Where the runs came from.
    static func seeds(_ runs: some BidirectionalCollection<SwimRun>) -> String {
        guard let first = runs.first?.seed, let last = runs.last?.seed else { return "no seed" }
        return first == last ? "seed \(first)" : "seeds \(first)-\(last)"
    }

    /// One word for all that happened: the same seeds give the same one.
    static func traces(_ runs: [SwimRun]) -> String {
        let hash = runs.reduce(UInt64(0)) { ($0 &* 31) ^ $1.traceHash }
        return "traces \(Hexadecimal.text(word: hash)), \(runs.reduce(0) { $0 + $1.steps }) steps"
    }

    static func json(_ run: SwimRun, _ experiment: String, _ facts: [Fact]) -> String {
        let figures = run.figures.map { figure in
            (figure.measure.rawValue, figure.value.map { fixed($0, 3) } ?? "null")
        }
        let fields =
            [("experiment", "\"\(experiment)\"")] + facts.map { ($0.key, $0.json) } + [("seed", "\(run.seed)")]
            + figures + [("steps", "\(run.steps)"), ("trace", "\"\(Hexadecimal.text(word: run.traceHash))\"")]
        return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    /// The nearest-rank percentile of sorted values.
    static func percentile(_ sorted: [Double], _ part: Double) -> Double? {
        guard !sorted.isEmpty else { return nil }
        let rank = Int((part * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank, 1), sorted.count) - 1]
    }

    static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64(clamping: Int((value * scale).rounded()))
        guard digits > 0 else { return "\(scaled)" }
        let text = String(abs(scaled))
        let padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
        return (scaled < 0 ? "-" : "") + padded.dropLast(digits) + "." + padded.suffix(digits)
    }

    /// Columns before `numbersFrom` to the left, the others, which are numbers, to the right.
    static func aligned(_ rows: [[String]], numbersFrom: Int = 1) -> String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, text in
                let space = String(repeating: " ", count: widths[column] - text.count)
                let isLast = column == row.count - 1
                return (column == 0 ? "" : "  ") + (column < numbersFrom ? text + (isLast ? "" : space) : space + text)
            }.joined()
        }.joined(separator: "\n")
    }
}
