import SWIM
import Simulation
import Testing
import Vocabulary

@Suite("Repeatability")
struct DeterminismTests {
    /// Everything at once: loss, duplicates, detours, pauses, a partition, a crash, a restart.
    func storm(_ seed: UInt64) throws -> Trace {
        let link = Link(
            delay: .milliseconds(2), jitter: .milliseconds(3), loss: .percent(10), duplication: .percent(5),
            reordering: .percent(5))
        var cluster = try SwimCluster(
            count: 8, seed: seed, link: link, formation: .joining(within: .seconds(5)), trace: .lines(max: 100_000))
        cluster.run(for: .seconds(10))
        cluster.simulator.pause(cluster.hosts[1], for: .seconds(8))
        cluster.simulator.network.partition([[cluster.hosts[2], cluster.hosts[3]]])
        cluster.simulator.losePower(cluster.hosts[4], .anySubset)
        cluster.run(for: .seconds(20))
        cluster.simulator.network.heal()
        cluster.simulator.boot(cluster.hosts[4])
        cluster.run(for: .seconds(20))
        return cluster.simulator.trace
    }

    @Test("the same seed gives the same trace, byte for byte; another seed another one")
    func sameSeed() throws {
        let first = try storm(1)
        let again = try storm(1)
        #expect(first.hash == again.hash)
        #expect(first.lines == again.lines)
        #expect(first.lines.count > 1_000)
        #expect(try storm(2).hash != first.hash)
    }

    @Test("keeping lines does not change the run")
    func tracing() throws {
        let detection = Detection(SwimGroup(nodes: 5))
        let quiet = try detection.run(seed: 9)
        let loud = try detection.run(seed: 9, trace: .lines(max: 10))
        #expect(quiet == loud)
    }

    @Test("a copy of a simulator goes the same way as the original")
    func fork() throws {
        var cluster = try SwimCluster(count: 6, seed: 4, link: Link(loss: .percent(20)))
        cluster.run(for: .seconds(10))
        var copy = cluster
        cluster.run(for: .seconds(30))
        copy.run(for: .seconds(30))
        #expect(copy.simulator.trace.hash == cluster.simulator.trace.hash)
    }
}

@Suite("Membership, simulated", .timeLimit(.minutes(20)))
struct SwimSimulationTests {
    @Test("over 60 seeds a crash is known by all within 12 s, and nobody else is ever suspected at 0 loss")
    func detection() throws {
        for seed in UInt64(1)...60 {
            let run = try Detection(SwimGroup(nodes: 12)).run(seed: seed)
            let last = try #require(run[.knownByAll], "seed \(seed): not everybody learned of it")
            #expect(last < 12, "seed \(seed)")
            #expect(run[.firstSuspicion].map { $0 < 4 } ?? false, "seed \(seed)")
            #expect(run[.falseCrashes] == 0 && run[.falseSuspicions] == 0, "seed \(seed)")
        }
    }

    @Test("a leave is known by all within 2 s and nobody calls it a crash, also at 10 % loss", arguments: [0, 10])
    func leave(loss: UInt32) throws {
        for seed in UInt64(1)...25 {
            let run = try Farewell(SwimGroup(nodes: 12, loss: loss)).run(seed: seed)
            let last = try #require(run[.knownByAll], "seed \(seed)")
            #expect(last < 2, "seed \(seed)")
            #expect(run[.falseCrashes] == 0, "seed \(seed)")
        }
    }

    @Test("a partition in halves heals to one whole view within 60 s, and neither side condemned its own")
    func partition() throws {
        for seed in UInt64(1)...10 {
            let run = try Healing(SwimGroup(nodes: 8)).run(seed: seed)
            let whole = try #require(run[.whole], "seed \(seed)")
            #expect(whole < 60, "seed \(seed)")
            #expect(run[.falseCrashes] == 0, "seed \(seed)")
        }
    }

    @Test("a cluster that starts within 5 s from one seed is whole soon after, also at 10 % loss")
    func joining() throws {
        for seed in UInt64(1)...10 {
            var cluster = try SwimCluster(
                count: 10, seed: seed, link: Link(loss: .percent(10)), formation: .joining(within: .seconds(5)))
            cluster.run(for: .seconds(5))
            let time = cluster.run(atMost: .seconds(60)) { $0.isAtPeace }
            #expect(try #require(time, "seed \(seed)") < .seconds(30))
        }
    }

    @Test("a host comes back with its disk, with an empty one, under another address, and with its clock an hour back")
    func returns() throws {
        for seed in UInt64(1)...4 {
            var cluster = try SwimCluster(count: 6, seed: seed)
            cluster.run(for: .seconds(10))
            for (index, host) in cluster.hosts.prefix(4).enumerated() {
                cluster.simulator.losePower(host)
                let others = cluster.hosts.filter { $0 != host }
                let gone = cluster.run(atMost: .seconds(60)) { cluster in
                    others.allSatisfy { cluster.membership($0)?.presentCount == 5 }
                }
                #expect(gone != nil)
                switch index {
                case 1:
                    cluster.simulator.withDisk(of: host) { $0.replace(with: SwimDisk()) }
                    let seeds = others.map { cluster.simulator.endpoint(of: $0) }
                    cluster.simulator.configure(host, SwimHost.Configuration(join: seeds))
                case 2: cluster.simulator.move(host, to: try Endpoint(host: "10.9.9.9", port: 1))
                case 3: cluster.simulator.setWallError(milliseconds: -3_600_000, of: host)
                default: break
                }
                cluster.simulator.boot(host)
                let time = cluster.run(atMost: .seconds(60)) { $0.isAtPeace }
                #expect(try #require(time, "seed \(seed), host \(index)") < .seconds(30))
            }
        }
    }

    @Test("with UDP cut between two members, the others vouch for both")
    func oneLinkDown() throws {
        var cluster = try SwimCluster(count: 8, seed: 3)
        cluster.simulator.network.cutBothWays(cluster.hosts[0], cluster.hosts[1], .datagrams)
        cluster.run(for: .seconds(120))
        #expect(cluster.falseAlarms(.crashed) == 0)
        #expect(cluster.isWhole)
    }

    @Test("a process that stands still for 20 s is not condemned; one that does for a minute is, once, and comes back")
    func standstill() throws {
        for seed in UInt64(1)...6 {
            func stop(for time: Duration) throws -> (cluster: SwimCluster, host: HostID, start: Instant) {
                var cluster = try SwimCluster(count: 12, seed: seed)
                cluster.run(for: .seconds(20))
                let (host, start) = (cluster.hosts[5], cluster.simulator.now)
                cluster.simulator.pause(host, for: time)
                cluster.run(for: time + .seconds(60))
                return (cluster, host, start)
            }
            let short = try stop(for: .seconds(20))
            #expect(short.cluster.falseAlarms(.crashed) == 0, "seed \(seed)")
            #expect(short.cluster.isAtPeace, "seed \(seed)")

            let long = try stop(for: .seconds(60))
            let verdicts = long.cluster.events.filter { $0.what.kind == .crashed }
            #expect(verdicts.count == 11 && Set(verdicts.map(\.host)).count == 11, "seed \(seed)")
            let tolerance = Membership.Settings().stallTolerance
            #expect(verdicts.allSatisfy { $0.at - long.start >= tolerance }, "seed \(seed)")
            #expect(long.cluster.falseAlarms(.crashed, besides: [long.host]) == 0, "seed \(seed)")
            #expect(long.cluster.isAtPeace, "seed \(seed)")
        }
    }
}
