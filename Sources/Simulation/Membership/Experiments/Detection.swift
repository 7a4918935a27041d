import SWIM
import Vocabulary

/// One member loses its power: who suspects it first, who condemns it first, when does everybody know?
public struct Detection: SwimExperiment {
    public static let name = "detect"
    public var group: SwimGroup
    /// Given up after this; what had not come by then never came.
    public var limit = Duration.seconds(180)

    public init(_ group: SwimGroup) { self.group = group }

    public func play(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let victim = cluster.choose(1)[0]
        let name = cluster.simulator.name(of: victim)
        let start = cluster.simulator.now
        cluster.simulator.losePower(victim)
        let all = cluster.hosts.count - 1
        var suspicion: Duration?
        var verdicts: [HostID: Duration] = [:]
        var falseCrashes = cluster.falseAlarms(.crashed)
        var falseSuspicions = cluster.falseAlarms(.suspected)
        _ = cluster.run(atMost: limit) { cluster in
            for event in cluster.newEvents {
                let isAboutVictim = event.what.name == name
                switch event.what.kind {
                case .suspected:
                    if !isAboutVictim { falseSuspicions += 1 } else if suspicion == nil { suspicion = event.at - start }
                case .crashed:
                    if !isAboutVictim {
                        falseCrashes += 1
                    } else if verdicts[event.host] == nil {
                        verdicts[event.host] = event.at - start
                    }
                case .joined, .refuted, .left, .returned, .updated, .unreachable, .reachable, .zoneUnreachable,
                    .zoneReachable,
                    .conflict:
                    break
                }
            }
            return verdicts.count == all
        }
        run.samples = verdicts.values.map(\.seconds).sorted()
        run.note(.firstSuspicion, suspicion)
        run.note(.firstVerdict, verdicts.values.min())
        run.note(.knownByAll, verdicts.count == all ? verdicts.values.max() : nil)
        run.note(.falseCrashes, falseCrashes)
        run.note(.falseSuspicions, falseSuspicions)
    }
}
