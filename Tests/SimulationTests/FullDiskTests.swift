import Node
import Relocation
import Resources
import SWIM
import Simulation
import Testing
import Vocabulary

/// Laws 2 and 3 beside a member whose disk takes nothing more: what it is to own others hold in its place, so that a leave
/// ends and a crash is repaired; when it has room it gets what is its own, and they let go.
@Suite("A full disk, simulated", .timeLimit(.minutes(10)))
struct FullDiskTests {
    private struct Cluster {
        var simulator: Simulator<NodeHost>
        var hosts: [HostID] = []
        let cluster: ClusterName
        var versions: [Version] = []
        /// By the number of the read.
        var read: [Int: ReadResult] = [:]
        /// By the number of the write.
        var answers: [Int: WriteResult] = [:]
        /// What a leaver left behind.
        var remaining: [HostID: Int] = [:]

        init(_ count: Int, seed: UInt64, zones: [String?] = []) throws {
            simulator = Simulator<NodeHost>(seed: seed, link: .lan, trace: .hashOnly)
            cluster = try ClusterName("sim")
            var settings = NodeMachine.Settings()
            settings.relocationDelay = .seconds(5)
            hosts = try simulator.addHosts(count, of: cluster, settings) { number in
                try Metadata(zone: number < zones.count ? zones[number] : nil)
            }
            run(for: 15)
        }

        mutating func run(for seconds: Int64) {
            var (written, remaining, read, answers) = (versions, self.remaining, self.read, self.answers)
            defer { (versions, self.remaining, self.read, self.answers) = (written, remaining, read, answers) }
            simulator.run(for: .seconds(seconds)) { _, observed in
                if case .wrote(let number, let result) = observed.what { answers[number] = result }
                switch observed.what {
                case .wrote(_, .written(let version, _, _)): written.append(version)
                case .left(let left, _): remaining[observed.host] = left
                case .read(let number, let result): read[number] = result
                default: break
                }
            }
        }

        /// - Parameter round: other bytes under the same names in each.
        mutating func write(_ count: Int, round: Int = 0, through some: [HostID]? = nil) throws {
            let hosts = some ?? hosts
            versions = []
            for number in 0..<count {
                let bytes = (0..<32).map {
                    UInt8(truncatingIfNeeded: $0 == 0 ? number : $0 == 1 ? round : number >> 8 + $0)
                }
                let digest = try #require(ContentDigest(bytes: bytes))
                let request = WriteRequest(
                    name: try ResourceName("r\(number)"),
                    content: .blob(digest: digest, size: 1_000, mediaType: "text/plain"), home: nil,
                    precondition: .none)
                simulator.command(.write(number, request), to: hosts[number % hosts.count])
            }
            run(for: 20)
            #expect(versions.count == count)
        }

        /// How many of the versions are what a read through each of these finds.
        mutating func found(through hosts: [HostID]) -> Int {
            read = [:]
            for (number, version) in versions.enumerated() {
                for host in hosts { simulator.command(.read(number * 100 + host.number, version.name), to: host) }
            }
            run(for: 30)
            return versions.enumerated().count { number, version in
                hosts.allSatisfy { read[number * 100 + $0.number] == .found(version) }
            }
        }

        mutating func fill(_ host: HostID) { simulator.withDisk(of: host) { $0.capacity = $0.state.byteCount } }

        /// The fewest disks that any version is on, of those of these hosts.
        func fewestCopies(on hosts: [HostID]) -> Int {
            let disks = hosts.map { simulator.disk(of: $0).durable }
            return versions.map { version in disks.count { $0.holds(version) } }.min() ?? 0
        }

        func converged(_ hosts: [HostID]) -> Bool {
            hosts.allSatisfy { simulator.machine(on: $0)?.machine.convergence.totals.isConverged == true }
        }
    }

    @Test("a leave and a crash beside it leave two copies of everything, which all go where they belong in the end")
    func leaveAndCrash() throws {
        for seed in UInt64(1)...3 {
            var cluster = try Cluster(6, seed: seed)
            try cluster.write(120)
            let (full, leaver, victim) = (cluster.hosts[1], cluster.hosts[0], cluster.hosts[2])
            cluster.fill(full)
            cluster.simulator.command(.leave(timeout: .seconds(240)), to: leaver)
            cluster.run(for: 20)
            #expect(cluster.remaining[leaver] == 0, "seed \(seed)")
            let stayed = cluster.hosts.filter { $0 != leaver }
            #expect(cluster.fewestCopies(on: stayed) >= 2, "seed \(seed)")
            let held = cluster.simulator.machine(on: cluster.hosts[3])?.machine.convergence.withoutRoom
            #expect(held?.map(\.node) == [try NodeName("n1")], "seed \(seed)")
            cluster.simulator.losePower(victim)
            cluster.run(for: 60)
            let rest = stayed.filter { $0 != victim }
            #expect(cluster.fewestCopies(on: rest) >= 2, "seed \(seed)")
            #expect(!cluster.converged(rest))
            cluster.simulator.withDisk(of: full) { $0.capacity = .max }
            cluster.run(for: 90)
            #expect(cluster.converged(rest), "seed \(seed)")
            let disks = rest.map { cluster.simulator.disk(of: $0).durable }
            for version in cluster.versions {
                #expect(disks.count { $0.holds(version) } == 2, "seed \(seed): \(version.name)")
            }
        }
    }

    @Test("what an owner without room knows of is not judged past while its holder restarts")
    func judgedPast() throws {
        var cluster = try Cluster(2, seed: 6)
        try cluster.write(6)
        let (first, full) = (cluster.hosts[0], cluster.hosts[1])
        let before = cluster.versions
        cluster.fill(full)
        // Longer than what was there, so that only one has room for them; one has it, the other knows of it.
        for (number, version) in before.enumerated() {
            let bytes = (0..<32).map { UInt8(truncatingIfNeeded: 100 + number + $0) }
            let digest = try #require(ContentDigest(bytes: bytes))
            let content = Version.Content.blob(digest: digest, size: 2_000, mediaType: "text/plain")
            let put = WriteRequest(
                name: version.name, content: content, home: nil, precondition: .version(version.dot))
            cluster.simulator.command(.write(100 + number, put), to: first)
        }
        cluster.run(for: 10)
        let taken = before.indices.filter { if case .written? = cluster.answers[100 + $0] { true } else { false } }
        #expect(taken == Array(before.indices), "\(cluster.answers)")
        cluster.simulator.command(.restart, to: first)
        cluster.run(for: 1)
        func delete(_ base: Int) {
            for (number, version) in before.enumerated() {
                let request = WriteRequest(
                    name: version.name, content: .tombstone, home: nil, precondition: .version(version.dot))
                cluster.simulator.command(.write(base + number, request), to: full)
            }
        }
        delete(200)
        cluster.run(for: 5)
        for number in before.indices {
            if case .written? = cluster.answers[200 + number] { Issue.record("\(number) was deleted, unseen") }
        }
        cluster.simulator.boot(first)
        cluster.run(for: 20)
        delete(300)
        cluster.run(for: 10)
        for number in before.indices {
            guard case .refused(.preconditionFailed)? = cluster.answers[300 + number] else {
                Issue.record("\(number): \(String(describing: cluster.answers[300 + number]))")
                continue
            }
        }
    }

    @Test("where two disks are full the leave takes the next in rank; where nobody has room it says what is left")
    func severalFull() throws {
        var cluster = try Cluster(5, seed: 4)
        try cluster.write(80)
        for host in cluster.hosts[1...2] { cluster.fill(host) }
        cluster.simulator.command(.leave(timeout: .seconds(60)), to: cluster.hosts[0])
        cluster.run(for: 30)
        #expect(cluster.remaining[cluster.hosts[0]] == 0)
        #expect(cluster.fewestCopies(on: Array(cluster.hosts.dropFirst())) >= 2)
        for host in cluster.hosts[3...] { cluster.fill(host) }
        cluster.simulator.command(.leave(timeout: .seconds(20)), to: cluster.hosts[4])
        cluster.run(for: 30)
        #expect(try #require(cluster.remaining[cluster.hosts[4]]) > 0)
    }

    @Test("what two owners with full disks could not take is read through any node, and after another one has left")
    func bothOwnersFull() throws {
        var cluster = try Cluster(5, seed: 10)
        try cluster.write(60)
        for host in cluster.hosts[1...2] { cluster.fill(host) }
        let others = [cluster.hosts[0]] + cluster.hosts[3...]
        try cluster.write(60, round: 1, through: others)
        #expect(cluster.found(through: cluster.hosts) == 60)
        cluster.simulator.command(.leave(timeout: .seconds(60)), to: cluster.hosts[0])
        let steps = cluster.simulator.stepCount
        cluster.run(for: 40)
        #expect(cluster.remaining[cluster.hosts[0]] == 0)
        // Those that stand in with each other do not ask each other again and again.
        #expect(cluster.simulator.stepCount - steps < 20_000)
        #expect(cluster.found(through: Array(cluster.hosts[1...])) == 60)
        for host in cluster.hosts[1...2] { cluster.simulator.withDisk(of: host) { $0.capacity = .max } }
        cluster.run(for: 90)
        #expect(cluster.converged(Array(cluster.hosts[1...])))
        #expect(cluster.found(through: Array(cluster.hosts[1...])) == 60)
    }

    @Test("two that leave at once, one of whom would stand in, leave two copies on those that stay")
    func twoLeave() throws {
        for seed in UInt64(6)...8 {
            var cluster = try Cluster(6, seed: seed)
            try cluster.write(120)
            cluster.fill(cluster.hosts[1])
            let leavers = [cluster.hosts[0], cluster.hosts[2]]
            for leaver in leavers { cluster.simulator.command(.leave(timeout: .seconds(60)), to: leaver) }
            cluster.run(for: 40)
            for leaver in leavers { #expect(cluster.remaining[leaver] == 0, "seed \(seed)") }
            let rest = cluster.hosts.filter { !leavers.contains($0) }
            #expect(cluster.fewestCopies(on: rest) >= 2, "seed \(seed)")
        }
    }

    @Test("whoever has room again is asked again, owner or not, while a leave waits for room")
    func roomAgain() throws {
        var cluster = try Cluster(4, seed: 9)
        try cluster.write(80)
        for host in cluster.hosts[1...3] { cluster.fill(host) }
        let leaver = cluster.hosts[0]
        cluster.simulator.command(.leave(timeout: .seconds(300)), to: leaver)
        cluster.run(for: 60)
        #expect(cluster.remaining[leaver] == nil, "nobody has room")
        // Two of three: what the third is to own one of them holds in its place.
        for host in cluster.hosts[2...3] { cluster.simulator.withDisk(of: host) { $0.capacity = .max } }
        cluster.run(for: 150)
        #expect(cluster.remaining[leaver] == 0)
        #expect(cluster.fewestCopies(on: Array(cluster.hosts[1...])) >= 2)
    }

    @Test("who stands in is in another zone than the copy that there is, where there is one")
    func zones() throws {
        var cluster = try Cluster(6, seed: 5, zones: ["a", "a", "b", "b", "c", "c"])
        try cluster.write(80)
        cluster.fill(cluster.hosts[1])
        cluster.simulator.command(.leave(timeout: .seconds(60)), to: cluster.hosts[0])
        cluster.run(for: 30)
        #expect(cluster.remaining[cluster.hosts[0]] == 0)
        let zones = [1...1, 2...3, 4...5].map { range in
            range.map { cluster.simulator.disk(of: cluster.hosts[$0]).durable }
        }
        for version in cluster.versions {
            #expect(zones.count { disks in disks.contains { $0.holds(version) } } >= 2, "\(version.name)")
        }
    }
}
