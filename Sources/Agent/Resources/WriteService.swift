import Client
import Logging
import NIOCore
import Node
import Relocation
import Resources
import Storage
import Vocabulary

/// Puts and deletes. The bytes are durable here first; then the write goes to the first owner of the name's slot that
/// answers, which orders it among the name's other writes, pulls the bytes, and waits for the copies of law 1.
struct WriteService: Sendable {
    let core: AgentCore

    /// Takes a write whose bytes, if it has any, are held here under `lease`.
    ///
    /// - Throws: `WriteRequest.Refusal`, `StorageError`, or `WriteFailure`.
    func write(_ request: WriteRequest, lease: BlobLease?, visited: [NodeName]) async throws -> WriteReceipt {
        switch core.driver.read({ $0.route(writing: request.name, visited: visited, at: NodeDriver.now) }) {
        case .here: return try await writeHere(request, lease: lease, visited: visited)
        case .forward(let nodes):
            return try await forward(request, lease: lease, to: nodes, visited: visited + [core.name])
        case .nobody: throw WriteFailure.nobody(request.name)
        }
    }

    /// Takes a write that another node passes on; its bytes are there.
    func take(_ order: WriteOrder, from asker: NodeName) async throws -> WriteReceipt {
        var lease: BlobLease?
        if case .blob(let digest, let size, _) = order.content {
            lease = try await core.puller.obtain(digest, size: size, from: [asker])
        }
        let request = WriteRequest(
            name: order.name, content: order.content, home: order.home, precondition: order.condition.precondition)
        return try await write(request, lease: lease, visited: order.visited)
    }

    private func writeHere(
        _ request: WriteRequest, lease: BlobLease?, visited: [NodeName]
    ) async throws -> WriteReceipt {
        let known = try await testimony(on: request.name)
        let outcome = try await core.store.write(
            request, knowing: known, wallMilliseconds: WallClock.milliseconds, holding: lease)
        core.driver.feed(.convergence(.wrote(outcome.groups)))
        let own = outcome.set.group(in: core.cluster)
        let acknowledgement = await core.driver.acknowledgement(
            of: outcome.version, leaving: outcome.groups.map(\.key).first { $0 != own },
            within: TransferTime.limit(bytes: outcome.version.size))
        guard !acknowledgement.copies.isEmpty else { throw WriteFailure.stopping }
        return WriteReceipt(
            version: outcome.version, copies: acknowledgement.copies, wanted: acknowledgement.wanted,
            replaced: outcome.set.versions.dropFirst().first.map { !$0.isTombstone } ?? (known?.live != nil),
            route: visited + [core.name])
    }

    /// What others hold of the name, where this node alone can not judge the write. Who does not answer in time has no
    /// say: the write would wait for a dead node.
    private func testimony(on name: ResourceName) async throws -> VersionSet? {
        let held = try await core.store.versions(of: name)
        let witnesses = core.driver.read { $0.witnesses(writing: name, held: held) }
        return await withTaskGroup(of: [Version].self) { tasks in
            for node in witnesses.prefix(64) {
                tasks.addTask {
                    do { return try await core.calls.versions(of: name, from: node) } catch {
                        core.log.debug("no word on a name", metadata: ["from": "\(node)", "error": "\(error)"])
                        return []
                    }
                }
            }
            var all: [Version] = []
            for await versions in tasks { all += versions.filter { $0.name == name } }
            return VersionSet(all)
        }
    }

    /// Tries the nodes in turn. A refusal of the write itself is final; a node that can not be reached, or that may
    /// not vouch for the slot yet, is passed over.
    private func forward(
        _ request: WriteRequest, lease: BlobLease?, to nodes: [NodeName], visited: [NodeName]
    ) async throws -> WriteReceipt {
        // The owner pulls the bytes from here: they stay until it has answered.
        defer { withExtendedLifetime(lease) {} }
        let order = WriteOrder(
            name: request.name, content: request.content, home: request.home,
            condition: WriteOrder.Condition(request.precondition), visited: visited)
        var size: UInt64 = 0
        if case .blob(_, let bytes, _) = request.content { size = bytes }
        var failures: [String] = []
        for node in nodes {
            if node == core.name { return try await writeHere(request, lease: lease, visited: visited.dropLast()) }
            do {
                return try await core.calls.write(order, to: node, size: size)
            } catch let error as PeerCallError {
                guard case .refused(_, _, let status, let body) = error, status != 502, status != 503, status != 507
                else {
                    failures.append("\(error)")
                    continue
                }
                throw WriteFailure.refused(status: status, body)
            } catch {
                try Task.checkCancellation()
                failures.append("\(node): \(error)")
            }
        }
        throw WriteFailure.unreachable(request.name, failures)
    }
}

/// Why a write was not taken.
enum WriteFailure: Error, CustomStringConvertible {
    case nobody(ResourceName)
    case unreachable(ResourceName, [String])
    /// The owner's own answer, to be passed on as it is.
    case refused(status: Int, API.ErrorBody)
    case stopping

    var description: String {
        switch self {
        case .nobody(let name): "no node may take a write of \(name) now: the owners are still getting in step"
        case .unreachable(let name, let failures):
            "no owner of \(name) could be reached: \(failures.joined(separator: "; "))"
        case .refused(let status, let body): "refused with \(status): \(body.error.message)"
        case .stopping: "this node is stopping"
        }
    }
}
