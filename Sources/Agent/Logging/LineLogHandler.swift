import Client
import Logging
import NIOConcurrencyHelpers

/// Writes one line an event to standard error, in the format that `log.format` names:
///
///     text      2026-11-23T05:52:19.123Z info  a member joined node=simba
///     json      {"level":"info","message":"a member joined","node":"simba","time":"2026-11-23T05:52:19.123Z"}
///     journal   <6>a member joined node=simba
///
/// Where standard error is the journal's, the last one goes there by journald's own protocol, the metadata as fields too.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let format: AgentSettings.LogFormat
    private let write: @Sendable (String) -> Void
    private let journal: Journal?

    /// - Parameter journal: for the format of that name; nil where standard error is not the journal's.
    init(
        format: AgentSettings.LogFormat, level: AgentSettings.LogLevel, journal: Journal? = nil,
        write: @escaping @Sendable (String) -> Void = { StandardError.write($0) }
    ) {
        self.format = format
        self.write = write
        self.journal = format == .journal ? journal : nil
        logLevel = Logger.Level(rawValue: level.rawValue) ?? .info
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let more = metadataProvider?.get() { all.merge(more) { $1 } }
        if let more = event.metadata { all.merge(more) { $1 } }
        // Hummingbird numbers its requests; nobody asks for that.
        all["hb.request.id"] = nil
        let message = "\(event.message)"
        let text = Self.printable(message) + Self.pairs(all)
        if let journal, journal.send(text, priority: Self.priority(event.level), fields: all) { return }
        write(line(event.level, message, all, text) + "\n")
    }

    private func line(
        _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, _ text: String
    ) -> String {
        switch format {
        case .text:
            let word = level.rawValue + String(repeating: " ", count: max(0, 5 - level.rawValue.count))
            return "\(Self.now) \(word) \(text)"
        case .journal:
            // sd-daemon(3): the priority of syslog; journald adds the time itself.
            return "<\(Self.priority(level))>\(text)"
        case .json:
            var fields = metadata.mapValues { "\($0)" }
            fields["time"] = Self.now
            fields["level"] = level.rawValue
            fields["message"] = message
            return (try? API.JSON.text(fields)) ?? "{}"
        }
    }

    private static func pairs(_ metadata: Logger.Metadata) -> String {
        metadata.sorted { $0.key < $1.key }.map { key, value in
            let text = printable("\(value)")
            let isBare = !text.isEmpty && !text.contains { $0 == " " || $0 == "\"" || $0 == "=" }
            return " \(key)=" + (isBare ? text : "\"\(text.map { $0 == "\"" ? "\\\"" : String($0) }.joined())\"")
        }.joined()
    }

    /// What others send may stand in a message: no line break starts a forged line, no escape reaches a terminal.
    private static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if scalar == "\n" {
                result += "\\n"
            } else if scalar.properties.generalCategory == .control {
                result += "?"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    private static var now: String { API.Timestamp.text(unixMilliseconds: WallClock.milliseconds) }
}
