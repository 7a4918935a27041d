import ArgumentParser
import Client

/// A list of any length, page by page: memory holds one page.
struct Listing: Sendable {
    static let pageSize = 1000

    let prefix: String?
    let pattern: String?
    let limit: Int?
    let json: Bool

    static func check(_ limit: Int?) throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be 1 or more.") }
    }

    func show(_ client: AgentClient) async throws {
        var after: String?
        var left = limit ?? .max
        var unreachable: [String] = []
        var isFirst = true
        var isFirstPage = true
        repeat {
            let page = try await client.list(
                prefix: prefix, pattern: pattern, limit: min(left, Self.pageSize), after: after)
            // Only now: a failure of the first request leaves nothing on stdout that begins like a value.
            if json && isFirstPage { Terminal.print(jsonPart: "{\"resources\":[") }
            isFirstPage = false
            let resources = page.resources.prefix(left)
            left -= resources.count
            unreachable.append(contentsOf: page.unreachable.filter { !unreachable.contains($0) })
            try print(resources, isFirst: isFirst)
            if !resources.isEmpty { isFirst = false }
            // A page that does not get on would go round for ever.
            guard let next = page.next, next != after else {
                after = nil
                break
            }
            after = next
        } while left > 0
        if json {
            let next = try after.map { "\"next\":\(try Terminal.json($0))," } ?? ""
            Terminal.print(jsonPart: "],\(next)\"unreachable\":\(try Terminal.json(unreachable))}\n")
        } else if !unreachable.isEmpty {
            Terminal.say(
                "warning: no answer from \(unreachable.joined(separator: ", ")): what only they hold is not listed")
        }
    }

    private func print(_ resources: ArraySlice<API.ResourceInfo>, isFirst: Bool) throws {
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
