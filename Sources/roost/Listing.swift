import ArgumentParser
import Client

/// What `ls` and `find` print.
struct Listing: Sendable {
    let prefix: String?
    let pattern: String?
    let limit: Int?
    let json: Bool

    static func check(_ limit: Int?) throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be 1 or more.") }
    }

    func show(_ client: AgentClient) async throws {
        var pages = ListPages(client, prefix: prefix, pattern: pattern)
        var left = limit ?? .max
        var isFirst = true
        var isFirstPage = true
        while let resources = try await pages.next(most: left) {
            // Only now: a failure of the first request leaves nothing on stdout that begins like a value.
            if json && isFirstPage { Terminal.print(jsonPart: "{\"resources\":[") }
            isFirstPage = false
            left -= resources.count
            try print(resources, isFirst: isFirst)
            if !resources.isEmpty { isFirst = false }
        }
        guard json else { return pages.warnOfUnreachable() }
        let next = try pages.after.map { "\"next\":\(try Terminal.json($0))," } ?? ""
        Terminal.print(jsonPart: "],\(next)\"unreachable\":\(try Terminal.json(pages.unreachable))}\n")
    }

    private func print(_ resources: [API.ResourceInfo], isFirst: Bool) throws {
        if json {
            var isFirst = isFirst
            for resource in resources {
                Terminal.print(jsonPart: (isFirst ? "" : ",") + (try Terminal.json(resource)))
                isFirst = false
            }
            return
        }
        var table = Table([
            .init("NAME"), .init("SIZE", .right), .init("MODIFIED (UTC)"), .init("HOME"), .init("HOLDERS"),
            .init("CONFLICTS", .right),
        ])
        for resource in resources {
            table.add([
                resource.name, HumanUnits.bytes(resource.size), HumanUnits.time(resource.modified),
                resource.home ?? "-", resource.holders.joined(separator: ","), "\(resource.conflicts)",
            ])
        }
        if !table.isEmpty { Terminal.print(table.text(headings: isFirst)) }
    }
}
