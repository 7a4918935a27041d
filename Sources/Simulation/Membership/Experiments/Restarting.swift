import SWIM
import Vocabulary

/// Everybody restarts within a minute, some at another address: how long after the last start until all know all, and
/// where they are?
public struct Restarting: SwimExperiment {
    public static let name = "restart"
    public var group: SwimGroup
    public var within: Duration
    /// How many of them come back at an address that nobody has heard of.
    public var moved: Chance
    public var limit = Duration.seconds(600)

    public init(_ group: SwimGroup, within: Duration = .seconds(60), moved: Chance = .percent(30)) {
        self.group = group
        self.within = within
        self.moved = moved
    }

    public func play(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let falseCrashes = cluster.falseAlarms(.crashed)
        cluster.keepsEvents = false
        let movers = Set(cluster.choose(cluster.hosts.count * Int(moved.partsPerMillion) / 1_000_000))
        var lastStart = cluster.simulator.now
        for host in cluster.hosts {
            let nanoseconds = max(0, within.saturatingNanoseconds)
            let stop = Duration.nanoseconds(Int64.random(in: 0...nanoseconds, using: &cluster.simulator.random))
            let down = Duration.milliseconds(Int64.random(in: 500...5_000, using: &cluster.simulator.random))
            let address = movers.contains(host) ? Self.otherAddress(host) : nil
            cluster.simulator.schedule(after: stop) { $0.kill(host) }
            cluster.simulator.schedule(after: stop + down) { simulator in
                if let address { simulator.move(host, to: address) }
                simulator.boot(host)
            }
            lastStart = max(lastStart, cluster.simulator.now + stop + down)
        }
        var crashes = 0
        func count(_ cluster: SwimCluster) {
            crashes += cluster.newEvents.count { $0.what.kind == .crashed }
        }
        while cluster.simulator.now < lastStart {
            cluster.run(for: min(.seconds(1), lastStart - cluster.simulator.now))
            count(cluster)
        }
        let full = cluster.run(atMost: limit, step: .milliseconds(250)) { cluster in
            count(cluster)
            return cluster.isWhole && cluster.hasRightAddresses
        }
        run.note(.viewsFull, full)
        // They all live: a verdict is one that nothing but their short absence and their moving have caused.
        run.note(.falseCrashes, falseCrashes + crashes)
    }

    private static func otherAddress(_ host: HostID) -> Endpoint? {
        let number = host.number
        return try? Endpoint(
            host: "10.\(128 + (number >> 16 & 127)).\(number >> 8 & 255).\(number & 255)", port: Endpoint.roostPort)
    }
}
