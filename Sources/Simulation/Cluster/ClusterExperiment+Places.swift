import Node
import Placement
import Resources
import SWIM
import Vocabulary

// Laws 7 and 9: who fetches what it does not own, and who is connected with more than it may be.

extension ClusterExperiment {
    /// Law 7: while everybody keeps its place, nobody but an owner of a name fetches it.
    mutating func checkFetch(_ version: Version, by host: HostID) {
        let ring = Ring(
            hosts.prefix(nodes).map { host in
                let name = simulator.name(of: host.id)
                return Candidate(name, metadata[name] ?? .standard)
            })
        var versions = [version]
        if plan.features.movesHomes {
            // What is older comes with the newest to where that is at home; and whoever has a copy from before fetches what
            // has become of it, to have it confirmed and let go (`Convergence.wish`).
            let sets = hosts.map { simulator.disk(of: $0.id).durable.sets[version.name] }
            guard sets[host.number] == nil else { return }
            versions += sets.flatMap { $0?.versions ?? [] }
        }
        let keys = Set(versions.map { $0.group(in: cluster) }).sorted()
        let owners = keys.map { ring.owners(of: $0.slot, home: $0.home, count: laws.replicas) }
        guard !owners.contains(where: { $0.contains(simulator.name(of: host)) }) else { return }
        let all = owners.map { "\($0)" }.joined(separator: " or ")
        laws.broken(
            7, simulator.now,
            "\(simulator.name(of: host)) fetches \(version.name), which \(all) own: nobody was away for long")
    }

    mutating func lookAtPlaces() {
        for host in hosts {
            guard let machine = simulator.machine(on: host.id) else { continue }
            peersMost = max(peersMost, machine.peersMost)
            hopsMost = max(hopsMost, machine.hopsMost)
            if let allowed = plan.features.peersMax, machine.peersMost > allowed {
                laws.broken(9, simulator.now, "\(simulator.name(of: host.id)) was connected with \(machine.peersMost)")
            }
        }
    }
}
