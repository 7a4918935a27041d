import SWIM
import Vocabulary

/// What `/metrics` says of the membership. It is taken under the driver's lock and written after it, so that whoever
/// scrapes holds up no datagram.
struct MembershipFigures: Sendable {
    private let members: [Member]
    private let news: Int
    private let newcomersRefused: UInt64
    private let name: NodeName

    init(_ membership: Membership) {
        members = membership.members
        news = membership.newsCount
        newcomersRefused = membership.newcomersRefused
        name = membership.identity
    }

    /// What the core itself counts since the start: one line a figure.
    private static let counters: [(name: String, help: String, value: @Sendable (MembershipFigures) -> UInt64)] = [
        (
            "roost_membership_newcomers_refused_total", "Claims of new members refused since the table is full.",
            { $0.newcomersRefused }
        )
    ]

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
        for counter in Self.counters {
            metrics.count(counter.name, by: Double(counter.value(self)), help: counter.help)
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
