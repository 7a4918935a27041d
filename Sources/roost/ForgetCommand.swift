import ArgumentParser
import Client

struct ForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Strike a node that will not come back from the list of members.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The node's name.")
    var node: String

    func run() async throws {
        try await connection.run { client in
            try await client.forget(node)
            Terminal.say("\(node) is forgotten")
        }
    }
}
