import Client
import Logging
import Node
import Relocation
import Resources
import Storage
import Vocabulary

/// Forgets deleted names when every member agrees: carries out what `TombstoneCollection` decides, and answers those of others.
struct TombstoneService: Sendable {
    static let storageKey = "acquaintances"

    let core: AgentCore

    /// Whom this node met in its earlier lives: to be known before it agrees to anything. A folder of an earlier release does not
    /// tell; then it is whoever it remembers otherwise, and whoever wrote anything that is held here.
    ///
    /// - Throws: what reading throws; `DecodingError` for what nobody wrote.
    func recall(besides remembered: [NodeName]) async throws {
        let met: Acquaintances
        if let bytes = try await core.store.load(Self.storageKey) {
            met = try API.JSON.decode(Acquaintances.self, from: bytes)
        } else {
            met = Acquaintances(known: remembered + (try await core.store.writers()))
        }
        core.driver.feed(.tombstones(.known(met)))
    }

    func carryOut(_ effect: TombstoneCollection.Effect) async {
        switch effect {
        case .remember: await core.acquaintances.save()
        case .load(let after, let keep, let limit): await load(after, keep, limit)
        case .ask(let id, let node, let request):
            let reply = await ask(node, request)
            core.driver.feed(.tombstones(.answered(id, reply)))
        case .forget(let sets):
            do {
                try await forget(sets)
                core.log.info("deleted names were forgotten", metadata: ["count": "\(sets.count)"])
            } catch {
                core.log.warning("could not forget deleted names yet", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Answers another member.
    func answer(_ request: TombstoneRequest) async throws -> TombstoneReply {
        let present = core.driver.read(\.presentNames)
        core.driver.feed(.tombstones(.struck(request.struck, present: present)))
        // First what is on its way here, then what is here: in the other order, what came in between would be overlooked.
        let (unexpected, unlisted) = core.driver.consider(request)
        let sets = unexpected.filter { !core.intake.isTaking($0.name) }
        let held = try await core.store.versions(of: sets.map(\.name))
        let byName = Dictionary(held.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let confirmed = TombstoneRequest(members: request.members, sets: sets, isLast: request.isLast)
            .confirmed(by: byName)
        if request.isLast { try await forget(confirmed) }
        return TombstoneReply(confirmed: confirmed.map(\.name), unlisted: unlisted)
    }

    private func load(_ after: ResourceName?, _ keep: Duration, _ limit: Int) async {
        var found: (sets: [VersionSet], next: ResourceName?) = ([], nil)
        do {
            found = try await core.store.deleted(
                after: after, for: keep, wallMilliseconds: WallClock.milliseconds, limit: limit)
        } catch {
            core.log.warning("could not look for deleted names", metadata: ["error": "\(error)"])
        }
        core.driver.feed(.tombstones(.loaded(found.sets, next: found.next)))
    }

    private func ask(_ node: NodeName, _ request: TombstoneRequest) async -> TombstoneReply? {
        do { return try await core.calls.tombstones(request, with: node) } catch {
            core.log.debug("not asked about deleted names", metadata: ["member": "\(node)", "error": "\(error)"])
            return nil
        }
    }

    private func forget(_ all: [VersionSet]) async throws {
        let sets = all.filter { !core.intake.isTaking($0.name) }
        guard !sets.isEmpty else { return }
        core.driver.feed(.convergence(.forgot(sets)))
        try await core.store.forget(sets) { groups in core.driver.feed(.convergence(.stored(groups))) }
    }
}
