import Node
import Relocation
import Resources
import SWIM
import Vocabulary

/// A whole agent on a simulated host: the same `NodeMachine` that the agent drives, with its effects carried out over
/// the simulated network and disk, as the agent's shell does it over TLS and SQLite.
///
/// What the shell writes as `await` is a continuation here: a closure of values, so that the host stays a value.
public struct NodeHost: SimulatedMachine {
    public struct Configuration: Sendable {
        public var cluster: ClusterName
        public var settings: NodeMachine.Settings
        public var metadata: Metadata
        /// Asked for the way in, besides those remembered on disk.
        public var join: [Endpoint]
        /// Whether bytes are looked at now and then: where none can rot there is nothing to find.
        public var scrubs = false
        public var defects: Set<Defect> = []
        /// Whether names that were deleted long ago are forgotten within the run.
        public var collectsTombstones = false
        /// Peers connected at once; nil for any number.
        public var peersMax: Int?

        public init(
            cluster: ClusterName, settings: NodeMachine.Settings, metadata: Metadata = .standard, join: [Endpoint] = []
        ) {
            self.cluster = cluster
            self.settings = settings
            self.metadata = metadata
            self.join = join
        }
    }

    public typealias Datagram = Packet
    public typealias Disk = CatalogueDisk
    typealias Context = HostContext<NodeHost>
    typealias Step = @Sendable (inout NodeHost, inout HostContext<NodeHost>) -> Void
    typealias Reply = @Sendable (inout NodeHost, Response?, inout HostContext<NodeHost>) -> Void

    public internal(set) var machine: NodeMachine
    public internal(set) var isLeaving = false
    /// Nothing was known of the cluster at the start.
    var isBlank = false
    let configuration: Configuration
    let epoch: UInt64

    var replies: [CallID: Reply] = [:]
    /// Those of them that are given up when the other side falls silent, in the order of their making.
    var errands: [Errand] = []
    var inquiries: [UInt64: Inquiry] = [:]
    var inquiryNumber: UInt64 = 0
    /// Probes by way of calls that have no answer yet. Looked up, never walked.
    var fallbacks: [CallID: (sequence: SequenceNumber, node: NodeName)] = [:]
    var syncs: [(ticket: SyncTicket, step: Step)] = []
    private var timers: [(at: Instant, step: Step)] = []
    private var effects: [NodeMachine.Effect] = []
    private var isCarryingOut = false

    // The store's one writer, its clock, and the bytes that somebody still needs.
    var transactions: [Transaction] = []
    var isWriting = false
    var writeCounter: UInt64 = 0
    /// Of the versions written here: that of this boot, or a greater one, once something was dropped that had been
    /// written in it.
    var writeEpoch: UInt64
    var hasForgotten = false
    var hybridClock = HybridClock()
    var leases: [ContentDigest: Int] = [:]
    /// Bytes that a version here needs and that are not here.
    var lacks: Set<ContentDigest> = []
    var pulls: [ContentDigest: [Obtained]] = [:]

    var acknowledgements: [NodeMachine.WriteID: Acknowledge] = [:]
    var writeNumber: UInt64 = 0
    var orders: WriteOrders
    /// Whom a write is offered to, for `Defect.countsOneForAll`.
    var offers: [NodeMachine.WriteID: [NodeName]] = [:]
    /// What owners said last of the groups that they own, for `Defect.oneConfirmsForAll`.
    var said: [GroupKey: GroupStatus] = [:]
    var hasNews = false
    var seats: Seats?
    /// Nodes that a read served here had been passed on to.
    var hopsMost = 0

    public init(_ boot: Boot<Configuration>, in context: inout HostContext<NodeHost>) {
        epoch = max(context.disk.state.epoch + 1, context.wallMilliseconds)
        // A disk too full for eight bytes would keep the real agent from starting; here it starts all the same.
        try? context.disk.write(.epoch(epoch))
        context.disk.syncNow()
        writeEpoch = epoch
        orders = WriteOrders(epoch: epoch)
        configuration = boot.configuration
        seats = boot.configuration.peersMax.map { Seats(peersMax: $0) }
        var settings = boot.configuration.settings
        if configuration.defects.contains(.neverReplaces) { settings.relocationDelay = .seconds(3_600) }
        if configuration.defects.contains(.replacesAtOnce) { settings.relocationDelay = .zero }
        machine = NodeMachine(
            NodeMachine.Identity(
                name: boot.name, cluster: boot.configuration.cluster, epoch: epoch, endpoint: boot.endpoint,
                metadata: boot.configuration.metadata),
            settings: settings, at: context.now)
        // What a crash left between the bytes and their record, as the store's collector does at its opening.
        collect(context.disk.durable.blobs.keys.sorted(), &context)
        feed(.convergence(.loaded(context.disk.durable.groups(cluster))), &context)
        feed(.tombstones(.known(context.disk.durable.acquaintances)), &context)
        beginJoining(&context)
        beginScrubbing(&context)
        rememberLater(&context)
    }

    var name: NodeName { machine.identity.name }
    var cluster: ClusterName { configuration.cluster }
    func has(_ defect: Defect) -> Bool { configuration.defects.contains(defect) }

    public var deadline: Instant? {
        timers.reduce(machine.deadline) { min($0, $1.at) }
    }

    public mutating func handle(_ input: HostInput<NodeHost>, in context: inout HostContext<NodeHost>) {
        react(to: input, &context)
        giveBackSeats(&context)
    }

    private mutating func react(to input: HostInput<NodeHost>, _ context: inout Context) {
        switch input {
        case .tick:
            runTimers(&context)
            feed(.tick, &context)
        case .datagram(let packet, let source):
            let packet = has(.neverRefutes) ? packet.telling(heard(packet.claims)) : packet
            feed(.membership(.packet(packet, from: source)), &context)
        case .request(let request, let id, let peer):
            guard admit(id, from: peer, for: request, &context) else { return context.answer(id, .busy) }
            serve(request, id, from: peer, &context)
        case .stalled(let id):
            guard let (sequence, node) = fallbacks[id] else { return }
            feed(.membership(.fallback(sequence, of: node, .stalled)), &context)
        case .response(let result, let id):
            leave(id, &context)
            errands.removeAll { $0.id == id }
            if let (sequence, node) = fallbacks.removeValue(forKey: id) {
                let outcome = Membership.FallbackResult(result) { response in
                    if case .members(_, let claims, _, _, _) = response { heard(claims) } else { nil }
                }
                return feed(.membership(.fallback(sequence, of: node, outcome)), &context)
            }
            guard let reply = replies.removeValue(forKey: id) else { return }
            switch result {
            case .success(let response): reply(&self, response, &context)
            // Nobody is there to have heard it.
            case .failure(.refused), .failure(.wrongPeer): reply(&self, .no, &context)
            case .failure(.reset), .failure(.timedOut): reply(&self, nil, &context)
            }
        case .synced(let ticket):
            guard let index = syncs.firstIndex(where: { $0.ticket == ticket }) else { return }
            let step = syncs.remove(at: index).step
            step(&self, &context)
        case .command(let command): obey(command, &context)
        }
    }

    // MARK: Continuations

    mutating func feed(_ input: NodeMachine.Input, _ context: inout Context) {
        machine.handle(input, at: context.now, using: &context.random, into: &effects)
        guard !isCarryingOut else { return }
        isCarryingOut = true
        defer { isCarryingOut = false }
        // In order, also those that come about meanwhile.
        while !effects.isEmpty {
            var batch: [NodeMachine.Effect] = []
            swap(&batch, &effects)
            for effect in batch { carryOut(effect, &context) }
        }
        giveUpErrands(&context)
    }

    mutating func after(_ delay: Duration, _ context: inout Context, _ step: @escaping Step) {
        timers.append((context.now + delay, step))
    }

    private mutating func runTimers(_ context: inout Context) {
        let now = context.now
        let due = timers.filter { $0.at <= now }
        guard !due.isEmpty else { return }
        timers.removeAll { $0.at <= now }
        for timer in due { timer.step(&self, &context) }
    }

    /// Asks a member; `nil` comes back when it gave no answer, and may have carried the request out.
    mutating func call(
        _ node: NodeName, _ request: Request, bytes: Int = 500, within limit: Duration,
        patience: PeerPlaces.Patience = .waits, _ context: inout Context, then reply: @escaping Reply
    ) {
        guard let endpoint = machine.membership.member(node)?.endpoint else { return reply(&self, nil, &context) }
        call(
            endpoint, expecting: node, request, bytes: bytes, within: limit, patience: patience, &context, then: reply)
    }

    mutating func call(
        _ endpoint: Endpoint, expecting node: NodeName?, _ request: Request, bytes: Int, within limit: Duration,
        patience: PeerPlaces.Patience = .waits, _ context: inout Context, then reply: @escaping Reply
    ) {
        // Whoever looks for a way in calls on connections of their own.
        guard let node else {
            let id = context.call(endpoint, expecting: nil, request, bytes: bytes, timeout: limit)
            return replies[id] = reply
        }
        sit(
            with: node, request.kind, patience, &context,
            then: { host, context in
                let id = context.call(endpoint, expecting: node, request, bytes: bytes, timeout: limit)
                host.replies[id] = reply
                host.noteErrand(id, request, to: node)
                return id
            }, refused: { host, context in reply(&host, .busy, &context) })
    }

    /// What was written so far lasts when `step` runs.
    mutating func sync(_ context: inout Context, then step: @escaping Step) {
        syncs.append((context.sync(), step))
    }
}
