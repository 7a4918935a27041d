/// One manual page, roost.1 or roost-VERB.1, in man(7)'s language. Nothing in it is written by hand but its frame: the text
/// is the command line's own definitions, so the two can not differ.
struct ManualPage {
    /// From `roost` down.
    let path: [String]
    let command: ToolInfo.Command
    let version: String
    /// The day of the release, as the page's foot shows it.
    let date: String
    /// The pages of the other verbs beside or below this one.
    let related: [String]

    static let section = 1

    var name: String { path.joined(separator: "-") }
    var fileName: String { "\(name).\(Self.section)" }

    var text: String {
        var lines = [
            ".\\\" Made from the program's own help; do not edit.",
            ".TH "
                + [name.uppercased(), "\(Self.section)", date, "roost \(version)", "Roost"].map(Self.quoted)
                .joined(separator: " "),
            ".SH NAME", "\(Self.escaped(name)) \\- \(Self.escaped(summary))",
        ]
        lines += [".SH SYNOPSIS"] + synopsis
        if let discussion = command.discussion { lines += [".SH DESCRIPTION"] + Self.paragraphs(discussion) }
        let verbs = shownSubcommands
        if !verbs.isEmpty {
            lines.append(".SH COMMANDS")
            for verb in verbs {
                lines += [
                    ".TP", "\\fB\(Self.escaped((path.dropFirst() + [verb.commandName]).joined(separator: " ")))\\fR",
                ]
                lines += Self.paragraphs(verb.abstract ?? "", isFirst: true)
            }
        }
        let positional = shownArguments.filter { $0.kind == .positional }
        if !positional.isEmpty { lines += [".SH ARGUMENTS"] + positional.flatMap(Self.entry) }
        let options = shownArguments.filter { $0.kind != .positional }
        if !options.isEmpty { lines += [".SH OPTIONS"] + options.flatMap(Self.entry) }
        if path.count == 1 { lines += Self.common }
        if !related.isEmpty {
            let pages = related.map { "\\fB\(Self.escaped($0))\\fR(\(Self.section))" }
            lines += [".SH SEE ALSO", pages.joined(separator: ",\n")]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var summary: String {
        let abstract = command.abstract ?? ""
        return abstract.hasSuffix(".") ? String(abstract.dropLast()) : abstract
    }

    private var shownArguments: [ToolInfo.Argument] { (command.arguments ?? []).filter(\.shouldDisplay) }
    private var shownSubcommands: [ToolInfo.Command] { command.shownSubcommands }

    private var synopsis: [String] {
        var words = ["\\fB\(Self.escaped(path.joined(separator: " ")))\\fR"]
        let options = shownArguments.filter { $0.kind != .positional }
        // A verb with a page full of options has them below.
        words += options.count > 12 ? ["[\\fIoptions\\fR]"] : options.map(Self.usage)
        words += shownArguments.filter { $0.kind == .positional }.map(Self.usage)
        if !shownSubcommands.isEmpty { words.append("\\fIcommand\\fR") }
        return [words.joined(separator: "\n")]
    }

    private static func usage(_ argument: ToolInfo.Argument) -> String {
        var text = label(argument)
        if argument.isRepeating { text += "..." }
        return argument.isOptional ? "[\(text)]" : text
    }

    private static func label(_ argument: ToolInfo.Argument) -> String {
        let value = "\\fI\(escaped(argument.valueName ?? "value"))\\fR"
        let name = (argument.preferredName ?? argument.names?.first).map { "\\fB\(escaped($0.text))\\fR" }
        switch argument.kind {
        case .positional: return value
        case .flag: return name ?? value
        case .option: return name.map { "\($0) \(value)" } ?? value
        }
    }

    private static func entry(_ argument: ToolInfo.Argument) -> [String] {
        let names = (argument.names ?? []).map { "\\fB\(escaped($0.text))\\fR" }.joined(separator: ", ")
        let value = "\\fI\(escaped(argument.valueName ?? "value"))\\fR"
        let label: String
        switch argument.kind {
        case .positional: label = value
        case .flag: label = names
        case .option: label = "\(names) \(value)"
        }
        var lines = [".TP", label]
        lines += paragraphs(argument.abstract ?? "", isFirst: true)
        if let discussion = argument.discussion { lines += [".IP"] + paragraphs(discussion, isFirst: true) }
        var remarks: [String] = []
        if let values = argument.allValues, !values.isEmpty {
            remarks.append("One of: \(values.joined(separator: ", ")).")
        }
        if let standard = argument.defaultValue { remarks.append("Default: \(standard).") }
        if argument.isRepeating { remarks.append("May be given again.") }
        if !remarks.isEmpty { lines += [escaped(remarks.joined(separator: " "))] }
        return lines
    }

    /// What all verbs have in common stands in roost(1).
    private static var common: [String] {
        var lines = [".SH EXIT STATUS"]
        for status in ExitStatus.allCases {
            lines += [".TP", "\\fB\(status.rawValue)\\fR", escaped(status.meaning)]
        }
        lines.append(".SH ENVIRONMENT")
        for (name, meaning) in [
            ("ROOST_AGENT", "The agents to ask, separated by commas: unix:/path or https://host[:port]."),
            ("ROOST_CERTS", "The folder with ca.pem, cert.pem and key.pem of whoever asks."),
            ("ROOST_CONFIG", "The agent's configuration file."),
            ("ROOST_KEY", "Any key of the configuration, with KEY in capitals: peers.max is ROOST_PEERS_MAX."),
            ("NO_COLOR", "No colours."),
        ] { lines += [".TP", "\\fB\(name)\\fR", escaped(meaning)] }
        lines.append(".SH FILES")
        for (name, meaning) in [
            ("/etc/roost/roost.yaml", "The agent's configuration."),
            ("/etc/roost/certs", "Its certificate, its key, and the certificate of the cluster's CA."),
            ("/var/lib/roost", "What it keeps."), ("/run/roost/roost.sock", "Where the command line finds it."),
        ] { lines += [".TP", "\\fI\(escaped(name))\\fR", escaped(meaning)] }
        return lines
    }

    // MARK: Text

    private static func paragraphs(_ text: String, isFirst: Bool = false) -> [String] {
        var lines: [String] = []
        for part in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if part.allSatisfy(\.isWhitespace) {
                if !lines.isEmpty { lines.append(isFirst ? ".IP" : ".PP") }
            } else {
                lines.append(escaped(String(part)))
            }
        }
        return lines.isEmpty ? [""] : lines
    }

    /// Backslashes and hyphens as they are typed, and no line that begins like a request.
    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            default: result.append(character)
            }
        }
        return result.hasPrefix(".") || result.hasPrefix("'") ? "\\&" + result : result
    }

    private static func quoted(_ text: String) -> String {
        "\"\(escaped(text).split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\(dq"))\""
    }
}

extension ToolInfo.Command {
    /// Those that help shows; `help` itself is everybody's.
    var shownSubcommands: [ToolInfo.Command] {
        (subcommands ?? []).filter { $0.shouldDisplay != false && $0.commandName != "help" }
    }
}
