import NIOConcurrencyHelpers

/// The agent's figures, and how Prometheus reads them (text exposition format 0.0.4). Small on purpose: counters and
/// gauges, each with labels of few values; a bound keeps a label that strangers choose from growing it.
public final class Metrics: Sendable {
    /// Series in all; what would be one more is dropped.
    public static let seriesMax = 4_096

    public enum Kind: String, Sendable {
        case counter, gauge
    }

    struct Family {
        let kind: Kind
        let help: String
        var series: [Labels: Double] = [:]
    }

    /// Sorted, so that the same labels are one series.
    struct Labels: Hashable {
        let pairs: [[String]]

        init(_ labels: [String: String]) {
            pairs = labels.sorted { $0.key < $1.key }.map { [$0.key, $0.value] }
        }
    }

    private struct State {
        var families: [String: Family] = [:]
        var seriesCount = 0
    }

    private let state = NIOLockedValueBox(State())

    public init() {}

    /// Adds to a counter; `roost_…_total`.
    public func count(_ name: String, _ labels: [String: String] = [:], by amount: Double = 1, help: String = "") {
        update(name, labels, .counter, help) { ($0 ?? 0) + amount }
    }

    /// Sets a gauge.
    public func set(_ name: String, _ labels: [String: String] = [:], to number: Double, help: String = "") {
        update(name, labels, .gauge, help) { _ in number }
    }

    private func update(
        _ name: String, _ labels: [String: String], _ kind: Kind, _ help: String, _ body: (Double?) -> Double
    ) {
        let key = Labels(labels)
        state.withLockedValue { state in
            var family = state.families[name] ?? Family(kind: kind, help: help)
            guard family.kind == kind else { return }
            let old = family.series[key]
            if old == nil {
                guard state.seriesCount < Self.seriesMax else { return }
                state.seriesCount += 1
            }
            // Out of the table while it changes: its storage is not copied.
            state.families[name] = nil
            family.series[key] = body(old)
            state.families[name] = family
        }
    }

    /// The body of `GET /metrics`; its type is `text/plain; version=0.0.4`.
    public var exposition: String {
        let families = state.withLockedValue { $0.families }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            if !family.help.isEmpty { text += "# HELP \(name) \(Exposition.help(family.help))\n" }
            text += "# TYPE \(name) \(family.kind.rawValue)\n"
            let lines = family.series.map { Exposition.line(name, $0.key.pairs, $0.value) }
            text += lines.sorted().joined()
        }
        return text
    }

    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"
}

/// How the lines of the format look.
enum Exposition {
    static func line(_ name: String, _ labels: [[String]], _ number: Double) -> String {
        "\(name)\(block(labels)) \(show(number))\n"
    }

    private static func block(_ labels: [[String]]) -> String {
        if labels.isEmpty { return "" }
        return "{" + labels.map { "\($0[0])=\"\(escape($0[1]))\"" }.joined(separator: ",") + "}"
    }

    private static func escape(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    static func help(_ text: String) -> String {
        text.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\\\")
            .split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
    }

    /// Whole numbers without a fraction.
    private static func show(_ number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number > 0 ? "+Inf" : "-Inf" }
        return Int64(exactly: number).map(String.init) ?? String(number)
    }
}
