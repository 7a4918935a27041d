import Simulation
import Testing
import Vocabulary

@Suite("A blocked process (Lifeguard's anomaly)", .timeLimit(.minutes(20)))
struct BlockageTests {
    func ticks(_ flock: Flock, _ host: Int) -> Int {
        flock.observed.count { one in
            if case .ticked = one.what { return one.host == flock.hosts[host] }
            return false
        }
    }

    @Test("its messages wait both ways while its timers go on; at the end all of it flows on, in order")
    func flow() throws {
        var flock = try Flock(2, configuration: .init(tickInterval: .seconds(1)))
        flock.simulator.block(flock.hosts[1], for: .milliseconds(5_500))
        flock.send([1, 2, 3], from: 0, to: 1)
        flock.send([7, 8], from: 1, to: 0)
        flock.run(.milliseconds(5_499))
        #expect(flock.heard(1).isEmpty && flock.heard(0).isEmpty)
        #expect(ticks(flock, 1) == 5, "the timers go on")
        flock.run(.milliseconds(10))
        #expect(flock.heard(1) == [1, 2, 3])
        #expect(flock.heard(0) == [7, 8])
        #expect(flock.arrivals(0).first == .zero + .milliseconds(5_501))
        flock.send([4], from: 0, to: 1)
        flock.run(.milliseconds(10))
        #expect(flock.heard(1).last == 4, "and then it is a healthy host")
    }

    @Test("the kernel's buffers are bounded: the last to come are lost")
    func bounds() throws {
        var flock = try Flock(2)
        flock.simulator.block(flock.hosts[1])
        flock.send(Array(1...2_000), from: 0, to: 1)
        flock.send(Array(1...2_000), from: 1, to: 0)
        flock.run(.seconds(1))
        flock.simulator.unblock(flock.hosts[1])
        flock.run(.seconds(1))
        #expect(flock.heard(1) == Array(1...1_000))
        #expect(flock.heard(0) == Array(1...277))
    }

    @Test("calls wait too, both its own and those to it; the caller's patience does not")
    func calls() throws {
        var flock = try Flock(2)
        flock.simulator.block(flock.hosts[1], for: .seconds(3))
        flock.ask("impatient", from: 0, to: 1, timeout: .seconds(1))
        flock.ask("patient", from: 0, to: 1, timeout: .seconds(9))
        flock.ask("mine", from: 1, to: 0, timeout: .seconds(9))
        flock.ask("hopeless", from: 1, to: 0, timeout: .seconds(2))
        flock.run(.seconds(10))
        #expect(flock.outcomes(0).map(\.0) == ["timedOut", "PATIENT"])
        #expect(flock.outcomes(1).map(\.0) == ["timedOut", "MINE"])
        #expect(flock.outcomes(1).first?.1 == .zero + .seconds(2), "a timeout is its own clock's")
    }

    @Test("paused at the end of a blockage, it gets everything when it runs again; a crash forgets all of it")
    func pausedAndKilled() throws {
        var flock = try Flock(2)
        flock.simulator.block(flock.hosts[1], for: .seconds(1))
        flock.send([1, 2], from: 0, to: 1)
        flock.run(.milliseconds(500))
        flock.simulator.pause(flock.hosts[1], for: .seconds(2))
        flock.run(.seconds(1))
        flock.send([3], from: 0, to: 1)
        flock.run(.milliseconds(900))
        #expect(flock.heard(1).isEmpty)
        flock.run(.seconds(1))
        #expect(flock.heard(1) == [1, 2, 3])
        flock.simulator.block(flock.hosts[1], for: .seconds(1))
        flock.send([4], from: 0, to: 1)
        flock.run(.milliseconds(500))
        flock.simulator.kill(flock.hosts[1])
        flock.simulator.boot(flock.hosts[1])
        flock.run(.seconds(2))
        #expect(flock.heard(1) == [1, 2, 3])
    }
}
