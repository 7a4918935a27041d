import SWIM
import Vocabulary

/// A few members are neither there nor gone: how often does the group change its mind, and whom does it hit?
public struct Flapping: SwimExperiment {
    public static let name = "flap"

    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// 80 % of what they send and of what is sent to them is lost, all the time.
        case loss
        /// For one period nothing reaches them, for one all does, and so on.
        case inbound
        /// For one period nothing of theirs gets out, for one all does, and so on.
        case outbound
        /// For one period nothing reaches them, for one nothing of theirs gets out, and so on.
        case flipflop
    }

    public var group: SwimGroup
    public var kind: Kind
    public var period: Duration
    public var share: Chance
    public var time: Duration

    public init(
        _ group: SwimGroup, _ kind: Kind = .loss, period: Duration = .seconds(20), share: Chance = .percent(1),
        time: Duration = .seconds(300)
    ) {
        self.group = group
        self.kind = kind
        self.period = max(period, .milliseconds(100))
        self.share = share
        self.time = time
    }

    public func play(_ cluster: inout SwimCluster, _ run: inout SwimRun) {
        let count = max(1, cluster.hosts.count * Int(share.partsPerMillion) / 1_000_000)
        let ill = cluster.choose(count)
        let numbers = Dictionary(uniqueKeysWithValues: ill.enumerated().map { (cluster.simulator.name(of: $1), $0) })
        let isIll = Set(ill)
        let healthy = cluster.hosts.filter { !isIll.contains($0) }
        let illNames = ill.map { cluster.simulator.name(of: $0) }
        let start = cluster.simulator.now
        Self.turn(&cluster.simulator, ill, kind, period, phase: 0)
        // By ill member, then by observer.
        let none = [Int](repeating: 0, count: cluster.hosts.count)
        var verdicts = [[Int]](repeating: none, count: ill.count)
        var returns = verdicts
        var firstVerdict: Duration?
        var falseCrashes = 0
        var falseSuspicions = 0
        var curve: [SwimRun.Point] = []
        _ = cluster.run(atMost: time, step: .seconds(1)) { cluster in
            // Of each ill member, the share of the healthy ones that hold it for crashed.
            let shares = illNames.map { name in
                let judges = healthy.count { cluster.membership($0)?.member(name)?.status == .crashed }
                return 100 * Double(judges) / Double(max(healthy.count, 1))
            }
            curve.append(SwimRun.Point(cluster.simulator.now - start, of: shares))
            for event in cluster.newEvents where !isIll.contains(event.host) {
                let number = numbers[event.what.name]
                switch event.what.kind {
                case .crashed:
                    if let number {
                        verdicts[number][event.host.number] += 1
                        if firstVerdict == nil { firstVerdict = event.at - start }
                    } else {
                        falseCrashes += 1
                    }
                case .returned: if let number { returns[number][event.host.number] += 1 }
                case .suspected: if number == nil { falseSuspicions += 1 }
                case .joined, .refuted, .left, .updated, .unreachable, .reachable, .zoneUnreachable, .zoneReachable,
                    .conflict:
                    break
                }
            }
            return false
        }
        func atMedianObserver(_ counts: [Int]) -> Double {
            healthy.map { Double(counts[$0.number]) }.sorted().lowerMedian
        }
        let perMember = verdicts.map(atMedianObserver)
        run.samples = perMember.sorted()
        run.curve = curve
        run.note(.firstVerdict, firstVerdict)
        run.note(.verdictsPerFaulty, perMember.reduce(0, +) / Double(count))
        run.note(.verdictsOfWorst, perMember.max())
        run.note(.returnsPerFaulty, returns.map(atMedianObserver).reduce(0, +) / Double(count))
        run.note(.falseCrashesAtHealthy, falseCrashes)
        run.note(.falseSuspicions, falseSuspicions)
    }

    /// Sets what the ill members suffer in this period, and sees to the next one.
    private static func turn(
        _ simulator: inout Simulator<SwimHost>, _ ill: [HostID], _ kind: Kind, _ period: Duration, phase: Int
    ) {
        let isOdd = phase % 2 == 1
        let (lossIn, lossOut): (Chance, Chance) =
            switch kind {
            case .loss: (.percent(80), .percent(80))
            case .inbound: (isOdd ? .never : .always, .never)
            case .outbound: (.never, isOdd ? .never : .always)
            case .flipflop: (isOdd ? .never : .always, isOdd ? .always : .never)
            }
        for host in ill { simulator.network.setLoss(in: lossIn, out: lossOut, at: host) }
        guard kind != .loss else { return }
        simulator.schedule(after: period) { turn(&$0, ill, kind, period, phase: phase + 1) }
    }
}
