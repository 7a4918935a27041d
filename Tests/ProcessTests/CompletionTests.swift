import Client
import Foundation
import Testing

@testable import roost

/// What a shell offers is made by the argument parser out of the command line. Each verb that help shows must be in it, with
/// each of its flags, in the part of the script that is that verb's own.
@Suite("completions")
struct CompletionTests {
    private struct Verb {
        /// `roost ca issue` is `["roost", "ca", "issue"]`.
        let path: [String]
        let command: ToolInfo.Command

        var flags: [String] {
            (command.arguments ?? []).filter(\.shouldDisplay).flatMap { $0.names ?? [] }.filter { $0.kind == .long }
                .map(\.name)
        }

        static func all(_ command: ToolInfo.Command, below path: [String] = []) -> [Verb] {
            let path = path + [command.commandName]
            return [Verb(path: path, command: command)] + command.shownSubcommands.flatMap { all($0, below: path) }
        }
    }

    private func output(_ arguments: String...) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: TestCluster.roost)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let said = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(arguments)")
        return String(decoding: said, as: UTF8.self)
    }

    private func verbs() throws -> [Verb] {
        let tool = try API.JSON.decode(ToolInfo.self, from: Array(output("--experimental-dump-help").utf8))
        let verbs = Verb.all(tool.command)
        try #require(verbs.contains { $0.path == ["roost", "ca", "issue"] && $0.flags.contains("node") })
        return verbs
    }

    private static let wordCharacters = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-_."))

    /// The words of a script's text: whatever its quotes and brackets part.
    private static func words(_ text: Substring) -> Set<String> {
        Set(String(text).components(separatedBy: wordCharacters.inverted))
    }

    @Test("bash and zsh: the function of each verb has its flags and the verbs below it", arguments: ["bash", "zsh"])
    func functions(shell: String) throws {
        let script = try output("--generate-completion-script", shell)
        for verb in try verbs() {
            let name = "_" + verb.path.map { $0.replacing("-", with: "_") }.joined(separator: "_")
            let start = try #require(script.range(of: "\n\(name)() {\n"), "\(shell): \(name)")
            let rest = script[start.upperBound...]
            let end = try #require(rest.range(of: "\n}\n"), "\(shell): \(name)")
            let words = Self.words(rest[..<end.lowerBound])
            for flag in verb.flags { #expect(words.contains("--\(flag)"), "\(shell): \(verb.path) --\(flag)") }
            for below in verb.command.shownSubcommands {
                #expect(words.contains(below.commandName), "\(shell): \(verb.path) \(below.commandName)")
            }
        }
    }

    @Test("fish: each verb has a line for each flag and for each verb below it")
    func lines() throws {
        let script = try output("--generate-completion-script", "fish")
        let lines = script.split(separator: "\n").filter { $0.hasPrefix("complete -c ") }
        for verb in try verbs() {
            let path = verb.path.joined(separator: " ")
            func has(_ function: String, _ end: String) -> Bool {
                lines.contains { line in
                    // With what may be given once behind the verb's words.
                    line.contains("'\(function) \"\(path)\"") && line.contains(end)
                }
            }
            for flag in verb.flags {
                #expect(
                    has("__roost_should_offer_completions_for_flags_or_options", " -l '\(flag)'"), "\(path) --\(flag)")
            }
            for below in verb.command.shownSubcommands {
                #expect(
                    has("__roost_should_offer_completions_for_positional", " -fa '\(below.commandName)'"),
                    "\(path) \(below.commandName)")
            }
        }
    }
}
