import HTTPTypes
import Hummingbird
import NIOCore
import Node
import Relocation
import SWIM
import Vocabulary

/// `GET /metrics`: figures read from the parts at the time of asking, so that nothing counts what nobody reads.
struct MetricsRoutes: Sendable {
    let box: CoreBox
    let version: String

    func add(to router: Router<APIContext>) {
        router.get("/metrics") { _, _ in
            let core = try box.parts.core
            let metrics = Metrics()
            gauge(metrics, core)
            MembershipMetrics.add(core.driver.read { $0.membership }, to: metrics)
            traffic(metrics, core)
            let peers = await core.peers.snapshot
            metrics.set("roost_peers_connected", to: Double(peers.count), help: "Distinct peers connected now.")
            var buffer = ByteBuffer()
            buffer.writeString(metrics.exposition)
            return Response(
                status: .ok, headers: [.contentType: Metrics.contentType],
                body: ResponseBody(byteBuffer: buffer))
        }
    }

    private func gauge(_ metrics: Metrics, _ core: AgentCore) {
        let (totals, members, phase, news) = core.driver.read {
            ($0.convergence.totals, $0.membership.members, $0.phase, $0.membership.newsCount)
        }
        metrics.set("roost_build_info", ["version": version], to: 1, help: "The build that runs.")
        for status in Status.allCases {
            metrics.set(
                "roost_members", ["state": status.rawValue], to: Double(members.count { $0.status == status }),
                help: "Members by state, as this node sees them.")
        }
        metrics.set("roost_ready", to: phase == .serving ? 1 : 0, help: "1 while every slot is in step.")
        metrics.set("roost_gossip_news", to: Double(news), help: "Claims that wait to be told.")
        metrics.set("roost_resources_held", to: Double(totals.held), help: "Live resources on this node's disk.")
        metrics.set("roost_resources_owned", to: Double(totals.owned), help: "Held ones that this node owns.")
        metrics.set(
            "roost_resources_under_replicated", to: Double(totals.underReplicated),
            help: "Owned ones that not every owner has confirmed.")
        metrics.set(
            "roost_resources_misplaced", to: Double(totals.misplaced), help: "Held ones that others own.")
        metrics.set("roost_data_bytes", to: Double(totals.bytes), help: "Bytes of all versions held.")
        metrics.set("roost_slots_unsynced", to: Double(totals.slotsUnsynced), help: "Slots that are forwarded still.")
        metrics.set("roost_moves_active", to: Double(totals.pullsActive), help: "Versions being pulled.")
        metrics.set("roost_moves_queued", to: Double(totals.pullsQueued), help: "Versions waiting to be pulled.")
        metrics.set(
            "roost_uptime_seconds", to: Double((NIODeadline.now() - core.startedAt).nanoseconds) / 1e9,
            help: "Since this agent started.")
        for member in members where member.name != core.name {
            guard let rtt = member.rtt else { continue }
            metrics.set(
                "roost_member_rtt_seconds", ["node": member.name.text], to: rtt.seconds,
                help: "Round trip of probes to the member.")
        }
    }

    private func traffic(_ metrics: Metrics, _ core: AgentCore) {
        let counts = core.gossip.counts
        metrics.count(
            "roost_gossip_datagrams_total", ["direction": "sent"], by: Double(counts.sent), help: "Datagrams.")
        metrics.count("roost_gossip_datagrams_total", ["direction": "received"], by: Double(counts.received))
        metrics.count(
            "roost_gossip_bytes_total", ["direction": "sent"], by: Double(counts.sentBytes),
            help: "Bytes of datagrams, without IP and UDP headers.")
        metrics.count("roost_gossip_bytes_total", ["direction": "received"], by: Double(counts.receivedBytes))
        metrics.count(
            "roost_gossip_rebinds_total", by: Double(counts.rebinds), help: "Times that the gossip socket was lost.")
        for (reason, count) in counts.unsent {
            metrics.count(
                "roost_gossip_unsent_total", ["reason": reason], by: Double(count), help: "Datagrams not sent.")
        }
        for (reason, count) in counts.rejected {
            metrics.count(
                "roost_gossip_rejected_total", ["reason": reason], by: Double(count), help: "Datagrams refused.")
        }
        let claims = core.claims.verifier.counts
        metrics.count(
            "roost_claims_verified_total", by: Double(claims.verified),
            help: "Signatures of members under what they say of themselves that were verified.")
        for (reason, count) in claims.refused {
            metrics.count(
                "roost_claims_refused_total", ["reason": reason.rawValue], by: Double(count),
                help: "Claims that were not believed.")
        }
        metrics.count(
            "roost_name_conflicts_total", by: Double(core.claims.conflicts.count),
            help: "Refusals of a second host under the name of a live one.")
        metrics.count(
            "roost_moved_bytes_total", ["direction": "received"], by: Double(core.traffic.receivedBytes),
            help: "Resource bytes moved between nodes.")
        metrics.count("roost_moved_bytes_total", ["direction": "sent"], by: Double(core.traffic.sentBytes))
    }
}
