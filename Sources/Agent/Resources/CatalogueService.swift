import Client
import Node
import Relocation
import Resources
import SWIM
import Storage
import Vocabulary

/// What the whole cluster holds: the list, and who holds what. Every member that can be reached is asked; those that
/// do not answer in time are named in the answer.
struct CatalogueService: Sendable {
    let core: AgentCore

    static let limitDefault = 1000
    static let limitMax = Store.listLimitMax

    struct Query: Sendable {
        var prefix = ""
        var pattern: String?
        var limit = CatalogueService.limitDefault
        var after: ResourceName?
        /// Only names with conflicts, those among them, too, of which a delete goes first. Whom this node asks tells of all.
        var conflictsOnly = false

        var items: [(name: String, value: String?)] {
            [
                ("prefix", prefix.isEmpty ? nil : prefix), ("pattern", pattern), ("limit", "\(limit)"),
                ("after", after?.text),
            ]
        }
    }

    /// This node's own page, deleted names included.
    func page(_ query: Query) async throws -> PeerListing {
        let limit = min(max(query.limit, 1), Self.limitMax)
        let sets = try await core.store.list(
            prefix: query.prefix, glob: query.pattern.map { Glob($0) }, limit: limit, after: query.after,
            liveOnly: false)
        return PeerListing(
            entries: sets.map { PeerListing.Entry(head: $0.head, conflicts: $0.conflicts) },
            truncated: sets.count == limit)
    }

    func list(_ query: Query) async throws -> API.ResourceList {
        let survey = await Survey(core) { node in
            node == core.name ? try await page(query) : try await core.calls.list(query.items, from: node)
        }
        let pages = survey.answers
        // Beyond the last name of a truncated page that node was not heard: names past it belong to the next page.
        let horizon = pages.filter { $0.answer.truncated }.compactMap { $0.answer.entries.last?.head.name }.min()
        var found: [ResourceName: Found] = [:]
        for (node, page) in pages {
            for entry in page.entries {
                if let horizon, entry.head.name > horizon { break }
                found[entry.head.name, default: Found()].add(entry, from: node)
            }
        }
        let names = found.filter { !query.conflictsOnly || $0.value.conflicts > 0 }.keys.sorted()
        let limit = min(max(query.limit, 1), Self.limitMax)
        let shown = names.prefix(limit)
        let infos = shown.compactMap { found[$0]?.info(ofDeleted: query.conflictsOnly) }
        return API.ResourceList(
            resources: infos, next: (names.count > limit ? shown.last : horizon)?.text,
            unreachable: survey.unreachable.map(\.text))
    }

    /// One name's greatest head over all nodes, and who has it.
    private struct Found {
        var head: Version?
        var conflicts = 0
        var holders: [NodeName] = []

        mutating func add(_ entry: PeerListing.Entry, from node: NodeName) {
            guard let known = head, !Version.precedes(known, entry.head) else {
                head = entry.head
                conflicts = entry.conflicts
                holders = [node]
                return
            }
            guard known.dot == entry.head.dot else { return }
            holders.append(node)
            conflicts = max(conflicts, entry.conflicts)
        }

        /// - Parameter ofDeleted: also of a name of which a delete is the head.
        func info(ofDeleted: Bool) -> API.ResourceInfo? {
            guard let head, ofDeleted || !head.isTombstone else { return nil }
            return API.ResourceInfo(
                name: head.name.text, version: head.dot.description, deleted: head.isTombstone ? true : nil,
                sha256: head.digest?.hex, size: head.size,
                modified: API.Timestamp.text(unixMilliseconds: head.time.wallMilliseconds),
                contentType: head.mediaType, home: head.home?.text, holders: holders.map(\.text).sorted(),
                conflicts: conflicts)
        }
    }

    /// - Throws: `CatalogueError.notFound` when no node that answers has the name.
    func locate(_ name: ResourceName) async throws -> API.Where {
        let survey = await Survey(core) { node in
            node == core.name
                ? try await core.store.versions(of: name)?.versions ?? []
                : try await core.calls.testimony(of: name, from: node).versions
        }
        let heads = survey.answers.compactMap { answer in VersionSet(answer.answer).map { (answer.node, $0.head) } }
        guard let head = heads.map(\.1).max(by: Version.precedes), !head.isTombstone else {
            throw CatalogueError.notFound(name)
        }
        let key = head.group(in: core.cluster)
        let owners = core.driver.read { $0.convergence.owners(of: key) }
        return API.Where(
            name: name.text, slot: Int(key.slot.number), owners: owners.map(\.text),
            holders: heads.filter { $0.1.dot == head.dot }.map(\.0.text).sorted(), home: head.home?.text)
    }
}

enum CatalogueError: Error {
    case notFound(ResourceName)
}
