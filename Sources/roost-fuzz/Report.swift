/// What a run came to, for people and for programs.
struct Report {
    let seed: UInt64
    let outcome: Campaign.Outcome
    let seconds: Double

    private var layers: [(Layer, Tally)] {
        Layer.allCases.compactMap { layer in outcome.tallies[layer].map { (layer, $0) } }
    }

    private var datagrams: Int { layers.reduce(0) { $0 + $1.1.datagrams } }

    /// A layer's datagrams by the seconds of one worker.
    private func rate(_ tally: Tally) -> Int { Int(Double(tally.datagrams) / max(tally.seconds, 0.000_001)) }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: " ", count: max(0, width - text.count)) + text
    }

    var text: String {
        var lines = ["layer          datagrams      passed   a second and worker"]
        for (layer, tally) in layers {
            let name = layer.rawValue + String(repeating: " ", count: 12 - layer.rawValue.count)
            lines.append(
                name + Self.padded(tally.datagrams, 12) + Self.padded(tally.passed, 12)
                    + Self.padded(rate(tally), 12))
        }
        let tenths = Int(seconds * 10)
        lines.append("\(datagrams) datagrams in \(tenths / 10).\(tenths % 10) s, seed \(seed): no law broken")
        if let warm = outcome.residentWarm, let end = outcome.residentEnd {
            lines.append("memory \(warm >> 20) MiB after the warm-up, \(end >> 20) MiB at the end")
        }
        return lines.joined(separator: "\n")
    }

    var json: String {
        let parts = layers.map { layer, tally in
            "\"\(layer.rawValue)\":{\"datagrams\":\(tally.datagrams),\"passed\":\(tally.passed),"
                + "\"per_second_and_worker\":\(rate(tally))}"
        }
        func number(_ value: Int?) -> String { value.map(String.init) ?? "null" }
        return "{\"seed\":\(seed),\"datagrams\":\(datagrams),\"elapsed_ms\":\(Int(seconds * 1_000)),"
            + "\"resident_warm_bytes\":\(number(outcome.residentWarm)),"
            + "\"resident_end_bytes\":\(number(outcome.residentEnd)),\"layers\":{\(parts.joined(separator: ","))}}"
    }
}
