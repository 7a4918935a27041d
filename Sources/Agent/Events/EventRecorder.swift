import Client
import Logging
import SWIM
import Vocabulary

/// What membership decided, for those who follow the events and for the log.
enum EventRecorder {
    static func record(_ event: MemberEvent, by me: NodeName, in events: EventLog, log: Logger) {
        // The zone's event stands for those of its members.
        guard !event.isPartOfZone else { return }
        let type = event.kind.rawValue
        // What another said of this node, this node itself has contradicted.
        let by = event.kind == .refuted && event.name == me ? me : event.by
        events.append(
            type: type, node: event.name.text, address: event.endpoint.description, by: by.text,
            detail: detail(of: event, by: me),
            time: API.Timestamp.text(unixMilliseconds: WallClock.milliseconds))
        let level: Logger.Level =
            switch event.kind {
            case .crashed, .conflict, .unreachable, .zoneUnreachable: .warning
            case .joined, .left, .returned, .reachable, .zoneReachable: .notice
            case .suspected, .refuted, .updated: .info
            }
        log.log(
            level: level, "\(event.name) \(type)",
            metadata: [
                "member": "\(event.name)", "address": "\(event.endpoint)", "by": "\(by)",
                "state": "\(event.status.rawValue)",
            ])
    }

    /// Who said so, and for what this node found itself by which signs.
    private static func detail(of event: MemberEvent, by me: NodeName) -> String {
        func words(_ finding: Finding) -> String {
            FindingText.text(finding.what, of: event.name, at: event.endpoint, by: me)
        }
        let plain =
            event.heardFrom == event.by
            ? event.status.rawValue : "\(event.status.rawValue), heard from \(event.heardFrom)"
        switch event.kind {
        case .refuted where event.name == me:
            let verdict = event.previous == .crashed ? "took it for crashed" : "suspected it"
            let source = event.heardFrom == event.by ? "" : ", heard from \(event.heardFrom)"
            return "contradicted \(event.by), which \(verdict)\(source)"
        case .suspected, .crashed:
            guard event.heardFrom == me else { return plain }
            return event.findings.suffix(2).map(words).joined(separator: "; ")
        case .unreachable: return "alive, but its datagrams and this node's do not pass; others or TLS reach it"
        case .reachable: return "datagrams pass again"
        case .zoneUnreachable: return "no member of the zone \(event.claim.metadata.zone ?? "-") answers any more"
        case .zoneReachable: return "the zone \(event.claim.metadata.zone ?? "-") is back"
        case .joined, .refuted, .left, .returned, .updated, .conflict: return plain
        }
    }
}
