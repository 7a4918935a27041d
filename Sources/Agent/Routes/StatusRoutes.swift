import Client
import HTTPTypes
import Hummingbird
import NIOCore
import Node
import Placement
import Relocation
import SWIM
import Storage
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How this node is doing: status, ring, events, health.
struct StatusRoutes: Sendable {
    let box: CoreBox
    let version: String

    func add(to router: Router<APIContext>) {
        router.get("/v1/status") { _, _ in Response.json(try await status(box.parts.core)) }
        router.get("/v1/ring") { _, _ in Response.json(try ring(box.parts.core)) }
        router.get("/healthz") { _, _ in Response.text("ok\n") }
        router.get("/readyz") { _, _ in
            let phase = try box.parts.core.driver.read { $0.phase }
            let isReady = phase == .serving || phase == .syncing
            return Response.text("\(phase.rawValue)\n", status: isReady ? .ok : .serviceUnavailable)
        }
    }

    private func status(_ core: AgentCore) async throws -> API.Status {
        let (phase, totals, members, endpoint, withoutRoom, awaited, left) = core.driver.read {
            (
                $0.phase, $0.convergence.totals, $0.membership.members, $0.membership.oneself.endpoint,
                API.NoRoom.all(in: $0), $0.tombstonesWaitFor,
                API.Handover(resources: $0.convergence.resourcesShort, bytes: $0.convergence.bytesShort)
            )
        }
        let free = await core.store.freeBytes()
        var counts = API.MemberCounts()
        for member in members {
            switch member.status {
            case .alive: counts.alive += 1
            case .suspect: counts.suspect += 1
            case .restarting: counts.restarting += 1
            case .draining: counts.draining += 1
            case .crashed: counts.crashed += 1
            case .left: counts.left += 1
            }
        }
        let credentials = core.credentials.context.credentials
        let settled = phase == .serving || phase == .draining
        return API.Status(
            node: core.name.text, cluster: core.cluster.text, phase: API.Phase(rawValue: phase.rawValue) ?? .starting,
            converged: settled && totals.isConverged, version: version, address: endpoint.description,
            uptimeMilliseconds: UInt64(clamping: (NIODeadline.now() - core.startedAt).nanoseconds / 1_000_000),
            members: counts,
            resources: API.ResourceCounts(
                held: totals.held, owned: totals.owned, underReplicated: totals.underReplicated,
                misplaced: totals.misplaced),
            moves: API.MoveCounts(
                active: totals.pullsActive, queued: totals.pullsQueued,
                bytes: core.traffic.receivedBytes &+ core.traffic.sentBytes),
            certificate: certificate(credentials),
            data: API.DataStatus(used: totals.bytes, free: free), replicas: core.settings.replicas,
            scrub: core.scrub.status, epoch: core.store.epoch,
            process: API.ProcessStatus(
                pid: Int(getpid()), filesOpen: ProcessFiles.open, filesMax: ProcessFiles.limit),
            time: API.Timestamp.text(unixMilliseconds: WallClock.milliseconds), withoutRoom: withoutRoom,
            deletedWaitFor: awaited.map(\.text), handover: phase == .draining ? left : nil)
    }

    private func certificate(_ credentials: Credentials) -> API.CertificateStatus {
        let now = WallClock.seconds
        let authority = credentials.authorityLife
        return API.CertificateStatus(
            name: credentials.name.uri, expires: API.Timestamp.text(unixSeconds: credentials.notAfter),
            expiresSoon: credentials.life.state(at: now) != .fine,
            caExpires: authority.map { API.Timestamp.text(unixSeconds: $0.notAfter) },
            caExpiresSoon: authority.map { $0.state(at: now) != .fine })
    }

    private func ring(_ core: AgentCore) -> API.RingInfo {
        core.driver.read { machine in
            var first: [NodeName: Int] = [:]
            var owned: [NodeName: Int] = [:]
            for slot in Slot.all {
                let owners = machine.convergence.owners(of: slot)
                if let leader = owners.first { first[leader, default: 0] += 1 }
                for owner in owners { owned[owner, default: 0] += 1 }
            }
            let candidates = machine.convergence.view.ring.candidates
            let copies = Double(Slot.count * min(machine.settings.replicas, max(candidates.count, 1)))
            return API.RingInfo(
                slots: Slot.count, replicas: machine.settings.replicas,
                nodes: candidates.map { candidate in
                    API.RingInfo.Share(
                        node: candidate.name.text, weight: candidate.weight, zone: candidate.zone,
                        first: first[candidate.name] ?? 0, owned: owned[candidate.name] ?? 0,
                        share: Double(owned[candidate.name] ?? 0) / copies)
                })
        }
    }
}

extension API.NoRoom {
    /// Those that the node knows of.
    static func all(in machine: NodeMachine) -> [API.NoRoom] {
        machine.convergence.withoutRoom.map { API.NoRoom(node: $0.node.text, resources: $0.resources) }
    }
}
