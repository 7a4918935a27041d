import SWIM
import Vocabulary

/// One experiment on the membership: it builds a group from a seed, lets it settle, does something to it, and watches.
public protocol SwimExperiment: Sendable {
    /// For reports; the subcommand's name.
    static var name: String { get }
    var group: SwimGroup { get }
    var formation: SwimCluster.Formation { get }
    /// At rest before anything is done, so that no run begins with what the start left.
    var settling: Duration { get }
    /// What is done, what is watched for, what is noted.
    func play(_ cluster: inout SwimCluster, _ run: inout SwimRun)
}

/// Who takes part.
public struct SwimGroup: Sendable {
    public var nodes: Int
    public var topology: Topology
    public var settings: Membership.Settings

    public init(nodes: Int, topology: Topology = Topology(), settings: Membership.Settings = .init()) {
        self.nodes = max(2, nodes)
        self.topology = topology
        self.settings = settings
    }

    public init(nodes: Int, loss: UInt32) {
        self.init(nodes: nodes, topology: Topology(inside: Link(loss: .percent(loss))))
    }
}

extension SwimExperiment {
    public var formation: SwimCluster.Formation { .formed }
    public var settling: Duration { .seconds(15) }

    /// - Parameter showTrace: given the lines that were kept, at the end.
    public func run(
        seed: UInt64, trace: Trace.Keeping = .hashOnly, showTrace: ([String]) -> Void = { _ in }
    ) throws -> SwimRun {
        var cluster = try SwimCluster(
            count: group.nodes, seed: seed, settings: group.settings, topology: group.topology, formation: formation,
            trace: trace)
        if settling > .zero {
            cluster.run(for: settling)
            // What is done comes at any point of the period.
            let phase = Int64.random(in: 0..<1_000_000_000, using: &cluster.simulator.random)
            cluster.run(for: .nanoseconds(phase))
        }
        var run = SwimRun(seed: seed)
        let start = (time: cluster.simulator.now, sent: cluster.sent)
        play(&cluster, &run)
        // Only what was sent from then on: the start's news is no part of it.
        let seconds = max((cluster.simulator.now - start.time).seconds, 0.001) * Double(cluster.hosts.count)
        run.note(.bytes, Double(cluster.sent.datagramBytes - start.sent.datagramBytes) / seconds)
        run.note(.exchangeBytes, Double(cluster.sent.callBytes - start.sent.callBytes) / seconds)
        run.steps = cluster.simulator.stepCount
        run.traceHash = cluster.simulator.trace.hash
        showTrace(cluster.simulator.trace.lines)
        return run
    }
}

extension SwimCluster {
    /// Different members, at random.
    mutating func choose(_ count: Int) -> [HostID] {
        Array(hosts.shuffled(using: &simulator.random).prefix(count))
    }

    /// The members of these hosts, to look names up in.
    func names(of some: some Sequence<HostID>) -> Set<NodeName> { Set(some.map { simulator.name(of: $0) }) }
}
