import ArgumentParser
import Client

struct ForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Strike a node that will not come back from the list of members.",
        discussion: """
            Nothing waits for it any more: neither what only it held, nor names that were deleted while it was away, which \
            are forgotten then. Should the host come back all the same, empty its data folder before its agent starts: what \
            was deleted would come back with it.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The node's name.")
    var node: String

    func run() async throws {
        try await connection.run { client in
            let result = try await client.forget(node)
            guard result.untold.isEmpty else {
                throw CommandFailure(
                    "\(node) is forgotten, but not by \(result.untold.joined(separator: ", ")), who could not be told",
                    hint: "what they tell of it may bring it back: forget it again when they answer", status: .tryAgain)
            }
            Terminal.say("\(node) is forgotten")
        }
    }
}
