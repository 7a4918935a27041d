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
    /// Looks at n² claims each second.
    public var keepsCurve = false

    public init(_ group: SwimGroup, within: Duration = .seconds(60), moved: Chance = .percent(30)) {
        self.group = group
        self.within = within
        self.moved = moved
    }

    public func play(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let falseCrashes = cluster.falseAlarms(.crashed)
        cluster.keepsEvents = false
        let movers = Set(cluster.choose(cluster.hosts.count * Int(moved.partsPerMillion) / 1_000_000))
        let start = cluster.simulator.now
        var lastStart = start
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
        let hostOf = Dictionary(uniqueKeysWithValues: cluster.hosts.map { (cluster.simulator.name(of: $0), $0) })
        var crashes = 0
        var crashesOfDown = 0
        func count(_ cluster: SwimCluster) {
            for event in cluster.newEvents where event.what.kind == .crashed {
                let oneself = hostOf[event.what.name].flatMap { cluster.membership($0)?.oneself }
                // The life before is over, whoever says so.
                if oneself?.epoch == event.what.claim.epoch { crashes += 1 } else { crashesOfDown += 1 }
            }
        }
        var curve: [SwimRun.Point] = []
        func look(_ cluster: SwimCluster) {
            let time = cluster.simulator.now - start
            guard keepsCurve, curve.last.map({ time - $0.time >= .seconds(1) }) ?? true else { return }
            curve.append(SwimRun.Point(time, of: cluster.rightlyKnown))
        }
        while cluster.simulator.now < lastStart {
            look(cluster)
            cluster.run(for: min(.seconds(1), lastStart - cluster.simulator.now))
            count(cluster)
        }
        let full = cluster.run(atMost: limit, step: .milliseconds(250)) { cluster in
            count(cluster)
            look(cluster)
            return cluster.isWhole && cluster.hasRightAddresses
        }
        // The moment at which all was well, too.
        if keepsCurve { curve.append(SwimRun.Point(cluster.simulator.now - start, of: cluster.rightlyKnown)) }
        run.curve = curve
        run.note(.viewsFull, full)
        run.note(.falseCrashes, falseCrashes + crashes)
        run.note(.crashesOfDown, crashesOfDown)
    }

    private static func otherAddress(_ host: HostID) -> Endpoint? {
        let number = host.number
        return try? Endpoint(
            host: "10.\(128 + (number >> 16 & 127)).\(number >> 8 & 255).\(number & 255)", port: Endpoint.roostPort)
    }
}
