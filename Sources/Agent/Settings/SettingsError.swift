/// Why the agent's configuration was refused. Every case names the key or the file, and what would be right.
public enum SettingsError: Error, Hashable, Sendable, CustomStringConvertible {
    case unknownKey(String, source: Source, nearest: String?)
    case badValue(key: String, value: String, source: Source, allowed: String)
    case givenTwice(key: String, source: Source)
    case unreadable(path: String, reason: String)
    case notYAML(path: String, reason: String)
    case contradiction(String)

    /// Where a value came from, as the operator knows it.
    public enum Source: Hashable, Sendable, CustomStringConvertible {
        case flag
        case variable(String)
        case file(String)

        public var description: String {
            switch self {
            case .flag: "a flag"
            case .variable(let name): "the variable \(name)"
            case .file(let path): path
            }
        }
    }

    /// `EX_CONFIG` of sysexits.h: the same start would fail again, so systemd need not retry.
    public var exitCode: Int32 { 78 }

    public var description: String {
        switch self {
        case .unknownKey(let key, let source, let nearest):
            "\"\(Self.shown(key))\" in \(source) is not a setting of roost"
                + (nearest.map { "; did you mean \"\($0)\"?" } ?? "; `roost agent --help` lists them all")
        case .badValue(let key, let value, let source, let allowed):
            "\(key) can not be \"\(Self.shown(value))\" (from \(source)); allowed: \(allowed)"
        case .givenTwice(let key, let source): "\(key) is given twice in \(source); keep one of them"
        case .unreadable(let path, let reason):
            "the configuration \(path) can not be read: \(reason); give another with --config, or correct its owner and mode"
        case .notYAML(let path, let reason): "the configuration \(path) is not as expected: \(reason)"
        case .contradiction(let text): text
        }
    }

    /// A value may hold anything: it is cut, and control characters do not reach a terminal.
    private static func shown(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let safe = scalars.prefix(120).map { $0.properties.generalCategory == .control ? "?" : String($0) }.joined()
        return scalars.count > 120 ? safe + "…" : safe
    }
}
