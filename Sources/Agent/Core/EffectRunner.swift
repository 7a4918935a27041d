import Logging
import Node
import Relocation
import Resources
import SWIM
import Storage
import Vocabulary

/// Carries out what the node decided, each effect as its own task, and feeds back how it went. What can be under way
/// at once is bounded by the node: one comparison or exchange a peer, a few pulls, the offers of the writes.
struct EffectRunner: Sendable {
    let core: AgentCore
    let members: MembersService

    func run() async {
        await withDiscardingTaskGroup { group in
            for await effect in core.driver.pending { group.addTask { await carryOut(effect) } }
            group.cancelAll()
        }
    }

    private func carryOut(_ effect: NodeMachine.Effect) async {
        switch effect {
        case .exchangeMembers(let node, let endpoint): await members.exchange(with: node, at: endpoint)
        case .fallbackProbe(let sequence, let node, let endpoint, let claims):
            let result = await members.probe(node, at: endpoint, claims) {
                core.driver.feed(.membership(.fallback(sequence, of: node, .stalled)))
            }
            core.driver.feed(.membership(.fallback(sequence, of: node, result)))
        case .convergence(let effect): await carryOut(effect)
        case .tombstones(let effect): await TombstoneService(core: core).carryOut(effect)
        case .offer(let id, let node, let version): await offer(version, to: node, for: id)
        case .send, .event, .acknowledge: break  // carried out at once, by the driver and its `immediate`
        }
    }

    private func carryOut(_ effect: Convergence.Effect) async {
        switch effect {
        case .compare(let id, let node, let request):
            await compare(id, node) { .compared(id, try await core.calls.compare(request, with: node)) }
        case .compareSums(let id, let node, let request):
            await compare(id, node) { .comparedSums(id, try await core.calls.compareSums(request, with: node)) }
        case .exchange(let id, let node, let intents): await exchange(id, intents, with: node)
        case .pull(let version, let holders): await pull(version, from: holders)
        case .drop(let key, let digest): await drop(key, ifDigest: digest)
        }
    }

    private func compare(
        _ id: Convergence.CallID, _ node: NodeName, _ answer: () async throws -> Convergence.Input
    ) async {
        do { core.driver.feed(.convergence(try await answer())) } catch { failed(id, "compare", node, error) }
    }

    private func failed(_ id: Convergence.CallID, _ what: String, _ node: NodeName, _ error: any Error) {
        core.log.debug("could not \(what) with \(node)", metadata: ["error": "\(error)"])
        core.driver.feed(.convergence(.failed(id)))
    }

    private func exchange(_ id: Convergence.CallID, _ intents: [Convergence.ExchangeIntent], with node: NodeName) async
    {
        do {
            let held = try await core.store.versions(in: intents.map(\.key))
            let told = zip(intents, held).map { $0.telling($1) }
            let reply = try await core.calls.exchange(ExchangeRequest(groups: told), with: node)
            core.driver.feed(.convergence(.exchanged(id, told: told, reply)))
        } catch {
            failed(id, "exchange", node, error)
        }
    }

    private func pull(_ version: Version, from holders: [NodeName]) async {
        do {
            var leases: [BlobLease] = []
            if case .blob(let digest, let size, _) = version.content {
                // Who leaves waits for it, and not for ever.
                let isUrgent = core.driver.read { machine in
                    holders.contains { machine.membership.member($0)?.status == .draining }
                }
                leases = [
                    try await core.puller.obtain(
                        digest, size: size, from: core.driver.nearestFirst(holders), for: isUrgent ? .handover : .move)
                ]
            }
            let held = leases
            try await core.throttle.spent {
                try await core.store.merge([version], holding: held) { groups in
                    core.driver.feed(.convergence(.stored(groups)))
                }
            }
            core.driver.feed(.convergence(.pulled(version, .durable)))
        } catch {
            // A full disk refuses one after the other, and that is told once (`AgentService+Status`).
            let isOfDisk = StorageError.isOfDisk(error)
            core.log.log(
                level: isOfDisk ? .debug : .info, "could not pull a version yet",
                metadata: [
                    "name": "\(version.name)", "from": "\(holders.map(\.text).joined(separator: ","))",
                    "error": "\(error)",
                ])
            core.driver.feed(.convergence(.pulled(version, isOfDisk ? .refused : .unavailable)))
        }
    }

    private func drop(_ key: GroupKey, ifDigest digest: SetDigest) async {
        do {
            let turn = try await core.throttle.turn()
            defer { turn?.end() }
            let isGone = try await MoveThrottle.work(in: turn) {
                try await core.store.drop(
                    key, ifDigest: digest,
                    while: { core.driver.read { $0.mayStillDrop(key, digest, at: NodeDriver.now) } },
                    committed: { core.driver.feed(.convergence(.stored([GroupSummary(key: key)]))) })
            }
            core.driver.feed(.convergence(.dropped(key, isGone ? .gone : .changed)))
        } catch {
            // An agent that stops leaves the rest for its next start.
            core.log.log(
                level: error is CancellationError ? .debug : .warning,
                "could not drop what others hold now; it is tried again",
                metadata: ["group": "\(key)", "error": "\(error)"])
            core.driver.feed(.convergence(.dropped(key, .failed)))
        }
    }

    private func offer(_ version: Version, to node: NodeName, for id: NodeMachine.WriteID) async {
        let key = version.group(in: core.cluster)
        let status = core.driver.read { $0.convergence.status(of: key) }
        do {
            let reply = try await core.calls.offer(OfferRequest(version: version, status: status), to: node)
            core.driver.feed(.offerAnswered(id, by: node, .stored(reply)))
        } catch {
            core.log.info(
                "a copy could not be made", metadata: ["name": "\(version.name)", "on": "\(node)", "error": "\(error)"])
            core.driver.feed(.offerAnswered(id, by: node, Self.outcome(of: error)))
        }
    }

    private static func outcome(of error: any Error) -> NodeMachine.OfferOutcome {
        if isLasting(error) { return .declined }
        return PeersError.isBusy(error) ? .busy : .failed
    }

    /// Whether the node has heard of the version and asking once more would end the same way: it has no room.
    private static func isLasting(_ error: any Error) -> Bool {
        guard case PeerCallError.refused(_, _, let status, _) = error else { return false }
        return status == 507
    }
}
