import Node
import Relocation
import SWIM
import Vocabulary

// Faults that last for a while and fell nobody: of the network, and of disks.

extension ClusterExperiment {
    struct Disturbance: Sendable {
        let until: Instant
        let what: What
        let text: String

        enum What: Sendable {
            case cut([(from: HostID, to: HostID)], Link.Carriers)
            case loss(Chance, at: HostID?)
            case delay(Duration)
            case disorder(Chance)
            case slowDisk(HostID, Duration)
            case fullDisk(HostID)
        }

        var isCut: Bool {
            if case .cut = what { true } else { false }
        }

        var isLoss: Bool {
            if case .loss = what { true } else { false }
        }
    }

    /// After a cut, who has not been in order since: what its side took meanwhile the others may not know yet.
    struct Untold: Sendable {
        var hosts: [HostID]
        let until: Instant
    }

    func disturbance(_ kind: FaultKind, at index: Int, _ dice: inout SeededGenerator) -> Disturbance? {
        let id = hosts[index].id
        let name = simulator.name(of: id)
        // One in three lasts: then both sides give up waiting for the other, and go on alone.
        let isLong = Int.random(in: 0..<3, using: &dice) == 0
        let time = Duration.milliseconds(Int64.random(in: isLong ? 20_000...90_000 : 1_000...15_000, using: &dice))
        let until = simulator.now + time
        switch kind {
        case .partition, .oneWay:
            var others = hosts.map(\.id).filter { $0 != id && hosts[$0.number].state != .absent }
            guard !others.isEmpty else { return nil }
            others.shuffle(using: &dice)
            let size = Int.random(in: 0...others.count / 2, using: &dice)
            let side = ([id] + others.prefix(size)).sorted()
            // Who comes later is on the other side.
            let rest = hosts.map(\.id).filter { !side.contains($0) }
            let isOutward = Bool.random(using: &dice)
            var pairs: [(from: HostID, to: HostID)] = []
            for one in side {
                for other in rest {
                    if kind == .partition || isOutward { pairs.append((one, other)) }
                    if kind == .partition || !isOutward { pairs.append((other, one)) }
                }
            }
            let names = side.map { simulator.name(of: $0).text }.joined(separator: ",")
            let way = kind == .partition ? "" : isOutward ? " outwards" : " inwards"
            return Disturbance(until: until, what: .cut(pairs, .all), text: "\(kind.rawValue)\(way) of \(names)")
        case .pairCut:
            let others = hosts.filter { $0.id != id && $0.state == .running }.map(\.id)
            guard let other = others.randomElement(using: &dice) else { return nil }
            let carriers: [Link.Carriers] = [.all, .all, .datagrams, .calls]
            let cut = carriers.randomElement(using: &dice) ?? .all
            let kinds = cut == .all ? "" : cut == .datagrams ? ", datagrams only" : ", calls only"
            return Disturbance(
                until: until, what: .cut([(id, other), (other, id)], cut),
                text: "\(kind.rawValue) of \(name) and \(simulator.name(of: other))\(kinds)")
        case .loss:
            let chance = Chance.percent(UInt32.random(in: 5...50, using: &dice))
            let host = Bool.random(using: &dice) ? id : nil
            return Disturbance(
                until: until, what: .loss(chance, at: host),
                text: "loss of \(chance) \(host == nil ? "everywhere" : "at \(name)")")
        case .delay:
            let delay = Duration.milliseconds(Int64.random(in: 20...500, using: &dice))
            return Disturbance(until: until, what: .delay(delay), text: "delay of \(delay.seconds) s")
        case .disorder:
            let chance = Chance.percent(UInt32.random(in: 5...50, using: &dice))
            return Disturbance(until: until, what: .disorder(chance), text: "disorder of \(chance)")
        case .slowDisk:
            let time = Duration.milliseconds(Int64.random(in: 50...3_000, using: &dice))
            return Disturbance(
                until: until, what: .slowDisk(id, time), text: "slow disk of \(name), \(time.seconds) s a sync,")
        case .fullDisk: return Disturbance(until: until, what: .fullDisk(id), text: "full disk of \(name)")
        case .kill, .powerCut, .emptyDisk, .oldDisk, .flap, .restart, .pause, .leave, .join, .clockJump, .drift,
            .rot, .tornFile:
            return nil
        }
    }

    mutating func begin(_ disturbance: Disturbance) {
        disturbances.append(disturbance)
        if disturbance.isCut { laws.isApart = true }
        if case .fullDisk(let id) = disturbance.what {
            simulator.withDisk(of: id) { $0.capacity = $0.state.byteCount }
        }
        disturb()
    }

    /// Ends those that are over, and takes note of how the rest stands.
    mutating func endDisturbances(all: Bool) {
        let now = simulator.now
        if disturbances.contains(where: { all || $0.until <= now }) {
            for disturbance in disturbances where all || disturbance.until <= now {
                tell("over: \(disturbance.text)")
                restore(disturbance)
            }
            disturbances.removeAll { all || $0.until <= now }
            disturb()
        }
        let isCut = disturbances.contains(where: \.isCut)
        // So many packets are lost that members condemn each other: as good as a cut.
        if disturbances.contains(where: \.isLoss), isAnybodyWronged { laws.isApart = true }
        if laws.isApart {
            laws.apartAt = now
            if isCut {
                untold = nil
            } else {
                var rest = untold ?? Untold(hosts: hosts.map(\.id), until: now + Self.timeToTell)
                rest.hosts.removeAll { isInOrder($0) }
                untold = rest
                if rest.hosts.isEmpty || now >= rest.until, areTogether {
                    tell("all see one another again")
                    laws.isApart = false
                    untold = nil
                }
            }
        }
        let isPaused = hosts.contains { if case .paused = $0.state { true } else { false } }
        if laws.isApart || !disturbances.isEmpty || isPaused { disturbedAt = now }
    }

    private mutating func restore(_ disturbance: Disturbance) {
        switch disturbance.what {
        case .cut, .delay, .disorder: break
        case .loss(_, let host):
            if let host { simulator.network.setLoss(in: .never, out: .never, at: host) }
        case .slowDisk(let id, _): simulator.withDisk(of: id) { $0.syncTime = syncTimes[id.number] }
        case .fullDisk(let id): simulator.withDisk(of: id) { $0.capacity = .max }
        }
    }

    /// The world as all that disturb it now make it.
    private mutating func disturb() {
        simulator.network.heal()
        var link = link
        for disturbance in disturbances {
            switch disturbance.what {
            case .cut(let pairs, let carriers):
                for pair in pairs { simulator.network.cut(from: pair.from, to: pair.to, carriers) }
            case .loss(let chance, nil): link.loss = link.loss.or(chance)
            case .loss(let chance, let host?): simulator.network.setLoss(in: chance, out: chance, at: host)
            case .delay(let delay):
                link.delay += delay
                link.jitter += delay / 4
            case .disorder(let chance):
                link.duplication = link.duplication.or(chance)
                link.reordering = link.reordering.or(chance)
            case .slowDisk(let id, let time): simulator.withDisk(of: id) { $0.syncTime = time }
            case .fullDisk: break
            }
        }
        simulator.network.standard = link
    }

    /// Within so long after a cut each has looked at what the others have, however much else it has to do: calls that the
    /// cut held back are tried again every 5 s, and comparisons soon.
    private static let timeToTell = Duration.seconds(15)

    /// Whether a host has nothing to tell or to hear any more, or does not run.
    private func isInOrder(_ host: HostID) -> Bool {
        simulator.machine(on: host)?.machine.convergence.totals.isConverged ?? true
    }

    /// Whether every running member sees every other, accuses none, and has heard what it had missed.
    private var areTogether: Bool {
        let running = hosts.filter { simulator.isRunning($0.id) }
        let names = running.map { simulator.name(of: $0.id) }
        return running.allSatisfy { host in
            guard let machine = simulator.machine(on: host.id)?.machine, !machine.isJoining,
                machine.convergence.slotsUnsynced == 0
            else { return false }
            if case .paused = host.state { return false }
            let view = machine.convergence.view
            // A suspicion of the time of the cut may end in a verdict after it, when the accused has not heard of it in time
            // (seed 9113).
            return names.allSatisfy { $0 == machine.identity.name || view.canCall($0) && !view.doubts($0) }
        }
    }

    /// Whether one that runs takes another for crashed that runs as well.
    private var isAnybodyWronged: Bool {
        let running = hosts.compactMap { simulator.machine(on: $0.id)?.machine }
        return running.contains { judge in
            running.contains { accused in
                let known = judge.membership.member(accused.identity.name)
                return known?.status == .crashed && known?.epoch == accused.identity.epoch
            }
        }
    }

    /// Copies of the disks as they are now, to come back later as old ones.
    mutating func takeSnapshots() {
        for index in hosts.indices { snapshots[index] = simulator.disk(of: hosts[index].id).snapshot }
    }
}
