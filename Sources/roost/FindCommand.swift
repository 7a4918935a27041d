import ArgumentParser
import Client

struct FindCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "find", abstract: "List the resources whose names match a pattern.",
        discussion: "* stands for any characters, / included, ? for one, [abc] for one of them. "
            + "Quote the pattern, so that the shell leaves it alone.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The pattern, matched with the whole name.")
    var pattern: String
    @Option(help: "At most so many.")
    var limit: Int?
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws { try Listing.check(limit) }

    func run() async throws {
        try await connection.run { client in
            try await Listing(prefix: nil, pattern: pattern, limit: limit, json: json).show(client)
        }
    }
}
