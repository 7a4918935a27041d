import SWIM
import Vocabulary

/// What one run of an experiment on the membership showed. Times count from the fault; `nil` when it never came.
public struct SwimRun: Sendable, Hashable {
    public let seed: UInt64
    /// The first who knew (suspected, for `detect`).
    public var first: Duration?
    /// The first verdict.
    public var verdict: Duration?
    /// The last who had to know.
    public var last: Duration?
    /// Crash verdicts about members that lived and could be reached, one for each member that believed it.
    public var falseCrashes = 0
    /// The same for suspicions.
    public var falseSuspicions = 0
    /// Datagrams with their headers, sent by one member in one second, on the average from the fault to the end.
    public var bytesPerSecond: Double = 0
    /// The same for exchanges over TLS.
    public var exchangeBytesPerSecond: Double = 0
    public var steps: UInt64 = 0
    public var traceHash: UInt64 = 0
}

/// The experiments: each builds a cluster from a seed, lets it settle, does one thing to it, and watches.
public enum SwimExperiment: String, Sendable, CaseIterable {
    /// One member is killed.
    case detect
    /// The network splits in halves for two minutes and heals; the time is from the healing to one whole view.
    case partition
    /// One member says farewell.
    case leave
    /// Nothing happens, for five minutes.
    case idle

    /// At rest before anything is done, so that no run begins with what the start left.
    static let settling = Duration.seconds(15)

    /// - Parameter showTrace: given the lines that were kept, at the end.
    public func run(
        nodes: Int, seed: UInt64, link: Link = .lan, settings: Membership.Settings = .init(),
        trace: Trace.Keeping = .hashOnly, showTrace: ([String]) -> Void = { _ in }
    ) throws -> SwimRun {
        var cluster = try SwimCluster(count: max(2, nodes), seed: seed, settings: settings, link: link, trace: trace)
        cluster.run(for: Self.settling)
        // The fault comes at any point of the period.
        let phase = Int64.random(in: 0..<1_000_000_000, using: &cluster.simulator.random)
        cluster.run(for: .nanoseconds(phase))
        var run = SwimRun(seed: seed)
        let start = (time: cluster.simulator.now, sent: cluster.sent)
        switch self {
        case .detect: detect(&cluster, &run)
        case .partition: partition(&cluster, &run)
        case .leave: leave(&cluster, &run)
        case .idle: idle(&cluster, &run)
        }
        // Only what was sent from the fault on: the start's news is no part of it.
        let seconds = max((cluster.simulator.now - start.time).seconds, 0.001) * Double(cluster.hosts.count)
        run.bytesPerSecond = Double(cluster.sent.datagramBytes - start.sent.datagramBytes) / seconds
        run.exchangeBytesPerSecond = Double(cluster.sent.callBytes - start.sent.callBytes) / seconds
        run.steps = cluster.simulator.stepCount
        run.traceHash = cluster.simulator.trace.hash
        showTrace(cluster.simulator.trace.lines)
        return run
    }

    private func victim(_ cluster: inout SwimCluster) -> HostID {
        cluster.hosts[Int.random(in: 0..<cluster.hosts.count, using: &cluster.simulator.random)]
    }

    private func detect(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let victim = victim(&cluster)
        let start = cluster.simulator.now
        cluster.simulator.losePower(victim)
        let all = cluster.hosts.count - 1
        _ = cluster.run(atMost: .seconds(120)) { $0.sightings(.crashed, of: victim, since: start).count == all }
        let verdicts = cluster.sightings(.crashed, of: victim, since: start)
        run.first = cluster.sightings(.suspected, of: victim, since: start).values.min().map { $0 - start }
        run.verdict = verdicts.values.min().map { $0 - start }
        run.last = verdicts.count == all ? verdicts.values.max().map { $0 - start } : nil
        run.falseCrashes = cluster.falseAlarms(.crashed, besides: [victim])
        run.falseSuspicions = cluster.falseAlarms(.suspected, besides: [victim])
    }

    private func partition(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let shuffled = cluster.hosts.shuffled(using: &cluster.simulator.random)
        let half = Array(shuffled.prefix(shuffled.count / 2))
        cluster.simulator.network.partition([half])
        cluster.run(for: .seconds(120))
        let healed = cluster.simulator.now
        cluster.simulator.network.heal()
        run.last = cluster.run(atMost: .seconds(300), step: .milliseconds(250)) { $0.isWhole }
        let inside = Set(half.map { cluster.simulator.name(of: $0) })
        // The first who got somebody of the other side back.
        run.first = cluster.events.first { $0.at >= healed && $0.what.kind == .returned }.map { $0.at - healed }
        run.verdict = run.first
        for event in cluster.events {
            // Of the other side's members a verdict during the split is true; of its own side's it never is.
            let observer = cluster.simulator.name(of: event.host)
            let isSameSide = inside.contains(observer) == inside.contains(event.what.name)
            if event.what.kind == .crashed, isSameSide || event.at >= healed { run.falseCrashes += 1 }
            if event.what.kind == .suspected, isSameSide, event.at < healed { run.falseSuspicions += 1 }
        }
    }

    private func leave(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let victim = victim(&cluster)
        let start = cluster.simulator.now
        cluster.simulator.command(.announce(.leaving), to: victim)
        let all = cluster.hosts.count - 1
        _ = cluster.run(atMost: .seconds(60)) { $0.sightings(.left, of: victim, since: start).count == all }
        let known = cluster.sightings(.left, of: victim, since: start)
        run.first = known.values.min().map { $0 - start }
        run.verdict = run.first
        run.last = known.count == all ? known.values.max().map { $0 - start } : nil
        // Nobody crashed here, the leaver included.
        run.falseCrashes = cluster.falseAlarms(.crashed)
        run.falseSuspicions = cluster.falseAlarms(.suspected)
    }

    private func idle(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        cluster.run(for: .seconds(300))
        run.falseCrashes = cluster.falseAlarms(.crashed)
        run.falseSuspicions = cluster.falseAlarms(.suspected)
    }
}
