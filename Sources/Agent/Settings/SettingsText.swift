/// A configuration as those see it who set a host up. It is the operator's file: its bytes stay, and lines come behind them.
public enum SettingsText {
    /// A setting that the host needs. Of `join` any one of the values will do.
    public struct Line: Sendable {
        let key: String
        let values: [String]

        public init(_ key: String, _ values: [String]) {
            self.key = key
            self.values = values
        }

        /// Quoted: an IPv6 address would begin a list of YAML's.
        public var text: String {
            let texts = values.map { "\"\($0)\"" }
            return "\(key): \(isList ? "[\(texts.joined(separator: ", "))]" : texts.joined())\n"
        }

        fileprivate var isList: Bool { Setting.byKey[key]?.isList ?? false }
        fileprivate var value: String { values.joined(separator: ",") }

        /// Whether a value in the file means what is needed, however it is written.
        fileprivate func agrees(with value: String) -> Bool {
            guard let setting = Setting.byKey[key] else { return false }
            var value = value
            while value.utf8.count > 1, value.utf8.last == UInt8(ascii: "/") { value.removeLast() }
            var (own, wanted) = (AgentSettings(), AgentSettings())
            guard setting.apply(&own, value), setting.apply(&wanted, self.value) else { return false }
            return own == wanted || !Set(own.join).isDisjoint(with: wanted.join)
        }
    }

    public enum Change: Hashable, Sendable {
        /// The file says all of it.
        case none
        /// The file as it is to be: as it was, and the lines that are added.
        case add(text: String)
        /// The file says something else, or takes no more lines: why, and the lines that it would need.
        case conflict(reason: String, lines: String)
    }

    /// What is to be done to a file, which need not be there, so that it says these.
    ///
    /// - Throws: what an agent that starts with the file, or with the lines, would say of it.
    public static func change(to path: String, wanted: [Line]) throws(SettingsError) -> Change {
        let text = try SettingsFile.text(of: path) ?? ""
        let file = try SettingsFile(yaml: text, path: path)
        var settings = AgentSettings()
        try settings.apply(file, path: path)
        var reasons: [String] = []
        var lacking: [Line] = []
        for line in wanted {
            let own = file.pairs.first { $0.key == line.key }
            if let own, line.agrees(with: own.value) { continue }
            lacking.append(line)
            if let own {
                reasons.append("has \(own.key): \(own.value.prefix(valueShownMax))")
            } else if file.empty.contains(line.key) {
                // Twice the same key is no YAML.
                reasons.append("has \(line.key): with nothing after it")
            }
        }
        guard !lacking.isEmpty else { return .none }
        let lines = lacking.map(\.text).joined()
        guard reasons.isEmpty else { return .conflict(reason: reasons.joined(separator: ", "), lines: lines) }
        let longer = text + (text.isEmpty || text.utf8.last == UInt8(ascii: "\n") ? "" : "\n") + lines
        // Behind `{…}`, or the end that YAML's `...` makes, a line says something else, or nothing.
        guard longer.utf8.count <= SettingsFile.bytesMax, let after = try? SettingsFile(yaml: longer, path: path),
            after.empty == file.empty,
            after.pairs.map({ [$0.key, $0.value] })
                == file.pairs.map({ [$0.key, $0.value] }) + lacking.map({ [$0.key, $0.value] })
        else { return .conflict(reason: "takes no more lines at its end", lines: lines) }
        var all = AgentSettings()
        try all.apply(after, path: path)
        return .add(text: longer)
    }

    /// An operator knows the line by its beginning.
    private static let valueShownMax = 80
}
