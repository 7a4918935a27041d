import Client

/// A list of any length, page by page: memory holds one page.
struct ListPages {
    private static let size = 1000

    private let client: AgentClient
    private let prefix: String?
    private let pattern: String?
    private let conflictsOnly: Bool
    private var hasEnded = false
    /// The name after which the list goes on; nil before the first page and after the last.
    private(set) var after: String?
    /// Nodes that gave no answer: what only they hold is missing.
    private(set) var unreachable: [String] = []

    init(_ client: AgentClient, prefix: String?, pattern: String? = nil, conflictsOnly: Bool = false) {
        self.client = client
        self.prefix = prefix
        self.pattern = pattern
        self.conflictsOnly = conflictsOnly
    }

    /// - Parameter most: resources wanted; a page may have fewer.
    /// - Returns: nil after the last page.
    /// - Throws: as `AgentClient.list`.
    mutating func next(most: Int = .max) async throws -> [API.ResourceInfo]? {
        guard !hasEnded, most > 0 else { return nil }
        let page = try await client.list(
            prefix: prefix, pattern: pattern, limit: min(most, Self.size), after: after, conflictsOnly: conflictsOnly)
        unreachable.append(contentsOf: page.unreachable.filter { !unreachable.contains($0) })
        // A page that does not get on would go round for ever.
        after = page.next == after ? nil : page.next
        hasEnded = after == nil
        return Array(page.resources.prefix(most))
    }

    func warnOfUnreachable() {
        guard !unreachable.isEmpty else { return }
        Terminal.say(
            "warning: no answer from \(unreachable.sorted().joined(separator: ", ")): what only they hold is not listed"
        )
    }
}
