import ArgumentParser
import Client

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Show what happened in the membership, as the agent asked knows.")

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Go on with those to come, until interrupted.")
    var follow = false
    @Flag(help: "Print one JSON value a line.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            for try await event in try await client.events(follow: follow) {
                if json {
                    try Terminal.print(json: event)
                } else {
                    Terminal.print(Self.line(event))
                }
            }
        }
    }

    private static func line(_ event: API.Event) -> String {
        var text = "\(HumanUnits.time(event.time))  \(event.type)  \(event.node)"
        if let address = event.address { text += " at \(address)" }
        if let by = event.by, by != event.node { text += ", says \(by)" }
        if let detail = event.detail { text += ": \(detail.printable())" }
        return text
    }
}
