import Simulation
import Testing
import Vocabulary

@Suite("Simulated hosts", .timeLimit(.minutes(20)))
struct HostTests {
    @Test("events of one instant come in the order in which they were scheduled")
    func order() {
        var queue = EventQueue<Int>()
        var rng = SeededGenerator(seed: 4)
        var expected: [(Int64, Int)] = []
        for number in 0..<2_000 {
            let time = Int64.random(in: 0..<20, using: &rng)
            queue.schedule(number, at: Instant(nanoseconds: time))
            expected.append((time, number))
        }
        var got: [Int] = []
        while let (_, event) = queue.next(until: Instant(nanoseconds: 9)) { got.append(event) }
        #expect(queue.nextTime == Instant(nanoseconds: 10))
        while let (_, event) = queue.next(until: Instant(nanoseconds: .max)) { got.append(event) }
        #expect(got == expected.sorted { $0 < $1 }.map(\.1))
    }

    @Test("a pause holds everything back; afterwards all of it comes, in order")
    func pause() throws {
        var flock = try Flock(2, configuration: .init(tickInterval: .seconds(1)))
        flock.simulator.pause(flock.hosts[1])
        flock.send([1, 2, 3], from: 0, to: 1)
        flock.run(.milliseconds(5_500))
        #expect(flock.heard(1).isEmpty)
        #expect(flock.observed.filter { $0.host == flock.hosts[1] }.map(\.what) == [.booted(disk: [])])
        flock.simulator.resume(flock.hosts[1])
        flock.run(.milliseconds(1))
        #expect(flock.heard(1) == [1, 2, 3])
        let ticks = flock.observed.count { one in
            if case .ticked = one.what { return one.host == flock.hosts[1] }
            return false
        }
        #expect(ticks == 5, "the ticks of the pause are made up for")
    }

    @Test("a slow process takes its inputs one after the other, and its socket's buffer is bounded")
    func slow() throws {
        var flock = try Flock(2)
        flock.simulator.setServiceTime(.milliseconds(10), of: flock.hosts[1])
        flock.send(Array(1...3), from: 0, to: 1)
        flock.run(.seconds(1))
        #expect(flock.arrivals(1).map { ($0 - .zero).milliseconds } == [1, 11, 21])
        flock.send(Array(1...5_000), from: 0, to: 1)
        flock.run(.seconds(60))
        #expect(flock.heard(1).count == 3 + 1_001)
    }

    @Test("a machine is ticked at its deadline on its own drifting clock, whose zero is its own")
    func drift() throws {
        var simulator = Simulator<Parrot>(seed: 3)
        let host = simulator.addHost(
            try NodeName("p"), at: try Endpoint(host: "h", port: 1), .init(tickInterval: .milliseconds(100)))
        simulator.setDrift(partsPerMillion: 10_000, of: host)
        simulator.setWallError(milliseconds: -3_600_000, of: host)
        simulator.boot(host)
        var ticks: [(Instant, UInt64, Instant)] = []
        simulator.run(for: .seconds(100)) { _, observed in
            if case .ticked(let local, let wall) = observed.what { ticks.append((local, wall, observed.at)) }
        }
        #expect((1_009...1_010).contains(ticks.count), "1 % fast")
        for (local, wall, at) in ticks {
            #expect(wall == UInt64(HostClock.wallStartMilliseconds - 3_600_000 + at.nanoseconds / 1_000_000))
            #expect(local > at, "a host's clock does not start with the simulation's")
        }
    }

    @Test("a machine that wants to be woken at once for ever is slowed and counted; time goes on")
    func spin() throws {
        var flock = try Flock(1, configuration: .init(spins: true))
        flock.run(.seconds(1))
        #expect(flock.simulator.now == Instant.zero + .seconds(1))
        #expect((900...1_100).contains(flock.simulator.spinCount))
    }

    @Test("an exit ends the process and keeps its disk; a start finds it again, under another address too")
    func restart() throws {
        var flock = try Flock(2)
        flock.simulator.command(.write([1, 2]), to: flock.hosts[1])
        flock.simulator.command(.exit, to: flock.hosts[1])
        flock.run(.seconds(1))
        #expect(!flock.simulator.isRunning(flock.hosts[1]))
        let address = try Endpoint(host: "elsewhere", port: 9)
        let old = flock.simulator.endpoint(of: flock.hosts[1])
        flock.simulator.move(flock.hosts[1], to: address)
        flock.simulator.boot(flock.hosts[1])
        flock.send([5], from: 0, to: 1)
        flock.simulator.command(.send([6], to: old), to: flock.hosts[0])
        flock.run(.seconds(1))
        #expect(flock.observed.last { $0.host == flock.hosts[1] && $0.what == .booted(disk: [1, 2]) } != nil)
        #expect(flock.heard(1) == [5])
    }

    @Test("what was under way for an earlier life never reaches the next")
    func lives() throws {
        var flock = try Flock(1, configuration: .init(tickInterval: .seconds(1)))
        flock.simulator.command(.write([1]), to: flock.hosts[0])
        flock.simulator.command(.sync, to: flock.hosts[0])
        flock.run(.milliseconds(1))
        flock.simulator.kill(flock.hosts[0])
        flock.simulator.boot(flock.hosts[0])
        flock.run(.milliseconds(1_002))
        #expect(!flock.observed.contains { $0.what == .synced })
        let ticks = flock.observed.filter { one in
            if case .ticked = one.what { return true }
            return false
        }
        #expect(ticks.map { $0.at } == [Instant.zero + .milliseconds(1_001)])
    }
}

@Suite("The simulated disk")
struct DiskTests {
    func write(_ flock: inout Flock, _ numbers: [Int], sync: Bool = false) {
        flock.simulator.command(.write(numbers), to: flock.hosts[0])
        if sync { flock.simulator.command(.sync, to: flock.hosts[0]) }
    }

    func numbers(_ flock: Flock) -> [Int] { flock.simulator.disk(of: flock.hosts[0]).state.numbers }

    @Test("a kill loses nothing; a power cut loses what was not synced")
    func power() throws {
        var flock = try Flock(1)
        write(&flock, [1, 2], sync: true)
        flock.run(.seconds(1))
        write(&flock, [3])
        flock.simulator.kill(flock.hosts[0])
        #expect(numbers(flock) == [1, 2, 3])
        flock.simulator.boot(flock.hosts[0])
        flock.simulator.losePower(flock.hosts[0])
        #expect(numbers(flock) == [1, 2])
        flock.simulator.boot(flock.hosts[0])
        flock.run(.seconds(1))
        #expect(flock.observed.last?.what == .booted(disk: [1, 2]))
    }

    @Test("a sync covers what was written before it was asked for, and only once it is done")
    func sync() throws {
        var flock = try Flock(1)
        flock.simulator.withDisk(of: flock.hosts[0]) { $0.syncTime = .milliseconds(10) }
        write(&flock, [1], sync: true)
        write(&flock, [2])
        flock.run(.milliseconds(9))
        #expect(flock.simulator.disk(of: flock.hosts[0]).durable.numbers.isEmpty)
        flock.run(.milliseconds(2))
        #expect(flock.simulator.disk(of: flock.hosts[0]).durable.numbers == [1])
        #expect(flock.simulator.disk(of: flock.hosts[0]).unsyncedCount == 1)
        #expect(flock.observed.last?.what == .synced)
        write(&flock, [3], sync: true)
        flock.run(.milliseconds(5))
        flock.simulator.losePower(flock.hosts[0])
        flock.simulator.boot(flock.hosts[0])
        write(&flock, [4])
        flock.run(.milliseconds(20))
        #expect(
            flock.simulator.disk(of: flock.hosts[0]).durable.numbers == [1], "the old life's sync covers nothing new")
    }

    @Test("a power cut may keep a beginning, or any part, of what was not synced; over 200 seeds it does all of that")
    func partialLoss() throws {
        var prefixes: Set<[Int]> = []
        var subsets: Set<[Int]> = []
        for seed in UInt64(0)..<200 {
            for loss in [SimulatedDisk<Parrot.Disk>.Loss.suffix, .anySubset] {
                var flock = try Flock(1, seed: seed)
                write(&flock, [1], sync: true)
                flock.run(.seconds(1))
                write(&flock, [2, 3, 4])
                flock.simulator.losePower(flock.hosts[0], loss)
                if loss == .suffix { prefixes.insert(numbers(flock)) } else { subsets.insert(numbers(flock)) }
            }
        }
        #expect(prefixes == [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]])
        #expect(subsets.count == 8)
    }

    @Test("a full disk refuses and changes nothing; what frees space succeeds")
    func full() throws {
        var flock = try Flock(1)
        flock.simulator.withDisk(of: flock.hosts[0]) { $0.capacity = 25 }
        write(&flock, [1, 2, 3])
        flock.run(.seconds(1))
        #expect(numbers(flock) == [1, 2])
        #expect(flock.observed.count { $0.what == .full } == 1)
        flock.simulator.withDisk(of: flock.hosts[0]) { $0.capacity = 5 }
        write(&flock, [-1, 4])
        flock.run(.seconds(1))
        #expect(numbers(flock) == [2])
    }

    @Test("an old disk, an empty one, and rot")
    func replaced() throws {
        var flock = try Flock(1)
        write(&flock, [1], sync: true)
        flock.run(.seconds(1))
        let old = flock.simulator.disk(of: flock.hosts[0]).snapshot
        write(&flock, [2], sync: true)
        flock.run(.seconds(1))
        flock.simulator.kill(flock.hosts[0])
        flock.simulator.withDisk(of: flock.hosts[0]) { $0.replace(with: old) }
        #expect(numbers(flock) == [1])
        flock.simulator.withDisk(of: flock.hosts[0]) { $0.rot { $0 = Parrot.Disk([99]) } }
        flock.simulator.losePower(flock.hosts[0])
        #expect(numbers(flock) == [99], "rot is not undone by a crash")
        flock.simulator.withDisk(of: flock.hosts[0]) { $0.replace(with: Parrot.Disk()) }
        #expect(numbers(flock).isEmpty)
    }
}
