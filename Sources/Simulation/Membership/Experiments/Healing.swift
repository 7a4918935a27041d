import SWIM
import Vocabulary

/// The network is cut in two, and mended: how long until everybody has everybody back, however long the cut lasted?
public struct Healing: SwimExperiment {
    public static let name = "partition"
    public var group: SwimGroup
    public var cut: Duration
    /// Members on the smaller side; `nil`: one half.
    public var minority: Int?
    /// The departed are kept for a third of the cut only, so that each side has long forgotten the other.
    public var forgets: Bool
    /// Every process starts anew during the cut, from what is on its disk.
    public var restartsAll: Bool
    public var limit = Duration.seconds(900)

    public init(
        _ group: SwimGroup, cut: Duration = .seconds(120), minority: Int? = nil, forgets: Bool = false,
        restartsAll: Bool = false
    ) {
        self.group = group
        self.cut = cut
        self.minority = minority
        self.forgets = forgets
        self.restartsAll = restartsAll
        if forgets { self.group.settings.departedKeep = cut / 3 }
    }

    public func play(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let count = cluster.hosts.count
        let few = cluster.choose(min(max(minority ?? count / 2, 1), count - 1))
        let names = cluster.names(of: few)
        let isFew = Set(few)
        var falseCrashes = cluster.falseAlarms(.crashed)
        var falseSuspicions = cluster.falseAlarms(.suspected)
        // A whole cut of hours may tell more than fits; what counts is counted as it comes.
        cluster.keepsEvents = false
        cluster.simulator.network.partition([few])
        let start = cluster.simulator.now
        if restartsAll { restart(&cluster) }
        while cluster.simulator.now - start < cut {
            cluster.run(for: min(.seconds(60), cut - (cluster.simulator.now - start)))
            for event in cluster.newEvents where isFew.contains(event.host) == names.contains(event.what.name) {
                // Of the other side a verdict is true while the cut lasts; of one's own it never is, unless it restarts.
                if event.what.kind == .crashed { falseCrashes += 1 }
                if event.what.kind == .suspected { falseSuspicions += 1 }
            }
        }
        let healed = cluster.simulator.now
        cluster.simulator.network.heal()
        var firstReturn: Duration?
        let whole = cluster.run(atMost: limit, step: .milliseconds(250)) { cluster in
            for event in cluster.newEvents {
                switch event.what.kind {
                case .returned, .joined: if firstReturn == nil { firstReturn = event.at - healed }
                case .crashed: falseCrashes += 1
                case .suspected, .refuted, .left, .updated, .unreachable, .reachable, .zoneUnreachable, .zoneReachable,
                    .conflict:
                    break
                }
            }
            return cluster.isWhole
        }
        run.note(.firstReturn, firstReturn)
        run.note(.whole, whole)
        run.note(.falseCrashes, falseCrashes)
        run.note(.falseSuspicions, falseSuspicions)
    }

    /// All in the middle third of the cut, each for itself.
    private func restart(_ cluster: inout SwimCluster) {
        for host in cluster.hosts {
            let part = Int64.random(
                in: 0...max(0, (cut / 3).saturatingNanoseconds), using: &cluster.simulator.random)
            cluster.simulator.schedule(after: cut / 3 + .nanoseconds(part)) { simulator in
                simulator.kill(host)
                simulator.boot(host)
            }
        }
    }
}
