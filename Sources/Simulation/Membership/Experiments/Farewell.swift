import SWIM
import Vocabulary

/// One member says farewell: when does everybody know, and does anybody take it for a crash?
public struct Farewell: SwimExperiment {
    public static let name = "leave"
    public var group: SwimGroup
    public var limit = Duration.seconds(60)

    public init(_ group: SwimGroup) { self.group = group }

    public func play(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let leaver = cluster.choose(1)[0]
        let name = cluster.simulator.name(of: leaver)
        let start = cluster.simulator.now
        cluster.simulator.command(.announce(.leaving), to: leaver)
        let all = cluster.hosts.count - 1
        var known: [HostID: Duration] = [:]
        _ = cluster.run(atMost: limit) { cluster in
            for event in cluster.newEvents where event.what.kind == .left && event.what.name == name {
                if known[event.host] == nil { known[event.host] = event.at - start }
            }
            return known.count == all
        }
        run.samples = known.values.map(\.seconds).sorted()
        run.note(.knownByFirst, known.values.min())
        run.note(.knownByAll, known.count == all ? known.values.max() : nil)
        // Nobody crashed here, the leaver included.
        run.note(.falseCrashes, cluster.falseAlarms(.crashed))
        run.note(.falseSuspicions, cluster.falseAlarms(.suspected))
    }
}
