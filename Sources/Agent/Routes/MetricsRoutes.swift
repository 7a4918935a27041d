import HTTPTypes
import Hummingbird
import NIOCore
import Node
import Relocation
import TLS

/// `GET /metrics`: figures read from the parts at the time of asking, so that nothing counts what nobody reads.
struct MetricsRoutes: Sendable {
    let box: CoreBox
    let version: String

    func add(to router: Router<APIContext>) {
        router.get("/metrics") { _, _ in
            let parts = try box.parts
            let text = await exposition(of: parts.core, renewals: parts.certificates.renewals.figures)
            var buffer = ByteBuffer()
            buffer.writeString(text)
            return Response(
                status: .ok, headers: [.contentType: Metrics.contentType],
                body: ResponseBody(byteBuffer: buffer))
        }
    }

    func exposition(of core: AgentCore, renewals: RenewalService.Counts) async -> String {
        let metrics = Metrics()
        let (membership, detector) = core.driver.read {
            (MembershipFigures($0.membership), DetectorFigures($0.membership))
        }
        gauge(metrics, core)
        traffic(metrics, core, droppedBySystem: await core.gossip.droppedBySystem())
        CertificateFigures.add(renewals, to: metrics)
        detector.add(to: metrics)
        let peers = await core.peers.snapshot
        metrics.set("roost_peers_connected", to: Double(peers.count), help: "Distinct peers connected now.")
        // Last, since its series grow with the cluster: past the bound of all, it is those that are missing.
        membership.add(to: metrics, events: core.events.counts)
        return metrics.exposition
    }

    private func gauge(_ metrics: Metrics, _ core: AgentCore) {
        let (totals, phase, replanned, withoutRoom, collected, awaited) = core.driver.read {
            (
                $0.convergence.totals, $0.phase, $0.convergence.groupsReplanned, $0.convergence.withoutRoom,
                $0.tombstones.collected, $0.tombstonesWaitFor.count
            )
        }
        metrics.set("roost_build_info", ["version": version], to: 1, help: "The build that runs.")
        metrics.set("roost_ready", to: phase == .serving ? 1 : 0, help: "1 while every slot is in step.")
        metrics.set("roost_resources_held", to: Double(totals.held), help: "Live resources on this node's disk.")
        metrics.set("roost_resources_owned", to: Double(totals.owned), help: "Held ones that this node owns.")
        metrics.set(
            "roost_resources_under_replicated", to: Double(totals.underReplicated),
            help: "Owned ones that not every owner has confirmed.")
        metrics.set(
            "roost_resources_misplaced", to: Double(totals.misplaced), help: "Held ones that others own.")
        metrics.set(
            "roost_resources_without_room", to: Double(withoutRoom.reduce(0) { $0 &+ $1.resources }),
            help: "Those that an owner, this node or one of its fellows, has no room for.")
        metrics.count(
            "roost_tombstones_collected_total", by: Double(collected),
            help: "Deleted names that were forgotten by this node's word.")
        metrics.set(
            "roost_tombstones_waited_for", to: Double(awaited),
            help: "Members that are away, without whose word deleted names that are due are not forgotten.")
        metrics.set("roost_data_bytes", to: Double(totals.bytes), help: "Bytes of all versions held.")
        metrics.set("roost_slots_unsynced", to: Double(totals.slotsUnsynced), help: "Slots that are forwarded still.")
        metrics.set("roost_moves_active", to: Double(totals.pullsActive), help: "Versions being pulled.")
        metrics.set("roost_moves_queued", to: Double(totals.pullsQueued), help: "Versions waiting to be pulled.")
        metrics.count(
            "roost_groups_replanned_total", by: Double(replanned),
            help: "Groups looked at because the membership changed.")
        metrics.set(
            "roost_moves_share", to: core.throttle.share ?? Double(core.settings.relocation.streams),
            help: "Of the time, what moves may take beside queries, summed over the streams.")
        metrics.count(
            "roost_moves_waited_seconds_total", by: core.throttle.waitedSeconds,
            help: "What moves waited for their turn, summed over them.")
        metrics.set(
            "roost_uptime_seconds", to: Double((NIODeadline.now() - core.startedAt).nanoseconds) / 1e9,
            help: "Since this agent started.")
    }

    private func traffic(_ metrics: Metrics, _ core: AgentCore, droppedBySystem: UInt64) {
        GossipFigures.add(core.gossip.counts, droppedBySystem: droppedBySystem, to: metrics)
        ClaimsFigures.add(core.claims.verifier.counts, to: metrics)
        TLSFigures.add(core.tlsFailures.counts, underWay: core.handshakes.underWay, to: metrics)
        TagsFigures.add(core, to: metrics)
        ScrubFigures.add(core, to: metrics)
        CertificateFigures.add(core.credentials.context.credentials, at: WallClock.seconds, to: metrics)
        KeyFigures.add(core, to: metrics)
        metrics.count(
            "roost_name_conflicts_total", by: Double(core.claims.conflicts.count),
            help: "Refusals of a second host under the name of a live one.")
        metrics.count(
            "roost_moved_bytes_total", ["direction": "received"], by: Double(core.traffic.receivedBytes),
            help: "Resource bytes moved between nodes.")
        metrics.count("roost_moved_bytes_total", ["direction": "sent"], by: Double(core.traffic.sentBytes))
    }
}
