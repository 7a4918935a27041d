import Simulation
import Vocabulary

/// What whole clusters came to, for people or as JSON.
enum ClusterReport {
    /// One seed's outcome on one line.
    static func json(_ outcome: ClusterOutcome) -> String {
        func milliseconds(_ time: Duration?) -> String { time.map { Report.fixed($0.milliseconds, 3) } ?? "null" }
        let faults = outcome.faults.sorted { $0.key < $1.key }.map { "\(text($0.key)):\($0.value)" }
        let violations = outcome.violations.map { violation in
            let at = milliseconds(violation.at - .zero)
            return "{\"law\":\(violation.law),\"at_ms\":\(at),\"text\":\(text(violation.text))}"
        }
        let fields = [
            ("seed", "\(outcome.seed)"), ("nodes", "\(outcome.nodes)"),
            ("features", text("\(outcome.features)")),
            ("virtual_ms", Report.fixed(outcome.virtualSeconds * 1000, 0)), ("steps", "\(outcome.steps)"),
            ("acknowledged", "\(outcome.acknowledged)"), ("short_of_copies", "\(outcome.short)"),
            ("reads", "\(outcome.reads)"), ("reads_apart", "\(outcome.apartReads)"),
            ("slowest_read_ms", milliseconds(outcome.slowestRead)), ("hops_most", "\(outcome.hopsMost)"),
            ("peers_most", "\(outcome.peersMost)"), ("forgotten", "\(outcome.forgotten)"),
            ("faults", "{\(faults.joined(separator: ","))}"), ("rest_ms", milliseconds(outcome.rest)),
            ("trace", "\"\(Hexadecimal.text(word: outcome.traceHash))\""),
            ("violations", "[\(violations.joined(separator: ","))]"),
        ]
        return object(fields)
    }

    /// Of all seeds together.
    static func summary(_ outcomes: [ClusterOutcome], failed: [UInt64]) -> String {
        let features = Feature.allCases.map { feature in (feature.rawValue, "\(count(feature, outcomes))") }
        return object([
            ("seeds", "\(outcomes.count)"), ("features", object(features)),
            ("failed", "[\(failed.map(String.init).joined(separator: ","))]"),
        ])
    }

    private static func count(_ feature: Feature, _ outcomes: [ClusterOutcome]) -> Int {
        outcomes.count { $0.features.has(feature) }
    }

    private static func object(_ fields: [(String, String)]) -> String {
        "{" + fields.map { "\(text($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    /// A JSON string (RFC 8259 §7).
    private static func text(_ value: String) -> String {
        var escaped = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"", "\\": escaped += "\\\(scalar)"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped + "\""
    }

    static func table(_ outcomes: [ClusterOutcome], failed: [UInt64], seconds: Double) -> String {
        let rests = outcomes.compactMap { $0.rest?.seconds }.sorted()
        let reads = outcomes.map { $0.slowestRead.seconds }.sorted()
        var faults: [String: Int] = [:]
        for outcome in outcomes { faults.merge(outcome.faults) { $0 + $1 } }
        func two(_ value: Double?) -> String { value.map { "\(Double(Int($0 * 100)) / 100)" } ?? "-" }
        func sum(_ part: (ClusterOutcome) -> Int) -> Int { outcomes.reduce(0) { $0 + part($1) } }
        let virtual = outcomes.reduce(0) { $0 + $1.virtualSeconds }
        let hash = outcomes.reduce(UInt64(0)) { ($0 &* 31) ^ $1.traceHash }
        let peers = outcomes.map(\.peersMost).max() ?? 0
        let made = faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        let forgotten = sum { $0.forgotten }
        let features = Feature.allCases.map { "\($0.rawValue) \(count($0, outcomes))" }.joined(separator: ", ")
        return """
            seeds        \(outcomes.count) (\(two(Double(outcomes.count) / max(seconds, 0.001))) a second), \
            \(Int(virtual)) virtual s, \(outcomes.reduce(0) { $0 + $1.steps }) steps
            writes       \(sum { $0.acknowledged }) acknowledged, \(sum { $0.short }) on fewer nodes than wanted\
            \(forgotten > 0 ? "; \(forgotten) deletes forgotten" : "")
            reads        \(sum { $0.reads }) answered, \(sum { $0.apartReads }) while members were apart; a seed's slowest: median \
            \(two(Report.percentile(reads, 0.5))) s, max \(two(reads.last)) s
            places       a read was at \(1 + (outcomes.map(\.hopsMost).max() ?? 0)) nodes at most\
            \(peers > 0 ? "; connected with \(peers) at once at most" : "")
            seeds with   \(features); plain \(outcomes.count { $0.features == Features() })
            faults       \(made)
            at rest      after the last fault: median \(two(Report.percentile(rests, 0.5))) s, p99 \
            \(two(Report.percentile(rests, 0.99))) s, max \(two(rests.last)) s
            traces       \(String(hash, radix: 16))
            violations   \(failed.isEmpty ? "none" : "\(failed.count) seeds: \(failed.prefix(20))")
            """
    }
}
