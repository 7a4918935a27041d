import ArgumentParser
import Client

struct ConflictsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conflicts",
        abstract: "List the resources that were written at once by writers who did not see each other.",
        discussion: """
            The version that a get answers is marked "head"; of the others, `roost get NAME --version V` gives the bytes. \
            Where a delete goes first, the head is "deleted" and a get finds nothing. The next write of the name has seen \
            them all and ends the conflict: a put, or an rm, also where the head is deleted already.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "Only names that begin so.")
    var prefix: String?
    @Flag(help: "Print one JSON value a resource, each on a line.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            var pages = ListPages(client, prefix: prefix, conflictsOnly: true)
            var count = 0
            while let resources = try await pages.next() {
                for resource in resources where resource.conflicts > 0 {
                    try await show(resource.name, client, isFirst: count == 0)
                    count += 1
                }
            }
            guard !json else { return }
            Terminal.say(
                count == 0
                    ? "no conflicts"
                    : "the next put or rm of a name ends its conflict; before that, `roost get NAME --version V` gives the "
                        + "bytes of what lost")
            pages.warnOfUnreachable()
        }
    }

    private func show(_ name: String, _ client: AgentClient, isFirst: Bool) async throws {
        let history = try await client.history(name)
        if json { return try Terminal.print(json: history) }
        var table = Table([
            .init("NAME"), .init("VERSION"), .init("KIND"), .init("SIZE", .right), .init("MODIFIED (UTC)"),
        ])
        for entry in history.versions where entry.kind != .earlier {
            table.add([
                name, entry.version, entry.deleted ? "\(entry.kind.rawValue), deleted" : entry.kind.rawValue,
                entry.deleted ? "-" : HumanUnits.bytes(entry.size), HumanUnits.time(entry.modified),
            ])
        }
        Terminal.print(table.text(headings: isFirst))
    }
}
