import SWIM
import Vocabulary

/// N members on one simulated network: what the experiments on the membership are made of.
public struct SwimCluster: Sendable {
    public var simulator: Simulator<SwimHost>
    public let hosts: [HostID]
    /// Every event so far, in order, unless that was too much to keep.
    public private(set) var events: [Simulator<SwimHost>.Observed] = []
    /// The events of the last `run` or of its last step.
    public private(set) var newEvents: [Simulator<SwimHost>.Observed] = []
    /// Two thousand members that meet make four million events: who asks for that looks at the new ones only.
    public var keepsEvents = true

    /// How the members find each other.
    public enum Formation: Sendable {
        /// All know all from the start, as after a restart of everybody with their lists on disk.
        case formed
        /// Everybody starts within the time and knows only the first member.
        case joining(within: Duration)
    }

    public init(
        count: Int, seed: UInt64, settings: Membership.Settings = .init(), link: Link = .lan,
        topology: Topology? = nil, formation: Formation = .formed, trace: Trace.Keeping = .hashOnly
    ) throws {
        let topology = topology ?? Topology(inside: link)
        simulator = Simulator(seed: seed, trace: trace)
        topology.shape(&simulator.network, using: &simulator.random)
        var hosts: [HostID] = []
        var claims: [Claim] = []
        for number in 0..<max(count, 0) {
            let name = try NodeName("n\(number)")
            let host = "10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
            let endpoint = try Endpoint(host: host, port: Endpoint.roostPort)
            var configuration = SwimHost.Configuration(settings: settings)
            if case .joining = formation, let first = hosts.first {
                configuration.join = [simulator.endpoint(of: first)]
            }
            hosts.append(simulator.addHost(name, at: endpoint, site: topology.site(of: number), configuration))
            claims.append(
                Claim(
                    name: name, endpoint: endpoint, epoch: UInt64(HostClock.wallStartMilliseconds),
                    incarnation: .zero, status: .alive, metadata: .standard))
        }
        self.hosts = hosts
        switch formation {
        case .formed:
            let disk = SwimDisk(claims: claims)
            for host in hosts {
                simulator.withDisk(of: host) { $0.replace(with: disk) }
                simulator.boot(host)
            }
        case .joining(let time):
            for (index, host) in hosts.enumerated() {
                let part = Int64.random(in: 0...max(0, time.saturatingNanoseconds), using: &simulator.random)
                simulator.schedule(after: index == 0 ? .zero : .nanoseconds(part)) { $0.boot(host) }
            }
        }
    }

    public mutating func run(for time: Duration) {
        var new: [Simulator<SwimHost>.Observed] = []
        simulator.run(for: time) { _, observed in new.append(observed) }
        if keepsEvents { events += new }
        newEvents = new
    }

    /// Runs until the condition holds, looked at every `step`, with what was new in it; `nil` when it does not within
    /// `limit`.
    public mutating func run(
        atMost limit: Duration, step: Duration = .milliseconds(50), until condition: (SwimCluster) -> Bool
    ) -> Duration? {
        let start = simulator.now
        newEvents = []
        while simulator.now - start < limit {
            if condition(self) { return simulator.now - start }
            run(for: step)
        }
        return condition(self) ? simulator.now - start : nil
    }

    /// What all members together have sent.
    public var sent: Traffic {
        hosts.reduce(into: Traffic()) { sum, host in
            let traffic = simulator.sent(by: host)
            sum.datagrams += traffic.datagrams
            sum.datagramBytes += traffic.datagramBytes
            sum.calls += traffic.calls
            sum.callBytes += traffic.callBytes
        }
    }

    public func membership(_ host: HostID) -> Membership? { simulator.machine(on: host)?.membership }

    /// Members whose process runs.
    public var running: [HostID] { hosts.filter { simulator.isRunning($0) } }

    /// Everybody who runs holds everybody who runs, and nobody else, for present.
    public var isWhole: Bool {
        let running = running
        return running.allSatisfy { membership($0)?.presentCount == running.count }
    }

    /// Everybody who runs also knows where everybody is. Looks at n² claims.
    public var hasRightAddresses: Bool {
        let running = running
        let places = running.map { (name: simulator.name(of: $0), endpoint: simulator.endpoint(of: $0)) }
        return running.allSatisfy { host in
            guard let membership = membership(host) else { return false }
            return places.allSatisfy { membership.member($0.name)?.endpoint == $0.endpoint }
        }
    }

    /// Of all, how many each that runs holds for present, and where they are. Looks at n² claims.
    public var rightlyKnown: [Double] {
        let places = hosts.map { (name: simulator.name(of: $0), endpoint: simulator.endpoint(of: $0)) }
        return running.compactMap { membership($0) }.map { membership in
            Double(
                places.count { place in
                    membership.member(place.name).map { !$0.status.isDeparted && $0.endpoint == place.endpoint }
                        ?? false
                })
        }
    }

    /// Like `isWhole`, and nobody who runs is accused of anything. Looks at n² claims.
    public var isAtPeace: Bool {
        let running = running
        let names = running.map { simulator.name(of: $0) }.sorted()
        return running.allSatisfy { host in
            let present = membership(host)?.members.filter { !$0.status.isDeparted } ?? []
            return present.map(\.name) == names && present.allSatisfy { !$0.status.isAccusation }
        }
    }

    /// When each host said so of the member, first time only; in the order of the saying.
    public func sightings(_ kind: MemberEvent.Kind, of host: HostID, since: Instant = .zero) -> [HostID: Instant] {
        let name = simulator.name(of: host)
        var first: [HostID: Instant] = [:]
        for event in events where event.at >= since && event.what.kind == kind && event.what.name == name {
            if first[event.host] == nil { first[event.host] = event.at }
        }
        return first
    }

    /// Verdicts and suspicions about members that ran at that time.
    public func falseAlarms(_ kind: MemberEvent.Kind, besides gone: Set<HostID> = []) -> Int {
        let names = Set(gone.map { simulator.name(of: $0) })
        return events.count { $0.what.kind == kind && !names.contains($0.what.name) }
    }
}
