import SWIM
import Vocabulary

/// Nothing happens: what does the membership cost, and does it raise an alarm?
public struct Idling: SwimExperiment {
    public static let name = "idle"
    public var group: SwimGroup
    public var time: Duration

    public init(_ group: SwimGroup, time: Duration = .seconds(300)) {
        self.group = group
        self.time = time
    }

    public func play(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let before = cluster.hosts.map { cluster.simulator.sent(by: $0).datagramBytes }
        cluster.run(for: time)
        let seconds = max(time.seconds, 0.001)
        run.samples = zip(cluster.hosts, before).map { host, before in
            Double(cluster.simulator.sent(by: host).datagramBytes - before) / seconds
        }
        let mean = run.samples.reduce(0, +) / Double(run.samples.count)
        let variance = run.samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(run.samples.count)
        run.note(.bytesDeviation, variance.squareRoot())
        run.note(.bytesOfBusiest, run.samples.max())
        run.note(.falseCrashes, cluster.falseAlarms(.crashed))
        run.note(.falseSuspicions, cluster.falseAlarms(.suspected))
    }
}
