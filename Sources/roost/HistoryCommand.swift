import ArgumentParser
import Client

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "List the versions of a resource, the present one first.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The resource's name.", transform: NameArgument.parse)
    var name: String
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            let history = try await client.history(name)
            if json { return try Terminal.print(json: history) }
            var table = Table([
                .init("VERSION"), .init("KIND"), .init("SIZE", .right), .init("MODIFIED (UTC)"), .init("HOME"),
                .init("SHA256"),
            ])
            for entry in history.versions {
                table.add([
                    entry.version, entry.deleted ? "\(entry.kind.rawValue), deleted" : entry.kind.rawValue,
                    entry.deleted ? "-" : HumanUnits.bytes(entry.size), HumanUnits.time(entry.modified),
                    entry.home ?? "-", entry.sha256 ?? "-",
                ])
            }
            Terminal.print(table.text())
        }
    }
}
