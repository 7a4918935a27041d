import ArgumentParser
import Client

struct MembersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members", abstract: "List the members of the cluster as the agent asked knows them.")

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            let members = try await client.members()
            if json { return try Terminal.print(json: members) }
            var table = Table([
                .init("NAME"), .init("ADDRESS"), .init("STATE"), .init("RTT", .right), .init("ZONE"),
                .init("WEIGHT", .right), .init("HOLDS", .right), .init("SINCE (UTC)"), .init("VERSION"),
            ])
            for member in members {
                table.add([
                    member.name, member.address, member.state.rawValue,
                    HumanUnits.roundTrip(milliseconds: member.rttMilliseconds), member.zone ?? "-", "\(member.weight)",
                    member.holds.map { "\($0)" } ?? "-", HumanUnits.time(member.since), member.version,
                ])
            }
            Terminal.print(
                table.text { row, column, text in
                    column == 2 && members.indices.contains(row)
                        ? Terminal.paint(text, Self.colour(members[row].state)) : text
                })
        }
    }

    private static func colour(_ state: API.MemberState) -> Terminal.Colour {
        switch state {
        case .alive: .green
        case .suspect, .restarting, .draining: .yellow
        case .crashed: .red
        case .left: .dim
        }
    }
}
