import SWIM
import Vocabulary

/// What `/metrics` says of the membership. It is taken under the driver's lock and written after it, so that whoever
/// scrapes holds up no datagram.
struct MembershipFigures: Sendable {
    private let members: [Member]
    private let news: Int
    private let name: NodeName

    init(_ membership: Membership) {
        members = membership.members
        news = membership.newsCount
        name = membership.identity
    }

    /// - Parameter events: how often each kind of event happened since the start.
    func add(to metrics: Metrics, events: [String: UInt64]) {
        for status in Status.allCases {
            metrics.set(
                "roost_members", ["state": status.rawValue], to: Double(members.count { $0.status == status }),
                help: "Members by state, as this node sees them.")
        }
        for kind in MemberEvent.Kind.allCases {
            metrics.count(
                "roost_membership_events_total", ["kind": kind.rawValue], by: Double(events[kind.rawValue] ?? 0),
                help: "What happened to members, as this node saw it.")
        }
        metrics.set("roost_gossip_news", to: Double(news), help: "Claims that wait to be told.")
        for member in members where member.name != name {
            guard let rtt = member.rtt else { continue }
            metrics.set(
                "roost_member_rtt_seconds", ["node": member.name.text], to: rtt.seconds,
                help: "Smoothed round trip of probes to the member.")
        }
    }
}
