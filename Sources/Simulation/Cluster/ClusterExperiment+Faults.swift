import Node
import Vocabulary

// The schedule. What it may do at once is what the laws promise to survive: every acknowledged version keeps one more
// running holder, and as many members stay as there are to be copies.

extension ClusterExperiment {
    private enum Fault: String, CaseIterable {
        case kill, powerCut = "power cut", wipe, flap, pause, leave, join
    }

    /// Those that are members, too: one that is still looking for the others takes nobody's place.
    private var serving: [HostID] {
        hosts.filter { host in
            host.state == .running
                && simulator.machine(on: host.id).map { $0.machine.phase == .serving || $0.machine.phase == .syncing }
                    ?? false
        }.map(\.id)
    }

    /// - Returns: whether there was one that may be made now.
    mutating func makeFault() -> Bool {
        guard let fault = Fault.allCases.randomElement(using: &random),
            let index = hosts.indices.randomElement(using: &random)
        else { return false }
        let id = hosts[index].id
        let name = simulator.name(of: id)
        if fault == .join {
            guard hosts[index].state == .absent else { return false }
            tell("fault: \(name) joins")
            simulator.boot(id)
            hosts[index].state = .running
            faultTimes.append(simulator.now)
            faults[fault.rawValue, default: 0] += 1
            return true
        }
        let others = serving.filter { $0 != id }
        guard hosts[index].state == .running, others.count >= laws.replicas,
            laws.isHeld(on: others, count: 1, simulator)
        else { return false }
        let now = simulator.now
        let back = now + .milliseconds(Int64.random(in: 200...25_000, using: &random))
        switch fault {
        case .kill:
            simulator.kill(id)
            hosts[index].state = .down(back: back, wiped: false)
        case .powerCut:
            simulator.losePower(id, Bool.random(using: &random) ? .everything : .suffix)
            hosts[index].state = .down(back: back, wiped: false)
        case .wipe:
            guard !laws.isShortOfOneDisk else { return false }
            simulator.losePower(id)
            simulator.withDisk(of: id) { $0.replace(with: CatalogueDisk()) }
            laws.isShortOfOneDisk = true
            wipedAt = now
            hosts[index].state = .down(back: back, wiped: true)
        case .flap:
            simulator.kill(id)
            simulator.boot(id)
        case .pause:
            let time = Duration.milliseconds(Int64.random(in: 500...12_000, using: &random))
            simulator.pause(id, for: time)
            hosts[index].state = .paused(until: now + time)
        case .leave:
            simulator.command(.leave(timeout: .seconds(120)), to: id)
            hosts[index].state = .leaving
        case .join: break
        }
        faultTimes.append(now)
        tell("fault: \(fault.rawValue) of \(name)")
        faults[fault.rawValue, default: 0] += 1
        return true
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
                if all, Int.random(in: 0..<3, using: &random) == 0 {
                    tell("\(simulator.name(of: id)) never comes back")
                    hosts[index].state = .down(back: nil, wiped: false)
                } else if let back, all || back <= now {
                    boot(index)
                }
            }
        }
        // Until the others know that the disk is gone, writes and drops under way may still count its copies.
        let isForgotten = now - wipedAt > .seconds(15)
        if laws.isShortOfOneDisk, isForgotten, laws.isHeld(on: serving, count: laws.replicas, simulator) {
            laws.isShortOfOneDisk = false
        }
    }

    private mutating func boot(_ index: Int) {
        tell("\(simulator.name(of: hosts[index].id)) starts")
        laws.departed.remove(hosts[index].id)
        simulator.boot(hosts[index].id)
        hosts[index].state = .running
    }
}
