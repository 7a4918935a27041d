import ArgumentParser
import Client

struct RmCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Delete a resource.",
        discussion: """
            Its earlier versions go with it, and give their space back; the name is free at once. Of a name that is deleted \
            already, and has versions that the delete had not seen (conflicts lists them), those go.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The resource's name.", transform: NameArgument.parse)
    var name: String
    @Option(help: "Only if the present version is this one (see history).")
    var ifVersion: String?
    @Flag(help: "Exit with 75 when fewer nodes than wanted know of it in time.")
    var strict = false
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            let answer = try await client.delete(name, ifVersion: ifVersion)
            try WriteReport.show(answer, did: "deleted", json: json, strict: strict)
        }
    }
}
