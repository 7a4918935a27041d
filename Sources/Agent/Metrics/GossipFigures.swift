import Gossip

/// What `/metrics` says of the datagrams. Every reason has its line from the start, at 0: a rate over a series that
/// begins with its first event would miss just that event.
enum GossipFigures {
    static func add(_ counts: GossipCounters.Values, droppedBySystem: UInt64 = 0, to metrics: Metrics) {
        for (direction, count) in [("sent", counts.sent), ("received", counts.received)] {
            metrics.count(
                "roost_gossip_datagrams_total", ["direction": direction], by: Double(count),
                help: "Datagrams sent, and those received that a member sealed.")
        }
        for (direction, count) in [("sent", counts.sentBytes), ("received", counts.receivedBytes)] {
            metrics.count(
                "roost_gossip_bytes_total", ["direction": direction], by: Double(count),
                help: "Bytes of these datagrams, without IP and UDP headers.")
        }
        for reason in Rejections().all.map(\.reason) {
            metrics.count(
                "roost_gossip_rejected_total", ["reason": reason], by: Double(counts.rejected[reason] ?? 0),
                help: "Datagrams received and refused.")
        }
        for reason in GossipCounters.Unsent.allCases {
            metrics.count(
                "roost_gossip_unsent_total", ["reason": reason.rawValue],
                by: Double(counts.unsent[reason.rawValue] ?? 0), help: "Datagrams that could not be sent.")
        }
        metrics.count(
            "roost_gossip_socket_errors_total", by: Double(counts.socketErrors),
            help: "Errors that the system reported of the gossip socket, such as an unreachable port.")
        metrics.count(
            "roost_gossip_rebinds_total", by: Double(counts.rebinds), help: "Times that the gossip socket was lost.")
        metrics.count(
            "roost_gossip_dropped_by_system_total", by: Double(droppedBySystem),
            help: "Datagrams that the kernel dropped at the gossip socket: filtered in a flood, or its buffer was full."
        )
        metrics.count(
            "roost_gossip_floods_total", by: Double(counts.filtered),
            help: "Times that the kernel was told to keep foreign datagrams away for a while.")
    }
}
