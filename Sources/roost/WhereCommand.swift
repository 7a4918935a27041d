import ArgumentParser
import Client

struct WhereCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "where", abstract: "Show which nodes own and hold a resource.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The resource's name.", transform: NameArgument.parse)
    var name: String
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            let place = try await client.whereIs(name)
            if json { return try Terminal.print(json: place) }
            var table = Table([.init(""), .init("")])
            table.add(["name", place.name])
            table.add(["slot", "\(place.slot)"])
            table.add(["home", place.home ?? "-"])
            table.add(["owners", place.owners.joined(separator: ", ")])
            table.add(["holders", place.holders.joined(separator: ", ")])
            Terminal.print(table.text(headings: false))
        }
    }
}
