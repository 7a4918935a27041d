import Node
import Relocation
import Resources
import SWIM
import Simulation
import Testing
import Vocabulary

/// Law 7, in bytes: what moves while a member comes and goes, while a cut parts a cluster, and when it heals.
@Suite("What moves, simulated", .timeLimit(.minutes(10)))
struct MovesTests {
    private static let bytesEach: UInt64 = 10_000
    private static let count = 120

    private struct Cluster {
        var simulator: Simulator<NodeHost>
        let hosts: [HostID]
        /// Bytes that each host has fetched for moves since the last look.
        var fetched: [HostID: UInt64] = [:]
        var written = 0

        init(_ nodes: Int, delay: Int64, seed: UInt64) throws {
            simulator = Simulator<NodeHost>(seed: seed, link: .lan, trace: .hashOnly)
            var settings = NodeMachine.Settings()
            settings.relocationDelay = .seconds(delay)
            hosts = try simulator.addHosts(nodes, of: try ClusterName("sim"), settings)
            run(for: 20)
            for number in 0..<MovesTests.count { try write(number, through: hosts[number % nodes]) }
            run(for: 20)
            #expect(written == MovesTests.count)
            fetched = [:]
        }

        mutating func write(_ number: Int, through host: HostID) throws {
            let bytes = (0..<32).map { UInt8(truncatingIfNeeded: number >> ($0 % 2 * 8)) }
            let digest = try #require(ContentDigest(bytes: bytes))
            let content = Version.Content.blob(digest: digest, size: MovesTests.bytesEach, mediaType: "text/plain")
            let request = WriteRequest(
                name: try ResourceName("r\(number)"), content: content, home: nil, precondition: .none)
            simulator.command(.write(number, request), to: host)
        }

        mutating func run(for seconds: Int64) {
            var (fetched, written) = (fetched, written)
            defer { (self.fetched, self.written) = (fetched, written) }
            simulator.run(for: .seconds(seconds)) { _, observed in
                switch observed.what {
                case .fetches(let version): fetched[observed.host, default: 0] += version.size
                case .wrote(_, .written): written += 1
                default: break
                }
            }
        }

        func held(by host: HostID) -> UInt64 {
            let disk = simulator.disk(of: host).durable
            return disk.sets.values.reduce(0) { $0 + $1.versions.reduce(0) { $0 + $1.size } }
        }

        func fetched(by some: [HostID]) -> UInt64 { some.reduce(0) { $0 + (fetched[$1] ?? 0) } }

        func isConverged(_ some: [HostID]) -> Bool {
            some.allSatisfy { simulator.machine(on: $0)?.machine.convergence.totals.isConverged == true }
        }
    }

    @Test("twenty flaps in ten minutes move one node's share, once")
    func flaps() throws {
        for seed in UInt64(1)...3 {
            // Down for longer than the delay: it is what doubles that keeps all but the first from moving anything.
            var cluster = try Cluster(5, delay: 10, seed: seed)
            let flapping = cluster.hosts[2]
            let share = cluster.held(by: flapping)
            for _ in 0..<20 {
                cluster.simulator.kill(flapping)
                cluster.run(for: 22)
                cluster.simulator.boot(flapping)
                cluster.run(for: 8)
            }
            let moved = cluster.fetched(by: cluster.hosts)
            #expect(moved > 0 && moved <= share, "seed \(seed): \(moved) bytes, of a share of \(share)")
            cluster.run(for: 120)
            #expect(cluster.isConverged(cluster.hosts), "seed \(seed)")
            #expect(cluster.fetched(by: [flapping]) == 0, "seed \(seed): it had all that it fetched")
        }
    }

    @Test("bytes are fetched from the nearest of those that hold them", arguments: [false, true])
    func nearest(isSwapped: Bool) throws {
        var simulator = Simulator<NodeHost>(seed: 3, link: .lan, trace: .hashOnly)
        let hosts = try simulator.addHosts(3, of: try ClusterName("sim"), NodeMachine.Settings())
        let (near, far) = isSwapped ? (hosts[1], hosts[0]) : (hosts[0], hosts[1])
        for (from, to) in [(far, hosts[2]), (hosts[2], far)] {
            simulator.network.setLink(Link(delay: .milliseconds(40)), from: from, to: to)
        }
        simulator.run(for: .seconds(30))
        let stranger = try NodeName("stranger")
        let holders = [simulator.name(of: far), stranger, simulator.name(of: near)]
        let order = simulator.machine(on: hosts[2])?.machine.nearestFirst(holders: holders)
        #expect(order == [simulator.name(of: near), simulator.name(of: far), stranger])
    }

    @Test(
        "of a cut cluster the larger side makes its copies again, and the smaller one fetches nothing; healed, all is in place"
    )
    func cut() throws {
        for seed in UInt64(1)...3 {
            var cluster = try Cluster(5, delay: 5, seed: seed)
            let (few, many) = (Array(cluster.hosts.prefix(2)), Array(cluster.hosts.dropFirst(2)))
            cluster.simulator.network.partition([few, many])
            cluster.run(for: 300)
            #expect(cluster.fetched(by: few) == 0, "seed \(seed)")
            #expect(cluster.fetched(by: many) > 0, "seed \(seed)")
            // Both take writes, and make copies of them.
            for number in 0..<20 {
                try cluster.write(1_000 + number, through: few[number % 2])
                try cluster.write(2_000 + number, through: many[number % 3])
            }
            cluster.run(for: 60)
            #expect(cluster.written == Self.count + 40, "seed \(seed)")
            cluster.simulator.network.heal()
            cluster.run(for: 120)
            #expect(cluster.isConverged(cluster.hosts), "seed \(seed)")
            for host in cluster.hosts {
                let names = Set(cluster.simulator.disk(of: host).durable.sets.keys)
                let owned = cluster.simulator.machine(on: host)?.machine.convergence.totals.owned
                #expect(names.count == owned, "seed \(seed)")
            }
        }
    }
}
