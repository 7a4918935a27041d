import Client
import Logging
import SWIM
import Vocabulary

/// What membership decided, for those who follow the events and for the log.
enum EventRecorder {
    static func record(_ event: MemberEvent, in events: EventLog, log: Logger) {
        // The zone's event stands for those of its members.
        guard !event.isPartOfZone else { return }
        let type = event.kind.rawValue
        events.append(
            type: type, node: event.name.text, address: event.endpoint.description, by: event.by.text,
            detail: event.heardFrom == event.by
                ? event.status.rawValue : "\(event.status.rawValue), heard from \(event.heardFrom)",
            time: API.Timestamp.text(unixMilliseconds: WallClock.milliseconds))
        let level: Logger.Level =
            switch event.kind {
            case .crashed, .conflict, .unreachable, .zoneUnreachable: .warning
            case .joined, .left, .returned, .reachable, .zoneReachable: .notice
            case .suspected, .refuted, .updated: .info
            }
        log.log(
            level: level, "\(event.name) \(type)",
            metadata: ["address": "\(event.endpoint)", "by": "\(event.by)", "state": "\(event.status.rawValue)"])
    }
}
