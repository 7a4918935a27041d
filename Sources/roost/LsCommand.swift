import ArgumentParser
import Client

struct LsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the resources of the whole cluster.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "Only names that begin so.")
    var prefix: String?
    @Option(help: "At most so many.")
    var limit: Int?
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws { try Listing.check(limit) }

    func run() async throws {
        try await connection.run { client in
            try await Listing(prefix: prefix, pattern: nil, limit: limit, json: json).show(client)
        }
    }
}
