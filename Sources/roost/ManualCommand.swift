import ArgumentParser
import Client
import FoundationEssentials

/// `roost manual-pages DIR`: what `make install` and the Debian package install. Hidden, since whoever has the program
/// installed has the pages.
struct ManualCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual-pages", abstract: "Write the manual pages of all verbs into a folder.",
        shouldDisplay: false)

    @Argument(help: "The folder; it is made if it is not there.")
    var folder: String
    @Option(help: "The day that the pages show, as YYYY-MM-DD.")
    var date = ""

    func run() async throws {
        let pages = try Self.pages(date: date)
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for page in pages {
                try Data(page.text.utf8).write(to: URL(filePath: "\(folder)/\(page.fileName)"), options: .atomic)
            }
        } catch { throw CommandFailure("could not write the manual pages into \(folder): \(error)") }
        Terminal.say("\(pages.count) manual pages in \(folder)")
    }

    /// Of every command that help shows.
    static func pages(date: String) throws -> [ManualPage] {
        let tool = try API.JSON.decode(ToolInfo.self, from: Array(Roost._dumpHelp().utf8))
        return pages(of: tool.command, below: [], date)
    }

    private static func pages(
        of command: ToolInfo.Command, below path: [String], _ date: String
    ) -> [ManualPage] {
        let path = path + [command.commandName]
        let name = path.joined(separator: "-")
        let children = command.shownSubcommands.map { "\(name)-\($0.commandName)" }
        let related = (path.count > 1 ? [path.dropLast().joined(separator: "-")] : []) + children
        let page = ManualPage(path: path, command: command, version: Roost.version, date: date, related: related)
        return [page]
            + command.shownSubcommands.flatMap { pages(of: $0, below: path, date) }
    }
}
