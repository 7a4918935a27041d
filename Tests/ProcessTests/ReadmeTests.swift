import Foundation
import Testing

/// What the texts say about the command line is true of the program that was built: every verb and flag in their code
/// blocks exists, every configuration key is a flag of the agent, every make target is one.
@Suite("What README and docs say")
struct ReadmeTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let texts = [
        "README.md", "docs/ARCHITECTURE.md", "docs/PROTOCOL.md", "docs/HACKING.md", "certs/README.md",
        "systemd/README.md",
    ]

    private static func read(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: root.appending(path: path)), as: UTF8.self)
    }

    /// What the built `roost` prints on stdout.
    private static func roost(_ arguments: [String]) throws -> (status: Int32, out: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appending(path: "roost")
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let out = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: out, as: UTF8.self))
    }

    /// One `roost …` of a code block: its words up to a pipe, a comment or the next command.
    private static func commands(in text: String) -> [[String]] {
        var isCode = false
        var found: [[String]] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                isCode.toggle()
                continue
            }
            guard isCode || line.hasPrefix("    ") else { continue }
            let code = line.prefix { $0 != "#" }
            for part in code.split(whereSeparator: { "|;&".contains($0) }) {
                var words = part.split(separator: " ").map(String.init)
                if words.first == "$" { words.removeFirst() }
                if words.first == "roost", words.count > 1 { found.append(Array(words.dropFirst())) }
            }
        }
        return found
    }

    @Test("every verb and flag of a code block is one of the program's")
    func verbs() throws {
        let commands = try Self.texts.flatMap { Self.commands(in: try Self.read($0)) }
        try #require(commands.count > 20, "the scanner found the examples")
        var help: [[String]: String] = [:]
        for words in commands where words[0] != "--version" {
            var verb = Array(words.prefix(words[0] == "ca" ? 2 : 1))
            if words[0] == "invite" {
                verb.append(words.count > 1 && ["list", "revoke"].contains(words[1]) ? words[1] : "new")
            }
            if help[verb] == nil {
                let (status, out) = try Self.roost(["help"] + verb)
                #expect(status == 0, "roost \(verb.joined(separator: " ")) is no verb")
                help[verb] = out
            }
            for flag in words where flag.hasPrefix("--") {
                let name = flag.prefix { $0 != "=" }
                #expect(help[verb]?.contains(name) == true, "roost \(words.joined(separator: " ")): no flag \(name)")
            }
        }
    }

    @Test("every verb of the program is in the README, and every verb in its table is one")
    func verbTable() throws {
        let readme = try Self.read("README.md")
        let help = try Self.roost(["--help"]).out
        let verbs = help.components(separatedBy: "SUBCOMMANDS:\n").dropFirst().joined().split(separator: "\n")
            .filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") && !$0.hasPrefix("  See") }
            .compactMap { $0.split(separator: " ").first.map(String.init) }
        try #require(verbs.count > 10)
        for verb in verbs { #expect(readme.contains("`roost \(verb)"), "README says nothing of roost \(verb)") }
        for match in readme.matches(of: /`roost ([a-z]+)/) {
            #expect(verbs.contains(String(match.1)), "README tells of roost \(match.1), which is no verb")
        }
    }

    @Test("every key of the README's configuration table is a flag of the agent, and every flag is in the table")
    func configuration() throws {
        let readme = try Self.read("README.md")
        let help = try Self.roost(["help", "agent"]).out
        let section = readme.components(separatedBy: "## Configuration").dropFirst().joined()
            .components(separatedBy: "\n## ")[0]
        let told = Set(
            section.split(separator: "\n").filter { $0.hasPrefix("| `") || $0.contains(" and `") }
                .flatMap { $0.matches(of: /`([a-z]+[a-z_.]*)`/).map { String($0.1) } })
        let flags = Set(help.matches(of: /\n  --([a-z_.]+) </).map { String($0.1) }).subtracting(["config"])
        try #require(flags.count > 10)
        #expect(flags.subtracting(told).isEmpty, "not in the table: \(flags.subtracting(told).sorted())")
        let keys = told.filter { $0.contains(".") || $0.contains("_") }.filter { !$0.hasSuffix(".pem") }
        #expect(keys.subtracting(flags).isEmpty, "no such key: \(keys.subtracting(flags).sorted())")
    }

    @Test("every make target that the texts name exists")
    func targets() throws {
        let makefile = try Self.read("Makefile")
        for path in Self.texts {
            for match in try Self.read(path).matches(of: /(?:^|`|\n|&& |sudo )make ([a-z][a-z-]*)/) {
                #expect(makefile.contains("\n\(match.1):"), "\(path) names make \(match.1)")
            }
        }
    }
}
