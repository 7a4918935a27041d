import SWIM
import Vocabulary

/// A group of 16 in which every member has the same defect, or none, and what the checks do to it. Each scenario says
/// what was wrong, or `nil`.
struct SwimTrial {
    private let defect: SwimDefect?
    private var cluster: SwimCluster
    /// The one that things happen to, and another.
    private let subject: HostID
    private let other: HostID
    private let name: NodeName

    init(_ defect: SwimDefect?, seed: UInt64, loss: UInt32 = 0) throws {
        self.defect = defect
        var settings = Membership.Settings()
        defect?.spoil(&settings)
        cluster = try SwimCluster(count: 16, seed: seed, settings: settings, link: Link(loss: .percent(loss)))
        for host in cluster.hosts { cluster.simulator.interfere(with: host, by: Sabotage(defect)) }
        cluster.run(for: .seconds(10))
        let chosen = cluster.choose(2)
        (subject, other) = (chosen[0], chosen[1])
        name = cluster.simulator.name(of: chosen[0])
    }

    private var others: [HostID] { cluster.hosts.filter { $0 != subject } }
    private var watches: [WireWatch] {
        cluster.hosts.compactMap { (cluster.simulator.interference(with: $0) as? Sabotage)?.watch }
    }

    /// How many of the others hold the subject for that.
    private func count(_ status: Status) -> Int {
        others.count { cluster.membership($0)?.member(name)?.status == status }
    }

    private func happened(_ kinds: MemberEvent.Kind..., to subject: NodeName? = nil, since: Instant = .zero) -> String?
    {
        cluster.events.first {
            kinds.contains($0.what.kind) && $0.at >= since && (subject == nil || $0.what.name == subject)
        }.map { "\($0.at) \(cluster.simulator.name(of: $0.host)): \($0.what)" }
    }

    /// Until the condition holds; says so when it does not within the time.
    private mutating func wait(_ limit: Duration, _ what: String, until condition: (SwimTrial) -> Bool) -> String? {
        let end = cluster.simulator.now + limit
        while !condition(self) {
            guard cluster.simulator.now < end else { return "\(what): not within \(Int(limit.seconds)) s" }
            cluster.run(for: .milliseconds(50))
        }
        return nil
    }

    private mutating func crash() -> String? {
        cluster.simulator.losePower(subject)
        return wait(.seconds(60), "its crash known by all") { $0.count(.crashed) == $0.others.count }
    }

    // MARK: Detection

    mutating func knownInTime() -> String? {
        cluster.simulator.losePower(subject)
        return wait(.seconds(5), "suspected by somebody") { $0.count(.suspect) + $0.count(.crashed) > 0 }
            ?? wait(.seconds(10), "known by all") { $0.count(.crashed) == $0.others.count }
    }

    mutating func confirmationsShorten() -> String? {
        cluster.simulator.losePower(subject)
        _ = wait(.seconds(30), "suspected by somebody") { $0.count(.suspect) > 0 }
        return wait(.seconds(7), "known by all, after that") { $0.count(.crashed) == $0.others.count }
    }

    static func promptOnAverage(_ defect: SwimDefect?, seed: UInt64) throws -> String? {
        var sum = Duration.zero
        for part in UInt64(0)..<8 {
            var trial = try SwimTrial(defect, seed: seed * 8 + part)
            // Past the first round, whose order is that of the start.
            trial.cluster.run(for: .seconds(20))
            let start = trial.cluster.simulator.now
            trial.cluster.simulator.losePower(trial.subject)
            _ = trial.wait(.seconds(60), "suspected") { $0.count(.suspect) + $0.count(.crashed) > 0 }
            sum += trial.cluster.simulator.now - start
        }
        return sum / 8 <= .seconds(3) ? nil : "on the average after \((sum / 8).milliseconds) ms"
    }

    mutating func noFalseAlarm() -> String? {
        cluster.run(for: .seconds(60))
        return happened(.suspected, .crashed, .unreachable)
    }

    mutating func helpersVouch() -> String? {
        cluster.simulator.network.cutBothWays(subject, other)
        cluster.run(for: .seconds(90))
        return happened(.suspected, .crashed)
    }

    mutating func helpersAnswer() -> String? {
        cluster.simulator.losePower(subject)
        // Probes of a suspect go on until the verdict; the last of them have then been answered too.
        cluster.run(for: .seconds(30))
        let requests = watches.reduce(0) { $0 + $1.requests }
        let inTime = watches.reduce(0) { $0 + $1.answersInTime }
        return requests > 0 && inTime * 10 >= requests * 9 ? nil : "\(inTime) of \(requests) requests answered in time"
    }

    mutating func pausedIsNotCondemned() -> String? {
        // Where TLS passes, that its host takes connections gives it time enough, whatever is wrong with its refutation.
        for other in others { cluster.simulator.network.cutBothWays(subject, other, .calls) }
        cluster.simulator.pause(subject, for: .milliseconds(3_500))
        cluster.run(for: .seconds(30))
        return happened(.crashed)
    }

    mutating func stalledIsTolerated() -> String? {
        cluster.simulator.pause(subject, for: .seconds(20))
        cluster.run(for: .seconds(40))
        return happened(.crashed)
    }

    // MARK: The judge's own health

    mutating func deafAccusesNobody() -> String? {
        cluster.simulator.block(subject, for: .seconds(10))
        cluster.run(for: .seconds(9))
        let subject = subject
        return cluster.events.first { $0.host == subject && $0.what.kind == .suspected }.map { "\($0.at): \($0.what)" }
    }

    mutating func healthComesBack() -> String? {
        let subject = subject
        cluster.simulator.block(subject, for: .seconds(10))
        cluster.run(for: .seconds(10))
        guard let worst = cluster.membership(subject)?.healthScore, worst > 0 else { return "it never was bad" }
        return wait(.seconds(60), "from \(worst) back to 0") { $0.cluster.membership(subject)?.healthScore == 0 }
    }

    // MARK: Coming and going

    mutating func leftIsLeft() -> String? {
        cluster.simulator.command(.announce(.leaving), to: subject)
        let violation = wait(.seconds(3), "its farewell known by all") { $0.count(.left) == $0.others.count }
        cluster.run(for: .seconds(20))
        return happened(.crashed) ?? violation
    }

    mutating func leftMayReturn() -> String? {
        cluster.simulator.command(.announce(.leaving), to: subject)
        cluster.run(for: .seconds(10))
        cluster.simulator.boot(subject)
        let back = cluster.simulator.now
        let violation = wait(.seconds(30), "back in every view") { $0.count(.alive) == $0.others.count }
        cluster.run(for: .seconds(30))
        return violation ?? happened(.left, to: name, since: back + .seconds(1))
    }

    mutating func crashedMayReturn() -> String? {
        if let violation = crash() { return violation }
        cluster.simulator.boot(subject)
        return wait(.seconds(30), "back in every view") { $0.count(.alive) == $0.others.count }
    }

    mutating func movedIsFound() throws -> String? {
        if let violation = crash() { return violation }
        cluster.simulator.move(subject, to: try Endpoint(host: "10.9.9.9", port: 7))
        cluster.simulator.boot(subject)
        return wait(.seconds(30), "known by all to have moved") { $0.cluster.hasRightAddresses }
    }

    mutating func addressIsNotIdentity() -> String? {
        let address = cluster.simulator.endpoint(of: subject)
        cluster.simulator.losePower(subject)
        cluster.simulator.kill(other)
        cluster.simulator.move(other, to: address)
        cluster.simulator.boot(other)
        return wait(.seconds(40), "known to be dead") { $0.count(.crashed) == $0.others.count }
    }

    mutating func namesakeIsNoticed() throws -> String? {
        let double = cluster.simulator.addHost(
            name, at: try Endpoint(host: "10.9.9.9", port: 7), .init(join: [cluster.simulator.endpoint(of: other)]))
        cluster.simulator.interfere(with: double, by: Sabotage(defect))
        cluster.simulator.boot(double)
        cluster.run(for: .seconds(30))
        let isNoticed = cluster.events.contains { $0.what.kind == .conflict && $0.host == subject }
        return isNoticed ? nil : "the first holder did not notice"
    }

    mutating func newcomerKnowsAll() throws -> String? {
        let newcomer = cluster.simulator.addHost(
            try NodeName("newcomer"), at: try Endpoint(host: "10.9.9.9", port: 7),
            .init(join: [cluster.simulator.endpoint(of: other)]))
        cluster.simulator.interfere(with: newcomer, by: Sabotage(defect))
        cluster.simulator.boot(newcomer)
        return wait(.seconds(3), "all known to the newcomer") { $0.cluster.membership(newcomer)?.presentCount == 17 }
    }

    mutating func restartIsTolerated() -> String? {
        cluster.simulator.command(.announce(.restarting), to: subject)
        cluster.run(for: .seconds(2))
        cluster.simulator.kill(subject)
        cluster.run(for: .seconds(20))
        cluster.simulator.boot(subject)
        cluster.run(for: .seconds(5))
        return happened(.suspected, .crashed, to: name)
    }

    mutating func cutHeals() -> String? {
        cluster.simulator.network.partition([Array(cluster.hosts.prefix(8))])
        cluster.run(for: .seconds(60))
        cluster.simulator.network.heal()
        return wait(.seconds(60), "one view again") { $0.cluster.isWhole }
    }

    // MARK: News

    mutating func updateReachesAll() -> String? {
        cluster.simulator.command(.announce(.draining), to: subject)
        return wait(.seconds(5), "known by all to drain") { $0.count(.draining) == $0.others.count }
    }

    mutating func quietAgain() throws -> String? {
        // The news of the start is to be over.
        cluster.run(for: .seconds(20))
        let before = cluster.sent.datagrams
        cluster.simulator.command(.describe(try Metadata(weight: 7)), to: subject)
        cluster.run(for: .seconds(30))
        let perSecond = Double(cluster.sent.datagrams - before) / 30 / Double(cluster.hosts.count)
        return perSecond <= 3 ? nil : "\(perSecond) datagrams a second"
    }

    mutating func datagramsFit() -> String? {
        cluster.run(for: .seconds(20))
        let largest = watches.map(\.largest).max() ?? 0
        return largest <= Packet.wireSizeMax ? nil : "\(largest) bytes before sealing"
    }

    // MARK: Truth

    /// Suspicions and refutations, without anybody's being gone.
    private mutating func trouble(_ look: (inout Simulator<SwimHost>, Simulator<SwimHost>.Observed) -> Void) {
        for host in cluster.hosts.prefix(6) {
            cluster.simulator.pause(host, for: .milliseconds(2_500))
            cluster.simulator.run(for: .seconds(8), onObservation: look)
        }
    }

    mutating func incarnationIsOwn() -> String? {
        let hosts = cluster.hosts
        var violation: String?
        trouble { simulator, event in
            guard violation == nil, let subject = hosts.first(where: { simulator.name(of: $0) == event.what.name }),
                let own = simulator.machine(on: subject)?.membership.oneself, own.epoch == event.what.epoch,
                event.what.incarnation > own.incarnation
            else { return }
            violation =
                "\(event.at) \(simulator.name(of: event.host)) holds \(event.what.claim); "
                + "it has reached \(own.incarnation)"
        }
        if let violation { return violation }
        for subject in hosts {
            guard let own = cluster.membership(subject)?.oneself else { continue }
            for observer in hosts {
                guard let view = cluster.membership(observer)?.member(own.name), view.epoch == own.epoch,
                    view.incarnation > own.incarnation
                else { continue }
                return "\(cluster.simulator.name(of: observer)) holds \(view.claim); it has reached \(own.incarnation)"
            }
        }
        return nil
    }

    mutating func neverBack() -> String? {
        // It refutes, and so has an incarnation before its last.
        trouble { _, _ in }
        let troubled = cluster.hosts.prefix(6).first { (cluster.membership($0)?.oneself.incarnation ?? .zero) > .zero }
        cluster.simulator.losePower(troubled ?? subject)
        cluster.run(for: .seconds(30))
        return watches.lazy.compactMap(\.stepsBack.first).first
    }

    mutating func accuserIsReal() -> String? {
        var findings: Set<[NodeName]> = []
        var violation: String?
        trouble { simulator, event in
            guard event.what.kind == .suspected || event.what.kind == .crashed else { return }
            let observer = simulator.name(of: event.host)
            if event.what.heardFrom == observer { findings.insert([observer, event.what.name]) }
            if violation == nil, !findings.contains([event.what.by, event.what.name]) {
                violation = "\(event.at) \(observer): \(event.what)"
            }
        }
        return violation
    }
}
