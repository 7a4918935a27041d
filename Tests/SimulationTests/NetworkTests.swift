import Simulation
import Testing
import Vocabulary

@Suite("The simulated network: datagrams")
struct DatagramTests {
    let many = Array(1...10_000)

    @Test("without faults each arrives once, in order, after the delay")
    func healthy() throws {
        var flock = try Flock(2)
        flock.send([1, 2, 3], from: 0, to: 1)
        flock.run(.seconds(1))
        #expect(flock.heard(1) == [1, 2, 3])
        #expect(flock.arrivals(1).allSatisfy { $0 == Instant.zero + .milliseconds(1) })
    }

    @Test("30 % loss loses 30 % of them, within four standard deviations")
    func loss() throws {
        var flock = try Flock(2, link: Link(loss: .percent(30)))
        flock.send(many, from: 0, to: 1)
        flock.run(.seconds(1))
        #expect(abs(flock.heard(1).count - 7_000) < 4 * 46)
    }

    @Test("loss at one host's connection adds to that of the link, each direction for itself")
    func hostLoss() throws {
        var flock = try Flock(3)
        flock.simulator.network.setLoss(in: .percent(80), out: .never, at: flock.hosts[1])
        flock.send(many, from: 0, to: 1)
        flock.send(many, from: 1, to: 2)
        flock.run(.seconds(1))
        #expect(abs(flock.heard(1).count - 2_000) < 4 * 40)
        #expect(flock.heard(2).count == 10_000)
    }

    @Test("duplication delivers twice")
    func duplication() throws {
        var flock = try Flock(2, link: Link(duplication: .always))
        flock.send([7], from: 0, to: 1)
        flock.run(.seconds(1))
        #expect(flock.heard(1) == [7, 7])
    }

    @Test("jitter stays within its bounds, and a detour lets later ones overtake")
    func reordering() throws {
        var flock = try Flock(2, link: Link(delay: .milliseconds(5), jitter: .milliseconds(2)))
        flock.send(many, from: 0, to: 1)
        flock.run(.seconds(1))
        let times = flock.arrivals(1).map { ($0 - .zero).milliseconds }
        #expect((times.min() ?? 0) >= 5 && (times.max() ?? 99) <= 7)
        #expect((times.max() ?? 0) - (times.min() ?? 0) > 1.5)

        var other = try Flock(
            2, link: Link(delay: .milliseconds(1), jitter: .zero, reordering: .percent(10), detour: .milliseconds(9)))
        other.send(many, from: 0, to: 1)
        other.run(.seconds(1))
        #expect(Set(other.heard(1)).count == 10_000)
        #expect(other.heard(1) != many)
        let late = other.arrivals(1).count { $0 == Instant.zero + .milliseconds(10) }
        #expect(abs(late - 1_000) < 4 * 30)
    }

    @Test("a cut one way lets the other way through, and mending ends it")
    func oneWay() throws {
        var flock = try Flock(2)
        flock.simulator.network.cut(from: flock.hosts[0], to: flock.hosts[1])
        flock.send([1], from: 0, to: 1)
        flock.send([2], from: 1, to: 0)
        flock.run(.seconds(1))
        #expect(flock.heard(1).isEmpty)
        #expect(flock.heard(0) == [2])
        flock.simulator.network.mend(from: flock.hosts[0], to: flock.hosts[1])
        flock.send([3], from: 0, to: 1)
        flock.run(.seconds(1))
        #expect(flock.heard(1) == [3])
    }

    @Test("a partition separates its groups and nobody else, until it heals")
    func partition() throws {
        var flock = try Flock(4)
        flock.simulator.network.partition([[flock.hosts[0], flock.hosts[1]]])
        for (from, to) in [(0, 1), (0, 2), (2, 0), (2, 3)] { flock.send([from], from: from, to: to) }
        flock.run(.seconds(1))
        #expect(flock.heard(1) == [0] && flock.heard(3) == [2])
        #expect(flock.heard(0).isEmpty && flock.heard(2).isEmpty)
        flock.simulator.network.heal()
        flock.send([9], from: 0, to: 2)
        flock.run(.seconds(1))
        #expect(flock.heard(2) == [9])
    }

    @Test("sites have links of their own, and one pair can have another")
    func links() throws {
        var simulator = Simulator<Parrot>(seed: 1)
        let hosts = try (0..<3).map { number in
            simulator.addHost(
                try NodeName("p\(number)"), at: try Endpoint(host: "h\(number)", port: 1), site: number / 2, .init())
        }
        simulator.network.setLink(.wan(delay: .milliseconds(75)), betweenSite: 0, andSite: 1)
        #expect(simulator.network.link(from: hosts[0], to: hosts[1]) == .lan)
        #expect(simulator.network.link(from: hosts[2], to: hosts[0]).delay == .milliseconds(75))
        simulator.network.setLink(.lan, from: hosts[2], to: hosts[0])
        #expect(simulator.network.link(from: hosts[2], to: hosts[0]) == .lan)
        #expect(simulator.network.link(from: hosts[0], to: hosts[2]).delay == .milliseconds(75))
    }

    @Test("what is sent to nobody, or to a host without a process, goes nowhere")
    func unheard() throws {
        var flock = try Flock(2)
        flock.simulator.kill(flock.hosts[1])
        flock.send([1], from: 0, to: 1)
        flock.simulator.command(.send([2], to: try Endpoint(host: "nowhere", port: 1)), to: flock.hosts[0])
        flock.run(.seconds(1))
        #expect(flock.heard(1).isEmpty)
        #expect(flock.simulator.sent(by: flock.hosts[0]).datagrams == 2)
        #expect(flock.simulator.sent(by: flock.hosts[0]).datagramBytes == 200)
    }
}

@Suite("The simulated network: calls", .timeLimit(.minutes(20)))
struct CallTests {
    @Test("a call is answered once, after the way there and back")
    func answered() throws {
        var flock = try Flock(2)
        flock.ask()
        flock.run(.seconds(10))
        #expect(flock.outcomes().map(\.0) == ["HELLO"])
        let time = (flock.outcomes().first?.1 ?? .zero) - .zero
        #expect(time >= .milliseconds(2) && time < .milliseconds(3))
        #expect(flock.simulator.callsUnderWay(from: flock.hosts[0]).isEmpty)
    }

    @Test("no process: refused. No power, or no such address: silence until the caller's patience ends")
    func absent() throws {
        var flock = try Flock(4)
        flock.simulator.kill(flock.hosts[1])
        flock.simulator.losePower(flock.hosts[2])
        flock.ask(to: 1)
        flock.run(.milliseconds(100))
        #expect(flock.outcomes().map(\.0) == ["refused"])
        flock.ask(to: 2, timeout: .seconds(3))
        flock.simulator.command(
            .ask("x", try Endpoint(host: "nowhere", port: 1), expecting: nil, timeout: .seconds(3)), to: flock.hosts[0])
        flock.run(.milliseconds(2_990))
        #expect(flock.outcomes().count == 1)
        flock.run(.milliseconds(20))
        #expect(flock.outcomes().map(\.0) == ["refused", "timedOut", "timedOut"])
    }

    @Test("the callee's process dies in the middle: reset. Its power goes: a time-out")
    func calleeDies() throws {
        for isPowerCut in [false, true] {
            var flock = try Flock(2)
            flock.ask("silence", timeout: .seconds(4))
            flock.run(.seconds(1))
            #expect(flock.observed.contains { $0.what == .asked("silence by p0") })
            if isPowerCut { flock.simulator.losePower(flock.hosts[1]) } else { flock.simulator.kill(flock.hosts[1]) }
            flock.run(.seconds(1))
            #expect(flock.outcomes().map(\.0) == (isPowerCut ? [] : ["reset"]))
            flock.run(.seconds(10))
            #expect(flock.outcomes().map(\.0) == [isPowerCut ? "timedOut" : "reset"])
        }
    }

    @Test("the caller dies: nobody hears the answer, also not its next life")
    func callerDies() throws {
        var flock = try Flock(2)
        flock.ask()
        flock.run(.microseconds(1_500))
        flock.simulator.kill(flock.hosts[0])
        flock.simulator.boot(flock.hosts[0])
        flock.run(.seconds(10))
        #expect(flock.observed.contains { $0.what == .asked("hello by p0") })
        #expect(flock.outcomes().isEmpty)
        #expect(flock.simulator.callsUnderWay(from: flock.hosts[0]).isEmpty)
    }

    @Test("a cut shorter than the caller's patience delays the call, a longer one fails it, on either leg")
    func cut() throws {
        for (length, outcome) in [(2, "HELLO"), (20, "timedOut")] {
            for isWayBack in [false, true] {
                var flock = try Flock(2)
                let (a, b) = (flock.hosts[0], flock.hosts[1])
                flock.simulator.network.cut(from: isWayBack ? b : a, to: isWayBack ? a : b)
                flock.simulator.schedule(after: .seconds(length)) { $0.network.heal() }
                flock.ask(timeout: .seconds(10))
                flock.run(.seconds(60))
                #expect(flock.outcomes().map(\.0) == [outcome], "cut for \(length) s")
                #expect(flock.observed.contains { $0.what == .asked("hello by p0") } == (isWayBack || length < 10))
            }
        }
    }

    @Test(
        "a request that was held back outlives its caller's patience, and its caller, for as long as its kernel tries, and is read by the process that it was for",
        arguments: [10, 100], [false, true])
    func strays(cut: Int, isCallerKilled: Bool) throws {
        var flock = try Flock(2)
        flock.simulator.straysLast = .seconds(60)
        let (a, b) = (flock.hosts[0], flock.hosts[1])
        flock.simulator.network.cut(from: a, to: b)
        flock.simulator.schedule(after: .seconds(cut)) { $0.network.heal() }
        flock.ask(timeout: .seconds(isCallerKilled ? 50 : 5))
        if isCallerKilled { flock.simulator.schedule(after: .seconds(5)) { $0.kill(a) } }
        flock.run(.seconds(200))
        #expect(flock.outcomes().map(\.0) == (isCallerKilled ? [] : ["timedOut"]))
        #expect(flock.observed.filter { $0.what == .asked("hello by p0") }.count == (cut < 60 ? 1 : 0))

        // Not by its next life.
        flock.observed = []
        flock.simulator.boot(a)
        flock.simulator.network.cut(from: a, to: b)
        flock.ask(timeout: .seconds(5))
        flock.run(.seconds(10))
        flock.simulator.kill(b)
        flock.simulator.boot(b)
        flock.simulator.network.heal()
        flock.run(.seconds(100))
        #expect(flock.observed.allSatisfy { $0.what != .asked("hello by p0") })
    }

    @Test("with UDP cut alone, calls still pass; with calls cut alone, datagrams do")
    func carriers() throws {
        var flock = try Flock(2)
        flock.simulator.network.cutBothWays(flock.hosts[0], flock.hosts[1], .datagrams)
        flock.send([1], from: 0, to: 1)
        flock.ask()
        flock.run(.seconds(20))
        #expect(flock.heard(1).isEmpty)
        #expect(flock.outcomes().map(\.0) == ["HELLO"])
        flock.simulator.network.heal()
        flock.simulator.network.cutBothWays(flock.hosts[0], flock.hosts[1], .calls)
        flock.send([2], from: 0, to: 1)
        flock.ask()
        flock.run(.seconds(20))
        #expect(flock.heard(1) == [2])
        #expect(flock.outcomes().map(\.0) == ["HELLO", "timedOut"])
    }

    @Test("loss costs a call time, not its outcome")
    func loss() throws {
        var flock = try Flock(2, link: Link(delay: .milliseconds(1), jitter: .zero, loss: .percent(50)))
        for _ in 0..<100 { flock.ask(timeout: .seconds(600)) }
        flock.run(.seconds(600))
        #expect(flock.outcomes().count { $0.0 == "HELLO" } == 100)
        #expect(flock.outcomes().contains { $0.1 - .zero > .milliseconds(500) })
    }

    @Test("another name at the address is noticed")
    func wrongPeer() throws {
        var flock = try Flock(2)
        flock.ask(expecting: try NodeName("somebody"))
        flock.ask(expecting: try NodeName("p1"))
        flock.run(.seconds(1))
        #expect(flock.outcomes().map(\.0) == ["wrongPeer", "HELLO"])
    }

    @Test(
        "that a stopped process's host took the call is told after the grace; of no process, and no power, nothing is")
    func stall() throws {
        var flock = try Flock(4)
        flock.simulator.pause(flock.hosts[1])
        flock.simulator.kill(flock.hosts[2])
        flock.simulator.losePower(flock.hosts[3])
        let start = flock.simulator.now
        flock.ask(to: 1)
        flock.run(.seconds(10))
        let told = try #require(flock.stalls().first)
        #expect(flock.stalls().count == 1)
        // There and back, and what was named in the call.
        #expect(.milliseconds(152) <= told - start && told - start < .milliseconds(200))
        for other in [2, 3] { flock.ask(to: other) }
        flock.run(.seconds(10))
        #expect(flock.stalls().count == 1)
        #expect(flock.outcomes().map(\.0) == ["timedOut", "refused", "timedOut"])
    }

    @Test("a paused callee answers when it runs again, or too late")
    func paused() throws {
        var flock = try Flock(2)
        flock.simulator.pause(flock.hosts[1], for: .seconds(3))
        flock.ask(timeout: .seconds(2))
        flock.ask(timeout: .seconds(5))
        flock.run(.seconds(20))
        #expect(flock.outcomes().map(\.0) == ["timedOut", "HELLO"])
    }
}
