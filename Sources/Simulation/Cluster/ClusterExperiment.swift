import Node
import Placement
import Relocation
import Resources
import SWIM
import Vocabulary

/// One seed: a cluster of whole agents, clients that put, overwrite, delete and get, and faults one after the other,
/// with the laws checked.
///
/// When which is: what a client is answered (laws 1, 3, 4, 6, the bytes among them), who fetches (7), how far a read
/// went (9) and who leaves (2) at that step. That what was acknowledged is on as many disks as it should be (1, 2): of
/// a disk that changed, at that step, whether it holds what it held; of all, when one of them does not, at every drop
/// and leave, and each second. That nothing older is left than what was acknowledged, nor anything that was deleted (3,
/// 4, 5): at rest, for on its way back an old disk may hold that, and only must not answer with it.
public struct ClusterExperiment: Sendable {
    public internal(set) var simulator: Simulator<NodeHost>
    public internal(set) var laws: Laws
    let plan: ClusterPlan
    let seed: UInt64
    let cluster: ClusterName
    let nodes: Int
    let link: Link
    private(set) var configuration: NodeHost.Configuration
    var random: SeededGenerator
    var hosts: [Situation] = []
    var clients: [Client] = []
    var names: [ResourceName] = []
    /// Names that have a home and keep it.
    var homes: [ResourceName: HostID] = [:]
    var nextNumber = 0
    var slowestRead = Duration.zero
    var peersMost = 0
    var hopsMost = 0
    var faults: [String: Int] = [:]
    var faultTimes: [Instant] = []
    /// When a disk was last emptied.
    var wipedAt = Instant.zero
    /// While nothing may move.
    private var isBoundToStay = false
    var story: [String] = []

    // What a schedule drawn beforehand needs besides.
    var schedule: [ScheduledFault] = []
    var faultsBegan = Instant.zero
    var made: [MadeFault] = []
    var disturbances: [Disturbance] = []
    var untold: Untold?
    /// When something last disturbed the cluster as a whole, or paused a member.
    var disturbedAt = Instant(nanoseconds: .min)
    var snapshots: [CatalogueDisk] = []
    /// Of each host, the changes of its disk after which it was looked at last.
    private var changesSeen: [UInt64] = []
    var syncTimes: [Duration] = []
    var wallErrors: [Int64] = []
    /// The farthest that any wall clock was off so far, in milliseconds.
    private(set) var wallErrorMost: Int64 = 0
    private(set) var metadata: [NodeName: Metadata] = [:]
    /// Hosts whose wall clocks have gone back.
    var setBack: Set<Int> = []
    /// What clients were told last of each name.
    var known: [ResourceName: Dot] = [:]
    var duel: Duel?

    /// How it stands with a host, as the schedule has it.
    struct Situation: Sendable {
        let id: HostID
        var state: State
        enum State: Hashable, Sendable {
            case absent
            case running
            case paused(until: Instant)
            case leaving
            case left(back: Instant?)
            case down(back: Instant?, wiped: Bool)
        }
    }

    public static func run(
        seed: UInt64, _ plan: ClusterPlan = ClusterPlan(), trace: Trace.Keeping = .hashOnly
    ) throws -> ClusterOutcome {
        var experiment = try ClusterExperiment(seed: seed, plan, trace: trace)
        let rest = try experiment.carryOut()
        return ClusterOutcome(
            seed: seed, nodes: experiment.nodes, features: experiment.plan.features,
            violations: experiment.laws.violations,
            traceHash: experiment.simulator.trace.hash, steps: experiment.simulator.stepCount,
            virtualSeconds: (experiment.simulator.now - .zero).seconds,
            acknowledged: experiment.laws.acknowledgedCount, short: experiment.laws.shortCount,
            reads: experiment.laws.readCount, apartReads: experiment.laws.apartReadCount,
            forgotten: experiment.laws.forgottenCount, faults: experiment.faults, made: experiment.made,
            rest: rest, slowestRead: experiment.slowestRead,
            peersMost: experiment.peersMost, hopsMost: experiment.hopsMost, story: experiment.story)
    }

    // MARK: Making

    init(seed: UInt64, _ plan: ClusterPlan, trace: Trace.Keeping) throws {
        self.seed = seed
        random = SeededGenerator(seed: seed ^ 0x726f_6f73_742d_636c)
        cluster = try ClusterName("sim")
        nodes = Int.random(in: plan.nodes, using: &random)
        let plan = plan.drawing(seed, nodes: nodes)
        self.plan = plan
        let replicas = nodes >= 5 && Int.random(in: 0..<4, using: &random) == 0 ? 3 : 2
        let loss = UInt32([0, 0, 1, 5].randomElement(using: &random) ?? 0)
        let link = Link(
            delay: .microseconds(Int64.random(in: 100...5_000, using: &random)),
            jitter: .microseconds(Int64.random(in: 100...5_000, using: &random)), loss: .percent(loss),
            duplication: .percent(loss), reordering: .percent(loss))
        self.link = link
        simulator = Simulator(seed: seed, link: link, trace: trace)
        simulator.straysLast = Self.straysLast
        laws = Laws(replicas: replicas, cluster: cluster)

        var settings = NodeMachine.Settings()
        settings.replicas = replicas
        settings.relocationDelay = .seconds(Int64.random(in: 3...10, using: &random))
        // With as few names as here sums would never go out.
        if !seed.isMultiple(of: 4) { settings.convergence.groupsPerSum = 0 }
        if plan.features.keepsPlaces { settings.relocationDelay = .seconds(60) }
        // One that crashed often and never comes back must have been given up before all is to be at rest.
        settings.relocationDelayMax = .seconds(40)
        if let keep = plan.features.tombstoneKeep {
            settings.tombstones = TombstoneCollection.Settings(keep: keep)
            settings.tombstones.interval = .seconds(5)
            // Longer than what a cut held back is on its way.
            settings.tombstones.settle = Self.straysLast + .seconds(15)
        }
        configuration = NodeHost.Configuration(cluster: cluster, settings: settings)
        configuration.collectsTombstones = plan.features.tombstoneKeep != nil
        configuration.defects = plan.defects
        configuration.peersMax = plan.features.peersMax
        if case .drawn(let kinds, _) = plan.faults { configuration.scrubs = kinds.contains(where: \.spoilsBytes) }
        for number in 0..<nodes + 2 {
            let name = try NodeName("n\(number)")
            configuration.join = hosts.prefix(1).map { simulator.endpoint(of: $0.id) }
            configuration.metadata = try Self.metadata(of: number, seed: seed, plan)
            metadata[name] = configuration.metadata
            let id = simulator.addHost(
                name, at: try Endpoint(host: "10.0.0.\(number + 1)", port: Endpoint.roostPort),
                configuration)
            hosts.append(Situation(id: id, state: .absent))
            let syncTime = Duration.microseconds(Int64.random(in: 500...8_000, using: &random))
            simulator.withDisk(of: id) { $0.syncTime = syncTime }
            syncTimes.append(syncTime)
            snapshots.append(CatalogueDisk())
            changesSeen.append(0)
            wallErrors.append(0)
            if Int.random(in: 0..<6, using: &random) == 0 {
                setWallError(Self.drawWallError(using: &random), at: number)
            }
        }
        let count = Int.random(in: 6...14, using: &random)
        names = try (0..<count).map { try ResourceName("app/file-\($0)") }
        if plan.features.tombstoneKeep != nil { names = try Self.crowded(4 * count, in: cluster) }
        for (index, name) in names.enumerated() where index % 3 == 0 {
            homes[name] = hosts[Int.random(in: 0..<nodes, using: &random)].id
        }
        clients = (0..<plan.clients).map { _ in Client(next: .zero) }
        if case .drawn(let kinds, _) = plan.faults, kinds.contains(.drift) {
            var dice = SeededGenerator(seed: seed ^ 0x726f_6f73_742d_6472)  // "roost-dr"
            for host in hosts where Int.random(in: 0..<4, using: &dice) == 0 {
                simulator.setDrift(partsPerMillion: Int32.random(in: -20_000...20_000, using: &dice), of: host.id)
            }
        }
    }

    /// In one of three clusters hosts are of different size, in one of three they are in two or three zones, by turns:
    /// a zone is then more than one member or fewer.
    private static func metadata(of number: Int, seed: UInt64, _ plan: ClusterPlan) throws -> Metadata {
        guard plan.faults != .classic, !plan.areAlike else { return .standard }
        var dice = SeededGenerator(seed: seed ^ 0x726f_6f73_742d_7a6f &+ UInt64(number))  // "roost-zo"
        let weight = seed % 3 == 1 ? UInt32.random(in: 1...4, using: &dice) : 1
        let zone = seed / 2 % 3 == 1 ? "zone-\(number % (seed.isMultiple(of: 2) ? 2 : 3))" : nil
        return try Metadata(zone: zone, weight: weight)
    }

    /// In milliseconds, up to an hour.
    static func drawWallError(using dice: inout SeededGenerator) -> Int64 {
        Int64.random(in: -3_600_000...3_600_000, using: &dice)
    }

    /// Where clocks are near the right time, a thousandth of what was drawn.
    ///
    /// - Returns: how wrong it is now, in milliseconds.
    @discardableResult
    mutating func setWallError(_ drawn: Int64, at index: Int) -> Int64 {
        let error = plan.features.nearClocks ? drawn / 1_000 : drawn
        wallErrors[index] = error
        wallErrorMost = max(wallErrorMost, abs(error))
        simulator.setWallError(milliseconds: error, of: hosts[index].id)
        return error
    }

    // MARK: The course of things

    static let beat = Duration.milliseconds(100)
    private static let straysLast = Duration.seconds(60)

    /// - Returns: how long it took to come to rest after the last fault.
    private mutating func carryOut() throws -> Duration? {
        for index in 0..<nodes {
            let wait = Duration.milliseconds(index == 0 ? 0 : Int64.random(in: 50...3_000, using: &random))
            let id = hosts[index].id
            hosts[index].state = .running
            simulator.schedule(after: wait) { $0.boot(id) }
        }
        tell("\(nodes) nodes, \(laws.replicas) copies, \(link)")
        if plan.features != Features() { tell("with \(plan.features)") }
        run(for: .seconds(4))
        guard comeToRest(within: .seconds(60)) != nil else { return nil }
        // From now on everybody knows several ways in, should it come back without its disk.
        for index in hosts.indices {
            var configuration = configuration
            configuration.metadata = metadata[simulator.name(of: hosts[index].id)] ?? .standard
            let seeds = hosts.indices.filter { $0 != index }.prefix(4)
            configuration.join = seeds.map { simulator.endpoint(of: hosts[$0].id) }
            simulator.configure(hosts[index].id, configuration)
        }

        let drawn = Int64.random(
            in: Int64(plan.minutes.lowerBound) * 60...Int64(plan.minutes.upperBound) * 60, using: &random)
        let end = simulator.now + .seconds(plan.seconds ?? drawn)
        var nextFault = simulator.now + .seconds(2)
        var nextCheck = simulator.now
        var nextSnapshot = simulator.now
        faultsBegan = simulator.now
        isBoundToStay = plan.features.keepsPlaces
        if case .drawn(let kinds, _) = plan.faults {
            schedule = ScheduledFault.draw(kinds, seed: seed, hosts: hosts.count, within: .seconds(drawn))
        }
        while simulator.now < end, laws.violations.isEmpty {
            runClients(areAsking: true)
            bringBack(all: false)
            if isClassic {
                if nextFault <= simulator.now, makeClassicFault() {
                    nextFault = simulator.now + .milliseconds(Int64.random(in: 500...20_000, using: &random))
                }
            } else {
                endDisturbances(all: false)
                makeScheduledFaults()
                if nextSnapshot <= simulator.now {
                    takeSnapshots()
                    nextSnapshot = simulator.now + Self.snapshotInterval
                }
            }
            if nextCheck <= simulator.now {
                laws.checkCopies(simulator)
                lookAtPlaces()
                nextCheck = simulator.now + .seconds(1)
            }
            run(for: Self.beat)
        }
        guard laws.violations.isEmpty else {
            describe()
            return nil
        }
        isBoundToStay = false
        bringBack(all: true)
        endDisturbances(all: true)
        tell("the faults end")
        let rest = comeToRest(within: plan.restWithin)
        if rest != nil {
            laws.checkHeads(simulator)
            awaitForgetting()
        }
        guard rest != nil, laws.violations.isEmpty else {
            describe()
            return nil
        }
        if !isClassic { holdDuels() }
        guard laws.violations.isEmpty else { return nil }
        askEverywhere()
        lookAtPlaces()
        return rest
    }

    /// An old disk is at most this old, and what was lost with it was written since.
    private static let snapshotInterval = Duration.seconds(30)

    /// Runs, with clients finishing what they began, until all is at rest.
    mutating func comeToRest(within limit: Duration) -> Duration? {
        let start = simulator.now
        while simulator.now - start < limit, laws.violations.isEmpty {
            let isSettled = clients.allSatisfy { $0.request == nil } && !hosts.contains { $0.state == .leaving }
            if isSettled, laws.unrest(simulator, metadata) == nil { return simulator.now - start }
            runClients(areAsking: false)
            bringBack(all: false)
            if !isClassic { endDisturbances(all: false) }
            for _ in 0..<5 { run(for: Self.beat) }
        }
        guard laws.violations.isEmpty else { return nil }
        let reason = laws.unrest(simulator, metadata) ?? "a client still waits"
        laws.broken(5, simulator.now, "no rest within \(limit.seconds) s: \(reason)")
        return nil
    }

    /// Law 5 as clients see it: every node gives the same answers.
    private mutating func askEverywhere() {
        var questions: [(name: ResourceName, host: HostID)] = []
        for host in hosts where simulator.isRunning(host.id) { questions += names.map { ($0, host.id) } }
        // All in one moment; but where few may be connected at once, as many as there may be clients of a large
        // cluster: a search for what is not there visits every node.
        let atOnce = plan.features.peersMax == nil ? questions.count : nodes
        var rest = questions[...]
        // One after the other, its time is that of the unluckiest: where one leg in twenty has to be sent again, and
        // waits for that, twice for each node that such a search visits.
        let withLoss = max(15, Int64(nodes) * 4 / 5)
        // Somebody who came back went for good before the others had heard it: they say for a while that they can not know of
        // what nobody has that it was not there alone.
        let isHalfHeard = hosts.contains { host in
            simulator.machine(on: host.id).map { node in names.contains { node.machine.isHalfHeard($0) } } ?? false
        }
        let unheard = isHalfHeard ? Convergence.Settings().settling : .zero
        let limit =
            Duration.seconds(plan.features.peersMax != nil ? 600 : link.loss == .percent(0) ? 3 : withLoss) + unheard
        let end = simulator.now + limit
        repeat {
            let asking = clients.count { $0.request != nil }
            for question in rest.prefix(max(0, atOnce - asking)) {
                clients.append(Client(next: simulator.now))
                start(.read(question.name), at: question.host, client: clients.count - 1)
            }
            rest = rest.dropFirst(max(0, atOnce - asking))
            // Also at rest a lost datagram makes a suspect of somebody, and a read is told to come again.
            runClients(areAsking: false)
            run(for: Self.beat)
        } while simulator.now < end && laws.violations.isEmpty
            && (!rest.isEmpty || clients.contains { $0.request != nil })
        let unanswered = rest.count + clients.count { $0.request != nil }
        if unanswered > 0, laws.violations.isEmpty {
            laws.broken(6, simulator.now, "\(unanswered) reads at rest were not answered within \(limit.seconds) s")
        }
    }

    mutating func run(for time: Duration) {
        let limit = simulator.now + time
        while simulator.step(until: limit) {
            for observed in simulator.takeObservations() { take(observed) }
            for index in hosts.indices {
                let changes = simulator.diskChanges(of: hosts[index].id)
                guard changes != changesSeen[index] else { continue }
                changesSeen[index] = changes
                laws.checkStore(of: hosts[index].id, simulator)
            }
        }
        for observed in simulator.takeObservations() { take(observed) }
    }

    private mutating func take(_ observed: Simulator<NodeHost>.Observed) {
        tell("\(simulator.name(of: observed.host)): \(observed.what)")
        switch observed.what {
        case .wrote(let number, let result): wrote(number, result)
        case .read(let number, let result): hasRead(number, result)
        case .made(let version): laws.made(version, at: simulator.now)
        case .dropped: laws.checkCopies(simulator)
        case .collected(let sets): laws.forgot(sets, on: observed.host, simulator)
        case .outran(let version): laws.outran(version)
        case .fetches(let version): if isBoundToStay { checkFetch(version, by: observed.host) }
        case .left(let remaining, let copies):
            laws.left(observed.host, copies: copies, simulator)
            if remaining > 0 { laws.broken(2, simulator.now, "\(observed.host) left \(remaining) resources behind") }
            laws.checkCopies(simulator)
        case .strayed(let name, let hops):
            laws.broken(9, simulator.now, "a read of \(name) has been at \(hops) nodes")
        case .servedRot(let name): laws.broken(6, simulator.now, "wrong bytes of \(name) were served")
        case .event: break
        }
    }

    /// For the story of a seed that fails: who holds what of the names concerned, and thinks what of it.
    private mutating func describe() {
        for name in names where laws.violations.contains(where: { $0.text.contains("\(name) ") }) {
            let slot = Slot(ofName: name.text, in: cluster)
            for host in hosts {
                let set = simulator.disk(of: host.id).durable.sets[name]
                let held = set?.versions.map { "\($0.dot)\($0.isTombstone ? " deleted" : "")@\($0.home?.text ?? "")" }
                var view = "down"
                if let machine = simulator.machine(on: host.id)?.machine {
                    let convergence = machine.convergence
                    view =
                        "\(machine.phase), owners \(convergence.owners(of: slot)), synced \(convergence.isSynced(slot)), unsettled \(convergence.isUnsettled(slot)), expects more \(set.map(convergence.isExpecting)?.description ?? "-"), calls \(convergence.view.contactable)"
                }
                tell("\(name) in \(slot) on \(simulator.name(of: host.id)), \(host.state): \(held ?? []); \(view)")
            }
        }
    }

    mutating func tell(_ text: String) {
        // Cut by halves, so that keeping the last ones costs nothing to speak of.
        if story.count >= 600 { story.removeFirst(300) }
        story.append("\(simulator.now) \(text)")
    }
}
