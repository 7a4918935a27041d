import ArgumentParser
import Client

struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Take a certificate's rights away in the whole cluster.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The certificate's name, or the whole roost://CLUSTER/ROLE/NAME.")
    var name: String

    func run() async throws {
        try await connection.run { client in
            try await client.revoke(name)
            Terminal.say("\(name) is revoked")
        }
    }
}
