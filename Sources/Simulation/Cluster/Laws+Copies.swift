import Node
import Relocation
import Resources
import Vocabulary

// Laws 1 and 2 as the disks show them: what was acknowledged stays on as many as it should be.

extension Laws {
    /// Acknowledged versions that no acknowledged one has replaced, and that have not come to the end of a history.
    var frontier: [Version] { heads.keys.sorted().flatMap { heads[$0] ?? [] } }

    mutating func renewHeads(of name: ResourceName) {
        let acknowledged = (writes[name] ?? []).compactMap(\.acknowledged)
        let old = heads[name] ?? []
        let new = acknowledged.filter { version in
            !outrun.contains(version.dot) && !isForgotten(version)
                && !acknowledged.contains { $0.context.covers(version.dot) }
        }
        for version in old where !new.contains(where: { $0.dot == version.dot }) { holders[version.dot] = nil }
        heads[name] = new
    }

    /// Law 2, and the second half of law 1, at each change of a disk: what it held of what was acknowledged it holds
    /// still, else there are enough others.
    ///
    /// Nothing but that disk is looked at, as long as nothing is amiss: there are hundreds of such changes in a run.
    mutating func checkStore(of host: HostID, _ simulator: Simulator<NodeHost>) {
        let disk = simulator.disk(of: host).durable
        var concerned: [ResourceName] = []
        for (name, versions) in heads {
            for version in versions {
                let holds = disk.holds(version)
                guard holds != (holders[version.dot]?.contains(host) ?? false) else { continue }
                if holds {
                    holders[version.dot, default: []].insert(host)
                } else {
                    holders[version.dot]?.remove(host)
                }
                concerned.append(name)
            }
        }
        if !concerned.isEmpty { checkCopies(simulator, of: concerned.sorted()) }
    }

    /// The same by all disks, those of crashed hosts included.
    ///
    /// - Parameter names: only of these, in order; nil for all.
    mutating func checkCopies(_ simulator: Simulator<NodeHost>, of names: [ResourceName]? = nil) {
        let disks = simulator.hostIDs.filter { !departed.contains($0) }.map { simulator.disk(of: $0).durable }
        let names = names ?? heads.keys.sorted()
        noteOutrun(disks, of: names)
        // One that stands still may have been about to drop its copy, and does so when it goes on.
        let moving = simulator.hostIDs.filter { !departed.contains($0) && (pausedUntil[$0] ?? .zero) < simulator.now }
            .map { simulator.disk(of: $0).durable }
        if disks.contains(where: { !$0.rotten.isEmpty }) { rotUnreadAt = simulator.now }
        let isRotFresh = rotUnreadAt.map { simulator.now - $0 <= Self.timeToHear } ?? false
        for version in names.flatMap({ heads[$0] ?? [] }) {
            let count = disks.count { $0.holds(version) }
            let floor = max(floors[version.dot] ?? 0, min(moving.count { $0.holds(version) }, replicas))
            floors[version.dot] = floor
            let wanted = floor - (isShortOfOneDisk || isRotFresh ? 1 : 0)
            if count < wanted {
                broken(2, simulator.now, "\(version.name) \(version.dot) is on \(count) disks, not on \(wanted)")
            }
        }
    }

    /// A version is acknowledged: who holds it now.
    mutating func noteHolders(of version: Version, _ simulator: Simulator<NodeHost>) {
        holders[version.dot] = Set(simulator.hostIDs.filter { simulator.disk(of: $0).durable.holds(version) })
    }

    /// A host left in good order. It left as many copies of what it held as there are to be, or as others were there to
    /// own: while members are away for long that may be fewer than before, and the leaver says so.
    mutating func left(_ host: HostID, copies: Int, _ simulator: Simulator<NodeHost>) {
        departed.insert(host)
        guard copies < replicas else { return }
        let disk = simulator.disk(of: host).durable
        for version in frontier where disk.holds(version) {
            floors[version.dot] = floors[version.dot].map { min($0, copies) }
        }
    }

    mutating func isBack(_ host: HostID) { departed.remove(host) }

    /// Law 3: a deleted name is forgotten when nobody holds what was deleted, whether it is there or not.
    mutating func forgot(_ sets: [VersionSet], on host: HostID, _ simulator: Simulator<NodeHost>) {
        for set in sets {
            let context = set.context
            if !isForgotten(set.head) { forgottenCount += 1 }
            forgotten[set.name, default: CausalContext()].add(context)
            renewHeads(of: set.name)
            for other in simulator.hostIDs where other != host {
                guard let held = simulator.disk(of: other).durable.sets[set.name],
                    let old = held.versions.first(where: { !$0.isTombstone && context.covers($0.dot) })
                else { continue }
                let what = "\(set.name) \(set.head.dot) was forgotten on \(simulator.name(of: host))"
                broken(3, simulator.now, "\(what), and \(old.dot) is on \(simulator.name(of: other))")
            }
        }
    }

    func isForgotten(_ version: Version) -> Bool { forgotten[version.name]?.covers(version.dot) ?? false }

    /// For a moment only it may be: a delete among the greater ones takes others with it.
    mutating func outran(_ version: Version) {
        outrun.insert(version.dot)
        renewHeads(of: version.name)
    }

    mutating func noteOutrun(_ disks: [CatalogueDisk], of names: [ResourceName]) {
        for version in names.flatMap({ heads[$0] ?? [] }) {
            let isOutrun = disks.contains { disk in
                guard let kept = disk.sets[version.name]?.versions, kept.count == VersionSet.versionCountMax,
                    let least = kept.last
                else { return false }
                return Version.precedes(version, least)
            }
            if isOutrun { outran(version) }
        }
    }

    /// Whether every acknowledged version is on this many of the hosts, and stays there: one that is about to be
    /// dropped by the word of others counts for nothing (seed 1295).
    func isHeld(on hosts: [HostID], count: Int, _ simulator: Simulator<NodeHost>) -> Bool {
        frontier.allSatisfy { version in
            let key = version.group(in: cluster)
            return hosts.count { host in
                let disk = simulator.disk(of: host).durable
                guard disk.holds(version) else { return false }
                return simulator.machine(on: host)?.machine.convergence
                    .mayStillDrop(key, disk.summary(of: key, cluster).digest) != true
            } >= count
        }
    }
}
