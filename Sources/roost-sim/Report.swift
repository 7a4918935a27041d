import Simulation
import Vocabulary

/// The runs of one experiment as a table for people, or one JSON value a run.
enum Report {
    static func table(_ runs: [SwimRun], _ experiment: SwimExperiment, nodes: Int, loss: UInt32) -> String {
        let seeds = runs.map(\.seed)
        let range = "\(seeds.first ?? 0)-\(seeds.last ?? 0)"
        var rows = [
            ["\(experiment.rawValue): \(nodes) members, \(loss) % loss, seeds \(range)", "median", "p99", "max"]
        ]
        func times(_ title: String, _ values: [Duration?]) {
            let known = values.compactMap { $0?.seconds }.sorted()
            let missing = values.count - known.count
            let note = missing > 0 ? " (\(missing) never)" : ""
            rows.append([title + note] + [0.5, 0.99, 1].map { seconds(percentile(known, $0)) })
        }
        switch experiment {
        case .detect:
            times("first suspicion, s", runs.map(\.first))
            times("first verdict, s", runs.map(\.verdict))
            times("known by all, s", runs.map(\.last))
        case .partition:
            times("first return after healing, s", runs.map(\.first))
            times("every view whole after healing, s", runs.map(\.last))
        case .leave:
            times("known by the first, s", runs.map(\.first))
            times("known by all, s", runs.map(\.last))
        case .idle: break
        }
        func numbers(_ title: String, _ values: [Double], digits: Int) {
            rows.append([title] + [0.5, 0.99, 1].map { fixed(percentile(values.sorted(), $0) ?? 0, digits) })
        }
        numbers("false crash verdicts a run", runs.map { Double($0.falseCrashes) }, digits: 0)
        numbers("false suspicions a run", runs.map { Double($0.falseSuspicions) }, digits: 0)
        numbers("datagrams, B/s a member", runs.map(\.bytesPerSecond), digits: 1)
        numbers("exchanges, B/s a member", runs.map(\.exchangeBytesPerSecond), digits: 1)
        let hash = runs.reduce(UInt64(0)) { ($0 &* 31) ^ $1.traceHash }
        return aligned(rows) + "\ntraces \(hexadecimal(hash)), \(runs.reduce(0) { $0 + $1.steps }) steps"
    }

    static func json(_ run: SwimRun, _ experiment: SwimExperiment, nodes: Int, loss: UInt32) -> String {
        func milliseconds(_ time: Duration?) -> String { time.map { fixed($0.milliseconds, 3) } ?? "null" }
        let fields = [
            ("experiment", "\"\(experiment.rawValue)\""), ("nodes", "\(nodes)"), ("loss_percent", "\(loss)"),
            ("seed", "\(run.seed)"), ("first_ms", milliseconds(run.first)), ("verdict_ms", milliseconds(run.verdict)),
            ("last_ms", milliseconds(run.last)), ("false_crashes", "\(run.falseCrashes)"),
            ("false_suspicions", "\(run.falseSuspicions)"), ("datagram_bytes_per_second", fixed(run.bytesPerSecond, 1)),
            ("exchange_bytes_per_second", fixed(run.exchangeBytesPerSecond, 1)), ("steps", "\(run.steps)"),
            ("trace", "\"\(hexadecimal(run.traceHash))\""),
        ]
        return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    /// The nearest-rank percentile of sorted values.
    static func percentile(_ sorted: [Double], _ part: Double) -> Double? {
        guard !sorted.isEmpty else { return nil }
        let rank = Int((part * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank, 1), sorted.count) - 1]
    }

    private static func seconds(_ value: Double?) -> String { value.map { fixed($0, 2) } ?? "-" }

    static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64(clamping: Int((value * scale).rounded()))
        guard digits > 0 else { return "\(scaled)" }
        let text = String(abs(scaled))
        let padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
        return (scaled < 0 ? "-" : "") + padded.dropLast(digits) + "." + padded.suffix(digits)
    }

    static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func aligned(_ rows: [[String]]) -> String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, text in
                let space = String(repeating: " ", count: widths[column] - text.count)
                return column == 0 ? text + space : "  " + space + text
            }.joined()
        }.joined(separator: "\n")
    }
}
