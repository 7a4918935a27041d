import ArgumentParser
import Client

struct MembersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members", abstract: "List the members of the cluster as the agent asked knows them.")

    @OptionGroup var connection: ConnectionOptions
    @Option(
        help: "Tell how this member came to be held for what it is: who suspected it, by which signs, who confirmed.")
    var why: String?
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Only members with this tag; the value may be a regular expression. Given again, all must match.",
            valueName: "key=value"))
    var tag: [String] = []
    @Flag(help: "Show tags in full, however long.")
    var wide = false
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws {
        _ = try TagFilter(tag)
        if why != nil && !tag.isEmpty { throw ValidationError("--why and --tag exclude each other.") }
    }

    func run() async throws {
        try await connection.run { client in
            if let why { return try explain(try await client.why(why)) }
            let members = try select(await client.members())
            if json { return try Terminal.print(json: members) }
            // Where nobody has tags, the list is as narrow as it was.
            let hasTags = members.contains { $0.tags != nil || $0.tagsPending == true }
            var table = Table(
                [
                    .init("NAME"), .init("ADDRESS"), .init("STATE"), .init("RTT", .right), .init("ZONE"),
                    .init("WEIGHT", .right), .init("HOLDS", .right), .init("SINCE (UTC)"), .init("VERSION"),
                ] + (hasTags ? [.init("TAGS")] : []))
            for member in members {
                table.add([
                    member.name, member.address, Self.state(member),
                    HumanUnits.roundTrip(milliseconds: member.rttMilliseconds), member.zone ?? "-", "\(member.weight)",
                    member.holds.map { "\($0)" } ?? "-", HumanUnits.time(member.since), member.version,
                    tags(member),
                ])
            }
            Terminal.print(
                painted: table.text { row, column, text in
                    column == 2 && members.indices.contains(row)
                        ? Terminal.paint(text, Self.colour(members[row].state)) : text
                })
        }
    }

    private func select(_ members: [API.Member]) throws -> [API.Member] {
        guard !tag.isEmpty else { return members }
        let filter = try TagFilter(tag)
        let pending = members.filter { $0.tagsPending == true }.map(\.name)
        if !pending.isEmpty {
            Terminal.say(
                "warning: the tags of \(pending.joined(separator: ", ")) are not known yet: ask again in a moment")
        }
        return members.filter(filter.matches)
    }

    private func tags(_ member: API.Member) -> String {
        if member.tagsPending == true { return "(not known yet)" }
        // Else what fits beside the rest on a wide terminal.
        return TagsText.line(member.tags ?? [:], valueMax: wide ? .max : 20, max: wide ? .max : 40)
    }

    private static func state(_ member: API.Member) -> String {
        switch member.reach {
        case "relayed" where member.state != .crashed && member.state != .left: "\(member.state.rawValue) (by others)"
        case "tls" where member.state != .crashed && member.state != .left: "\(member.state.rawValue) (TLS only)"
        default: member.state.rawValue
        }
    }

    private func explain(_ why: API.Explanation) throws {
        if json { return try Terminal.print(json: why) }
        var lines = ["\(why.name) is \(why.state.rawValue) since \(HumanUnits.time(why.since))"]
        switch why.reach {
        case "relayed": lines.append("it lives as others say; its datagrams and those of the node asked do not pass")
        case "tls": lines.append("it answers over TLS only: UDP is blocked on the way")
        default: break
        }
        lines += ExplanationText.steps(of: why)
        if let refutation = why.refutation { lines.append("what would clear it: \(refutation)") }
        if why.healthScore > 0 {
            lines.append("the node asked doubts itself as a judge (health score \(why.healthScore) of 8)")
        }
        Terminal.print(lines.joined(separator: "\n"))
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
