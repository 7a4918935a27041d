import Node
import Placement
import Relocation
import SWIM
import Simulation
import Testing
import Vocabulary

/// Law 7 for a cut, or a loss, of most of a cluster: who is left on the smaller side gives away nobody's place, however far
/// apart its verdicts on the others fall.
@Suite("The smaller side, simulated", .timeLimit(.minutes(10)))
struct SmallerSideTests {
    struct Case: Sendable, CustomStringConvertible {
        let nodes: Int
        let few: Int
        let delay: Int64
        let seeds: ClosedRange<UInt64>
        var description: String { "\(few) of \(nodes), after \(delay) s" }
    }

    private struct Cluster {
        var simulator: Simulator<NodeHost>
        let few: [HostID]
        let many: [HostID]
        let names: [NodeName]

        init(_ this: Case, seed: UInt64) throws {
            var simulator = Simulator<NodeHost>(seed: seed, link: .lan, trace: .hashOnly)
            var settings = NodeMachine.Settings()
            settings.relocationDelay = .seconds(this.delay)
            let hosts = try simulator.addHosts(this.nodes, of: try ClusterName("sim"), settings)
            simulator.run(for: .seconds(20 + Int64(this.nodes)))
            (few, many) = (Array(hosts.prefix(this.few)), Array(hosts.dropFirst(this.few)))
            names = hosts.map { simulator.name(of: $0) }.sorted()
            self.simulator = simulator
        }

        func places(as host: HostID) -> [NodeName] {
            simulator.machine(on: host)?.machine.convergence.view.ring.candidates.map(\.name).sorted() ?? []
        }
    }

    @Test(
        "keeps everybody's place, for every delay",
        arguments: [
            Case(nodes: 5, few: 2, delay: 1, seeds: 1...20), Case(nodes: 5, few: 2, delay: 10, seeds: 21...40),
            Case(nodes: 3, few: 1, delay: 5, seeds: 1...10), Case(nodes: 7, few: 3, delay: 5, seeds: 1...20),
            Case(nodes: 9, few: 3, delay: 10, seeds: 1...20), Case(nodes: 9, few: 4, delay: 2, seeds: 1...10),
            Case(nodes: 16, few: 4, delay: 10, seeds: 1...5), Case(nodes: 32, few: 12, delay: 10, seeds: 1...1),
        ])
    func fewKeepPlaces(this: Case) throws {
        for seed in this.seeds {
            var cluster = try Cluster(this, seed: seed)
            for host in cluster.few { #expect(cluster.places(as: host) == cluster.names, "seed \(seed)") }
            for host in cluster.many {
                if seed.isMultiple(of: 2) { cluster.simulator.kill(host) } else { cluster.simulator.losePower(host) }
            }
            for second in 1...(60 + this.delay) {
                cluster.simulator.run(for: .seconds(1))
                for host in cluster.few where cluster.places(as: host) != cluster.names {
                    Issue.record("seed \(seed), \(second) s after the loss: \(cluster.places(as: host))")
                    return
                }
            }
            let crashed = cluster.few.map { host in
                cluster.simulator.machine(on: host)?.machine.membership.members.count { $0.status == .crashed }
            }
            #expect(crashed.allSatisfy { $0 == cluster.many.count }, "seed \(seed): \(crashed)")
        }
    }

    @Test(
        "while the larger one gives the places of the others away in time",
        arguments: [
            Case(nodes: 5, few: 2, delay: 1, seeds: 1...10), Case(nodes: 7, few: 3, delay: 5, seeds: 1...10),
            Case(nodes: 9, few: 1, delay: 1, seeds: 1...10), Case(nodes: 32, few: 5, delay: 10, seeds: 2...2),
        ])
    func manyGoOn(this: Case) throws {
        for seed in this.seeds {
            var cluster = try Cluster(this, seed: seed)
            for host in cluster.few {
                if seed.isMultiple(of: 2) { cluster.simulator.kill(host) } else { cluster.simulator.losePower(host) }
            }
            let left = cluster.many.map { cluster.simulator.name(of: $0) }.sorted()
            // A verdict on each, the delay, and a sign of life of enough of the others.
            cluster.simulator.run(for: .seconds(this.delay + 25))
            for host in cluster.many { #expect(cluster.places(as: host) == left, "seed \(seed)") }
        }
    }
}
