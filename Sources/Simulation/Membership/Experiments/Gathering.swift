import SWIM
import Vocabulary

/// Everybody starts at once and knows one member only: how long until all know all?
public struct Gathering: SwimExperiment {
    public static let name = "bootstrap"
    public var group: SwimGroup
    /// All processes start within this time, the one that all ask first.
    public var within: Duration
    public var limit = Duration.seconds(300)

    public init(_ group: SwimGroup, within: Duration = .seconds(1)) {
        self.group = group
        self.within = within
    }

    public var formation: SwimCluster.Formation { .joining(within: within) }
    public var settling: Duration { .zero }

    public func play(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        cluster.keepsEvents = false
        let start = cluster.simulator.now
        var curve: [SwimRun.Point] = []
        var falseCrashes = 0
        var falseSuspicions = 0
        let all = cluster.hosts.count
        let full = cluster.run(atMost: limit, step: .milliseconds(100)) { cluster in
            for event in cluster.newEvents {
                if event.what.kind == .crashed { falseCrashes += 1 }
                if event.what.kind == .suspected { falseSuspicions += 1 }
            }
            let known = cluster.hosts.map { Double(cluster.membership($0)?.presentCount ?? 0) }
            curve.append(SwimRun.Point(cluster.simulator.now - start, of: known))
            return cluster.running.count == all && cluster.isWhole
        }
        run.curve = curve
        run.note(.viewsFull, full)
        run.note(.falseCrashes, falseCrashes)
        run.note(.falseSuspicions, falseSuspicions)
    }
}
