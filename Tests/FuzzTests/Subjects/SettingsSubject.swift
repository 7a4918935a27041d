import Vocabulary

@testable import Agent

/// A configuration file, whatever is in it.
struct SettingsSubject: Subject {
    func run(_ input: [UInt8]) throws {
        guard let text = String(validating: input, as: UTF8.self) else { return }
        switch (try outcome(text), try outcome(text)) {
        case (.success(let a), .success(let b)): try demand(a == b, "one file has one meaning")
        // The parser tells of several doubled keys in any order.
        case (.failure(.notYAML), .failure(.notYAML)): break
        case (.failure(let a), .failure(let b)):
            try demand(a == b, "one file is refused for one reason", "\(a); \(b)")
        default: throw BrokenLaw("one file has one outcome", text)
        }
    }

    private func outcome(_ text: String) throws -> Result<AgentSettings, SettingsError> {
        do throws(SettingsError) {
            let file = try SettingsFile(yaml: text, path: "roost.yaml")
            var settings = AgentSettings()
            try settings.apply(file, path: "roost.yaml")
            try settings.check()
            return .success(settings)
        } catch {
            return .failure(error)
        }
    }

    func seeds() throws -> [[UInt8]] {
        let lines = Setting.all.map { "\($0.key): " + Self.value(of: $0.key) }
        let texts =
            [
                lines.joined(separator: "\n"),
                "swim: {probe_interval: 2s, probe_timeout: 300ms}\nrelocation:\n  delay: 1m\n  streams: 8\n",
                "join: [a:7667, b, \"[::1]:7668\"]\ntags: {rack: \"7\", kind: ssd}\nleave:\n",
                "tags.rack: 7\ntags:\n  kind: ssd\n", "a: &a [x, x]\nb: &b [*a, *a]\n? *b\n: 1\n", "{[{: [[[",
                "--- !!map\nname: !!str simba\n...\n", "name: |\n  simba\nzone: >-\n  k\n",
                "weight: 10001\n", "replicas: 99999999999999999999\n", "scrub.rate: 8MiB\nbody_max: 1e9TiB\n",
            ] + lines
        return texts.map { Array($0.utf8) }
    }

    private static func value(of key: String) -> String {
        if key.hasSuffix("bind") || key == "advertise" { return "127.0.0.1:7668" }
        for (end, value) in [
            ("interval", "2s"), ("timeout", "1500ms"), ("delay", "30s"), ("wait", "1m"), ("overlap", "1h"),
            ("rate", "8MiB"), ("on_stop", "false"), ("level", "debug"), ("format", "json"), ("tags", "a=b,c=d"),
            ("join", "a:7667,b"), ("delay_max", "10m"), ("max", "64"), ("weight", "100"), ("replicas", "3"),
            ("streams", "4"), ("multiplier", "3"),
        ] where key.hasSuffix(end) {
            return value
        }
        return "savanna"
    }
}
