import Node
import Resources
import Vocabulary

// What the schedules do. What may be done at once is what the laws promise to survive: every acknowledged version keeps
// one more running holder, and as many members stay as there are to be copies.

extension ClusterExperiment {
    /// Those that are members, too: one that is still looking for the others takes nobody's place.
    private var serving: [HostID] {
        hosts.filter { host in
            host.state == .running
                && simulator.machine(on: host.id).map { $0.machine.phase == .serving || $0.machine.phase == .syncing }
                    ?? false
        }.map(\.id)
    }

    var isClassic: Bool { plan.faults == .classic }

    // MARK: Schedules

    /// The next of those that come to mind.
    ///
    /// - Returns: whether there was one that may be made now.
    mutating func makeClassicFault() -> Bool {
        guard let kind = FaultKind.classic.randomElement(using: &random),
            let index = hosts.indices.randomElement(using: &random), mayMake(kind, at: index)
        else { return false }
        var dice = random
        defer { random = dice }
        return make(kind, at: index, &dice)
    }

    /// Those of the drawn ones whose time has come.
    mutating func makeScheduledFaults() {
        while let fault = schedule.first, faultsBegan + fault.after <= simulator.now {
            schedule.removeFirst()
            if case .drawn(_, let only?) = plan.faults, !only.contains(fault.number) { continue }
            let order = hosts.indices.map { (fault.host + $0) % hosts.count }
            guard let index = order.first(where: { mayMake(fault.kind, at: $0) }) else { continue }
            var dice = fault.dice
            let line = story.count
            if make(fault.kind, at: index, &dice, number: fault.number) {
                made.append(MadeFault(number: fault.number, text: story[min(line, story.count - 1)]))
            }
        }
    }

    private func mayMake(_ kind: FaultKind, at index: Int) -> Bool {
        let id = hosts[index].id
        if kind == .join {
            return hosts[index].state == .absent && !laws.isApart
        }
        guard hosts[index].state == .running, !kind.needsWholeNetwork || !laws.isApart else { return false }
        // Its boot epochs would not grow any more: they are kept on the disk, and else made from the wall clock.
        if kind == .emptyDisk || kind == .oldDisk, setBack.contains(index) { return false }
        guard kind.fellsMember else { return true }
        let others = serving.filter { $0 != id }
        // Of two one may fail; it may not go for good, for that leaves fewer members than copies.
        let fewest = isClassic || kind == .leave ? laws.replicas : min(laws.replicas, nodes - 1)
        return others.count >= fewest
            && laws.isHeld(on: others, count: 1, simulator) && haveAllBytes(others)
    }

    /// Whether what rotted anywhere, and was not repaired yet, is whole on one of these: of a version that is history
    /// already there may be no other copy.
    private func haveAllBytes(_ others: [HostID]) -> Bool {
        guard configuration.scrubs else { return true }
        let disks = others.map { simulator.disk(of: $0).durable }
        return hosts.allSatisfy { host in
            let disk = simulator.disk(of: host.id).durable
            let needed = disk.sets.values.flatMap { $0.versions.compactMap(\.digest) }
            return needed.allSatisfy { digest in
                disk.isWhole(digest) || disks.contains { $0.keeps(digest) }
            }
        }
    }

    /// Whether nothing goes with its disk: while it was down, what it shared with one other may have rotten there, and a
    /// third may be about to drop it on the word of these two (seed 8906). And fewer stay away than there are copies: what
    /// might be with them alone nobody could deny, until an operator forgets them.
    private func mayStayAway(_ index: Int) -> Bool {
        let others = hosts.indices.filter { other in
            switch hosts[other].state {
            case .running, .paused: other != index
            case .down(let back, _): other != index && back != nil
            case .absent, .leaving, .left: false
            }
        }.map { hosts[$0].id }
        let away = hosts.count { if case .down(back: nil, _) = $0.state { true } else { false } }
        return away + 1 < laws.replicas && !laws.isShortOfOneDisk && laws.isHeld(on: others, count: 1, simulator)
            && haveAllBytes(others)
    }

    // MARK: Faults

    private mutating func make(_ kind: FaultKind, at index: Int, _ dice: inout SeededGenerator, number: Int? = nil)
        -> Bool
    {
        let id = hosts[index].id
        let now = simulator.now
        var text = "\(kind.rawValue) of \(simulator.name(of: id))"
        switch kind {
        case .join:
            simulator.boot(id)
            hosts[index].state = .running
        case .tornFile:
            guard let name = tearFile(at: index, &dice) else { return false }
            text += ": \(name)"
        case .kill, .powerCut, .emptyDisk, .oldDisk, .flap, .restart, .pause, .leave:
            guard fell(kind, at: index, &dice) else { return false }
        case .clockJump:
            let before = wallErrors[index]
            let error = setWallError(Self.drawWallError(using: &dice), at: index)
            text += " to \(error / 1000) s"
            if error < before { setBack.insert(index) }
        case .drift: return false
        case .rot:
            guard let name = spoil(at: index, &dice) else { return false }
            text += ": \(name)"
        case .partition, .oneWay, .pairCut, .loss, .delay, .disorder, .slowDisk, .fullDisk:
            guard let disturbance = disturbance(kind, at: index, &dice) else { return false }
            text = disturbance.text + " until \(disturbance.until)"
            begin(disturbance)
        }
        faultTimes.append(now)
        tell("fault\(number.map { " \($0)" } ?? ""): \(text)")
        faults[kind.rawValue, default: 0] += 1
        return true
    }

    private mutating func fell(_ kind: FaultKind, at index: Int, _ dice: inout SeededGenerator) -> Bool {
        let id = hosts[index].id
        let now = simulator.now
        let back = now + .milliseconds(Int64.random(in: 200...25_000, using: &dice))
        switch kind {
        case .kill:
            simulator.kill(id)
            hosts[index].state = .down(back: back, wiped: false)
        case .powerCut:
            let losses: [SimulatedDisk<CatalogueDisk>.Loss] =
                isClassic ? [Bool.random(using: &dice) ? .everything : .suffix] : [.everything, .suffix, .anySubset]
            simulator.losePower(id, isClassic ? losses[0] : losses.randomElement(using: &dice) ?? .everything)
            hosts[index].state = .down(back: back, wiped: false)
        case .emptyDisk, .oldDisk:
            guard !laws.isShortOfOneDisk else { return false }
            let old = kind == .oldDisk ? snapshots[index] : CatalogueDisk()
            simulator.losePower(id)
            simulator.withDisk(of: id) { $0.replace(with: old) }
            laws.isShortOfOneDisk = true
            wipedAt = now
            hosts[index].state = .down(back: back, wiped: true)
        case .flap:
            simulator.kill(id)
            simulator.boot(id)
        case .restart:
            simulator.command(.restart, to: id)
            hosts[index].state = .down(
                back: now + .milliseconds(Int64.random(in: 2_000...12_000, using: &dice)), wiped: false)
        case .pause:
            let range: ClosedRange<Int64> = isClassic ? 500...12_000 : 1_000...60_000
            let time = Duration.milliseconds(Int64.random(in: range, using: &dice))
            simulator.pause(id, for: time)
            laws.pausedUntil[id] = now + time
            hosts[index].state = .paused(until: now + time)
        case .leave:
            // Time enough for who announced a restart and does not come back to be missed (60 s), and replaced.
            simulator.command(.leave(timeout: .seconds(240)), to: id)
            hosts[index].state = .leaving
        case .join, .clockJump, .drift, .partition, .oneWay, .pairCut, .loss, .delay, .disorder, .slowDisk, .fullDisk,
            .rot, .tornFile:
            return false
        }
        return true
    }

    /// The power goes while a disk writes what it had said to be written.
    private mutating func tearFile(at index: Int, _ dice: inout SeededGenerator) -> ResourceName? {
        // What came last is what a disk may still have been about to write.
        guard let name = spoil(at: index, amongLast: 3, &dice) else { return nil }
        simulator.losePower(hosts[index].id, .anySubset)
        let back = simulator.now + .milliseconds(Int64.random(in: 200...25_000, using: &dice))
        hosts[index].state = .down(back: back, wiped: false)
        return name
    }

    /// One blob of those that a running host holds, if another has it as well.
    ///
    /// - Parameter last: only of so many that were written last; nil for any.
    private mutating func spoil(at index: Int, amongLast last: Int? = nil, _ dice: inout SeededGenerator)
        -> ResourceName?
    {
        let id = hosts[index].id
        let others = serving.filter { $0 != id }
        let disk = simulator.disk(of: id).durable
        guard !laws.isShortOfOneDisk, laws.isHeld(on: others, count: 1, simulator),
            let version = disk.live(last).randomElement(using: &dice), let digest = version.digest,
            disk.isWhole(digest),
            others.contains(where: { simulator.disk(of: $0).durable.keeps(digest) })
        else { return nil }
        simulator.withDisk(of: id) { disk in disk.rot { $0.rot(digest) } }
        laws.isShortOfOneDisk = true
        wipedAt = simulator.now
        return version.name
    }

    /// Starts what is due to come back; at the end all but a few that stay away for good.
    mutating func bringBack(all: Bool) {
        let now = simulator.now
        for index in hosts.indices {
            let id = hosts[index].id
            switch hosts[index].state {
            case .absent, .running: break
            case .paused(let until):
                if all, now < until { simulator.resume(id) }
                if all || until <= now { hosts[index].state = .running }
            case .leaving:
                guard !simulator.isRunning(id) else { continue }
                let wait = Int64.random(in: 500...20_000, using: &random)
                hosts[index].state = .left(back: Bool.random(using: &random) ? now + .milliseconds(wait) : nil)
            case .left(let back):
                if all { hosts[index].state = .left(back: nil) }
                if !all, let back, back <= now { boot(index) }
            case .down(let back, _):
                if all, Int.random(in: 0..<3, using: &random) == 0, mayStayAway(index) {
                    tell("\(simulator.name(of: id)) never comes back")
                    simulator.kill(id)
                    hosts[index].state = .down(back: nil, wiped: false)
                } else if let back, all || back <= now {
                    boot(index)
                }
            }
        }
        // Until the others know that the disk is gone, writes and drops under way may still count its copies. Rot counts as a
        // copy for as long as nobody has read it.
        let isForgotten =
            now - wipedAt > Laws.timeToHear
            && !hosts.contains {
                $0.state != .absent && !simulator.disk(of: $0.id).durable.rotten.isEmpty
            }
        if laws.isShortOfOneDisk, isForgotten, laws.isHeld(on: serving, count: laws.replicas, simulator) {
            laws.isShortOfOneDisk = false
        }
    }

    private mutating func boot(_ index: Int) {
        tell("\(simulator.name(of: hosts[index].id)) starts")
        laws.isBack(hosts[index].id)
        simulator.kill(hosts[index].id)
        simulator.boot(hosts[index].id)
        hosts[index].state = .running
    }
}
