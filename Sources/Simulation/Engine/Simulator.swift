import Vocabulary

/// The simulator: hosts, what lies between them, and what is still to happen, all of it one value. One seed, one run:
/// nothing here reads a clock, and no order comes from a dictionary.
///
/// A node is a machine (pure), a disk (its state survives the machine), and the calls that it has under way.
/// `step` applies one event; `run` applies all up to a time. Faults are methods (`+Faults`), to be called between steps
/// or from scheduled actions.
public struct Simulator<Machine: SimulatedMachine>: Sendable {
    public typealias Action = @Sendable (inout Simulator<Machine>) -> Void

    public let seed: UInt64
    public private(set) var now = Instant.zero
    public var network: SimulatedNetwork
    public var trace: Trace
    /// For schedules and clients; hosts and network have generators of their own, so that a fault more or less does
    /// not change what chance gives the others.
    public var random: SeededGenerator
    /// Machines that asked to be woken at once, again and again: a fault of the machine, bounded here.
    public internal(set) var spinCount = 0
    public private(set) var stepCount: UInt64 = 0

    var hosts: [Host<Machine>] = []
    /// Who listens where. Looked up, never walked.
    var listeners: [Endpoint: HostID] = [:]
    var calls: [CallID: CallInFlight<Machine>] = [:]
    /// How long a request that a cut holds back stays on its way when its caller waits no more (`Simulator+Strays`).
    public var straysLast = Duration.zero
    var strays: [CallID: CallInFlight<Machine>] = [:]
    var queue = EventQueue<Event>()
    private var observations: [Observed] = []

    /// What is to happen.
    enum Event: Sendable {
        case wake(HostID, life: UInt32)
        case datagram(Machine.Datagram, from: Endpoint, to: Endpoint, sender: HostID, bytes: Int)
        case callArrives(CallID)
        case callRetries(CallID)
        case callTimesOut(CallID)
        case callStalls(CallID)
        case strayRetries(CallID)
        case strayArrives(CallID)
        case strayEnds(CallID)
        case synced(HostID, SyncTicket, life: UInt32)
        /// The next in the inbox of a host that was busy.
        case drain(HostID, life: UInt32)
        case resume(HostID, life: UInt32)
        case unblock(HostID, life: UInt32)
        case action(String, Action)
    }

    /// What a machine made known, and when on the simulation's clock.
    public struct Observed: Sendable {
        public let at: Instant
        public let host: HostID
        public let what: Machine.Observation
    }

    public init(seed: UInt64, link: Link = .lan, trace: Trace.Keeping = .hashOnly) {
        self.seed = seed
        self.trace = Trace(keeping: trace)
        var seeds = SeededGenerator(seed: seed)
        network = SimulatedNetwork(standard: link, seed: seeds.next())
        random = SeededGenerator(seed: seeds.next())
    }

    // MARK: Hosts

    /// A host without a running machine.
    public mutating func addHost(
        _ name: NodeName, at endpoint: Endpoint, site: Int = 0, _ configuration: Machine.Configuration
    ) -> HostID {
        let id = HostID(number: hosts.count)
        let own = SeededGenerator(seed: SipHash(key0: seed, key1: UInt64(id.number)).hash(name.text.utf8))
        hosts.append(
            Host(
                name: name, endpoint: endpoint, configuration: configuration,
                context: HostContext(host: id, random: own)))
        network.add(site: site)
        listeners[endpoint] = id
        return id
    }

    public var hostIDs: [HostID] { hosts.indices.map(HostID.init(number:)) }
    public func name(of host: HostID) -> NodeName { hosts[host.number].name }
    public func endpoint(of host: HostID) -> Endpoint { hosts[host.number].endpoint }
    /// `nil` when no process runs there.
    public func machine(on host: HostID) -> Machine? { hosts[host.number].machine }
    public func isRunning(_ host: HostID) -> Bool { hosts[host.number].machine != nil }
    public func disk(of host: HostID) -> SimulatedDisk<Machine.Disk> { hosts[host.number].context.disk }
    /// Without a copy of the disk.
    public func diskChanges(of host: HostID) -> UInt64 { hosts[host.number].context.disk.changes }
    public func sent(by host: HostID) -> Traffic { hosts[host.number].sent }
    public func received(by host: HostID) -> Traffic { hosts[host.number].received }
    /// Calls that the host has made and that are not settled.
    public func callsUnderWay(from host: HostID) -> [CallID] { hosts[host.number].calling }
    public var pendingEventCount: Int { queue.count }

    // MARK: Running

    /// The label goes into the trace.
    public mutating func schedule(after delay: Duration, _ label: String = "", _ action: @escaping Action) {
        queue.schedule(.action(label, action), at: now + max(delay, .zero))
    }

    /// Applies the next event that is not later than `limit`; false when there is none, and the time is `limit` then.
    public mutating func step(until limit: Instant) -> Bool {
        guard let (time, event) = queue.next(until: limit) else {
            now = max(now, limit)
            return false
        }
        now = max(now, time)
        stepCount += 1
        apply(event)
        return true
    }

    /// Runs to `limit`. `onObservation` is told each thing that a machine makes known, right after the step.
    public mutating func run(
        until limit: Instant, onObservation: (inout Simulator<Machine>, Observed) -> Void = { _, _ in }
    ) {
        while step(until: limit) { drainObservations(into: onObservation) }
        drainObservations(into: onObservation)
    }

    public mutating func run(
        for time: Duration, onObservation: (inout Simulator<Machine>, Observed) -> Void = { _, _ in }
    ) {
        run(until: now + time, onObservation: onObservation)
    }

    /// What machines made known since this was last asked; for those who step by themselves.
    public mutating func takeObservations() -> [Observed] {
        defer { observations = [] }
        return observations
    }

    private mutating func drainObservations(into tell: (inout Simulator<Machine>, Observed) -> Void) {
        while !observations.isEmpty {
            for observed in takeObservations() { tell(&self, observed) }
        }
    }

    private mutating func apply(_ event: Event) {
        switch event {
        case .wake(let host, let life): wake(host, life)
        case .datagram(let datagram, let source, let target, let sender, let bytes):
            arrive(datagram, from: source, to: target, sender: sender, bytes: bytes)
        case .callArrives(let id): callArrives(id)
        case .callRetries(let id): transmit(id)
        case .callTimesOut(let id):
            leaveBehind(id)
            settle(id, .failure(.timedOut))
        case .callStalls(let id): callStalls(id)
        case .strayRetries(let id): transmitStray(id)
        case .strayArrives(let id): strayArrives(id)
        case .strayEnds(let id): strays[id] = nil
        case .synced(let host, let ticket, let life): synced(host, ticket, life)
        case .drain(let host, let life): drain(host, life)
        case .resume(let host, let life): if hosts[host.number].life == life { resume(host) }
        case .unblock(let host, let life): if hosts[host.number].life == life { unblock(host) }
        case .action(let label, let action):
            if !label.isEmpty { trace.tell(.action, at: now, nil, label) }
            action(&self)
        }
    }

    mutating func note(_ observation: Machine.Observation, by host: HostID) {
        trace.tell(.told, at: now, host, "\(observation)")
        observations.append(Observed(at: now, host: host, what: observation))
    }
}
