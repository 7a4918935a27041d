import ArgumentParser
import Client
import Vocabulary

struct JoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Make the agent asked join the cluster of one of these hosts.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "HOST[:PORT] of members; without a port it is 7667.")
    var hosts: [String]
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws {
        guard hosts.count <= API.JoinRequest.addressesMax else {
            throw ValidationError("At most \(API.JoinRequest.addressesMax) hosts can be named.")
        }
        for host in hosts {
            do { _ = try Endpoint(parsing: host) } catch { throw ValidationError(error.description) }
        }
    }

    func run() async throws {
        let addresses = try hosts.map { try Endpoint(parsing: $0).description }
        try await connection.run(firstOnly: true) { client in
            let result = try await client.join(addresses)
            for failure in result.failed { Terminal.say("warning: \(failure.address): \(failure.message)") }
            if json { return try Terminal.print(json: result) }
            Terminal.print("joined \(result.joined.joined(separator: ", ")): \(result.members) members")
        }
    }
}
