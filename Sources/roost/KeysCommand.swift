import ArgumentParser
import Client

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Look at the keys that seal the gossip.", subcommands: [List.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the keys by id; the keys themselves are never shown.")

        @OptionGroup var connection: ConnectionOptions
        @Flag(help: "Print one JSON value.")
        var json = false

        func run() async throws {
            try await connection.run { client in
                let keys = try await client.keys()
                if json { return try Terminal.print(json: keys) }
                var table = Table([.init("ID"), .init("CREATED (UTC)"), .init("USE")])
                for key in keys.keys {
                    table.add([key.id, HumanUnits.time(key.created), key.primary ? "seals" : "opens"])
                }
                Terminal.print(table.text())
            }
        }
    }
}
