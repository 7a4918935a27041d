import ArgumentParser
import Client

struct RttCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rtt", abstract: "Show the round-trip times that the agent asked has measured, nearest first.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "Only to this node.")
    var node: String?
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            var members = try await client.members()
            if let node {
                members = members.filter { $0.name == node }
                guard !members.isEmpty else {
                    throw CommandFailure(
                        "no member has the name \(node)", hint: "`roost members` lists them", status: .notFound)
                }
            }
            let rows = members.sorted { a, b in
                (a.rttMilliseconds ?? .infinity, a.name) < (b.rttMilliseconds ?? .infinity, b.name)
            }
            if json {
                return try Terminal.print(
                    json: rows.map { Row(node: $0.name, state: $0.state, rttMilliseconds: $0.rttMilliseconds) })
            }
            var table = Table([.init("NODE"), .init("RTT", .right), .init("STATE")])
            for member in rows {
                table.add([
                    member.name, HumanUnits.roundTrip(milliseconds: member.rttMilliseconds), member.state.rawValue,
                ])
            }
            Terminal.print(table.text())
        }
    }

    private struct Row: Encodable {
        let node: String
        let state: API.MemberState
        let rttMilliseconds: Double?

        enum CodingKeys: String, CodingKey {
            case node, state
            case rttMilliseconds = "rtt_ms"
        }
    }
}
