import SWIM
import Vocabulary

/// Lifeguard's experiments (Dadgar, Phillips, Currey, DSN 2018 §5): some members block on their messages while their
/// timers go on, and the question is whom the others, and they, accuse of it.
public struct Lifeguard: SwimExperiment {
    public static let name = "lifeguard"

    /// One cell of the paper's grids.
    public struct Anomaly: Sendable, Hashable {
        /// C: so many members at once.
        public var members: Int
        /// D: blocked for so long.
        public var lasts: Duration
        /// I: well for so long, and blocked again; `nil`: once only (the paper's `threshold`).
        public var pause: Duration?

        public init(members: Int, lasts: Duration, pause: Duration? = nil) {
            self.members = members
            self.lasts = lasts
            self.pause = pause
        }

        private static let members = [1, 4, 8, 12, 16, 20, 24, 28, 32]
        private static let lasting = [128, 512, 2_048, 8_192, 16_384, 32_768]
        private static let pauses = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384]

        /// Anomalies that come again and again.
        public static let interval: [Anomaly] = members.flatMap { members in
            lasting.flatMap { lasts in
                pauses.map {
                    Anomaly(members: members, lasts: .milliseconds(lasts), pause: .milliseconds($0))
                }
            }
        }

        /// One anomaly each.
        public static let threshold: [Anomaly] = members.flatMap { members in
            lasting.map { Anomaly(members: members, lasts: .milliseconds($0)) }
        }
    }

    public var group: SwimGroup
    public var anomaly: Anomaly
    /// From the first anomaly on.
    public var time = Duration.seconds(120)

    public init(_ group: SwimGroup, _ anomaly: Anomaly) {
        self.group = group
        self.anomaly = anomaly
    }

    public func play(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let ill = cluster.choose(min(anomaly.members, cluster.hosts.count - 1))
        let illNames = cluster.names(of: ill)
        let isIll = Set(ill)
        let start = cluster.simulator.now
        Self.begin(&cluster.simulator, ill, anomaly, end: start + time)
        var firstVerdict: Duration?
        var (atAny, atHealthy, ofIll, suspicions, refutations) = (0, 0, 0, 0, 0)
        cluster.keepsEvents = false
        _ = cluster.run(atMost: time, step: .seconds(1)) { cluster in
            for event in cluster.newEvents {
                let isAboutIll = illNames.contains(event.what.name)
                let isAtHealthy = !isIll.contains(event.host)
                switch event.what.kind {
                case .crashed:
                    if !isAboutIll {
                        atAny += 1
                        if isAtHealthy { atHealthy += 1 }
                    } else if isAtHealthy {
                        ofIll += 1
                        if firstVerdict == nil { firstVerdict = event.at - start }
                    }
                case .suspected: if !isAboutIll { suspicions += 1 }
                case .refuted: refutations += 1
                case .joined, .left, .returned, .updated, .unreachable, .reachable, .zoneUnreachable, .zoneReachable,
                    .conflict:
                    break
                }
            }
            return false
        }
        run.note(.firstVerdict, firstVerdict)
        run.note(.falseCrashes, atAny)
        run.note(.falseCrashesAtHealthy, atHealthy)
        run.note(.crashesOfFaulty, ofIll)
        run.note(.falseSuspicions, suspicions)
        run.note(.refutations, refutations)
    }

    /// All at the same moment, and again until the end.
    private static func begin(
        _ simulator: inout Simulator<SwimHost>, _ ill: [HostID], _ anomaly: Anomaly, end: Instant
    ) {
        guard simulator.now < end else { return }
        let lasts = min(anomaly.lasts, end - simulator.now)
        for host in ill { simulator.block(host, for: lasts) }
        guard let pause = anomaly.pause else { return }
        simulator.schedule(after: anomaly.lasts + pause) { begin(&$0, ill, anomaly, end: end) }
    }
}
