import Node
import Placement
import Relocation
import Resources
import Vocabulary

// Where deleted names are forgotten within the run.

extension ClusterExperiment {
    /// Names that are in one group with others: what is forgotten of a group leaves the rest of it to be compared.
    static func crowded(_ count: Int, in cluster: ClusterName) throws -> [ResourceName] {
        var names: [ResourceName] = []
        for number in 0... {
            let name = "app/file-\(number)"
            guard Slot(ofName: name, in: cluster).number < 8 else { continue }
            names.append(try ResourceName(name))
            if names.count >= count { break }
        }
        return names
    }

    /// Law 3 has its price: a deleted name is kept. It is not kept for ever, where all are there who may have a word in
    /// it, and where no clock is wrong.
    mutating func awaitForgetting() {
        guard let keep = plan.features.tombstoneKeep, !hasWrongClocks, laws.violations.isEmpty else { return }
        let cycle = configuration.settings.tombstones.settle + configuration.settings.tombstones.interval
        let end = simulator.now + (keep + cycle * 3 + .seconds(30))
        while simulator.now < end, laws.violations.isEmpty {
            guard areAllThere else { return }
            if kept.isEmpty { return }
            for _ in 0..<10 { run(for: Self.beat) }
        }
        if laws.violations.isEmpty { laws.broken(5, simulator.now, "deleted, and not forgotten: \(kept)") }
    }

    /// By more than what is waited for besides. Drift is of monotonic clocks, and makes little of such times.
    private var hasWrongClocks: Bool { wallErrorMost > 5_000 }

    private var areAllThere: Bool {
        let running = hosts.filter { simulator.isRunning($0.id) }.map(\.id)
        let names = Set(running.map { simulator.name(of: $0) })
        return running.allSatisfy { host in
            simulator.machine(on: host)?.machine.tombstones.acquaintances.known.isSubset(of: names) == true
        }
    }

    private var kept: [String] {
        hosts.flatMap { host in
            simulator.disk(of: host.id).durable.sets.values.filter { $0.versions.allSatisfy(\.isTombstone) }
                .map { "\($0.name) on \(simulator.name(of: host.id))" }
        }.sorted()
    }
}
