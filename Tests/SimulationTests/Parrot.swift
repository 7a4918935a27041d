import Simulation
import Vocabulary

/// The smallest machine that uses everything a host has: it sends numbers, answers questions, writes numbers to its
/// disk, and ticks.
struct Parrot: SimulatedMachine {
    struct Configuration: Sendable {
        var tickInterval: Duration?
        /// Asks to be woken in the past for ever: a defective machine.
        var spins = false
    }

    enum Command: Sendable {
        case send([Int], to: Endpoint)
        case ask(String, Endpoint, expecting: NodeName?, timeout: Duration)
        case write([Int])
        case sync
        case exit
    }

    struct Disk: DiskState {
        private(set) var numbers: [Int] = []
        init() {}
        init(_ numbers: [Int]) { self.numbers = numbers }
        /// A negative number takes its positive one away.
        mutating func apply(_ write: Int) {
            if write < 0 { numbers.removeAll { $0 == -write } } else { numbers.append(write) }
        }
        func growth(of write: Int) -> Int { write < 0 ? -10 * numbers.count { $0 == -write } : 10 }
        var byteCount: Int { 10 * numbers.count }
    }

    enum Observation: Sendable, CustomStringConvertible, Equatable {
        case booted(disk: [Int])
        case heard(Int, at: Instant)
        case asked(String)
        case outcome(String)
        case ticked(at: Instant, wall: UInt64)
        case stalled(at: Instant)
        case synced
        case full

        var description: String {
            switch self {
            case .booted(let disk): "booted \(disk)"
            case .heard(let number, let at): "heard \(number) at \(at)"
            case .asked(let text): "asked \(text)"
            case .outcome(let text): "outcome \(text)"
            case .ticked(let at, let wall): "ticked \(at) \(wall)"
            case .stalled(let at): "stalled \(at)"
            case .synced: "synced"
            case .full: "full"
            }
        }
    }

    private let configuration: Configuration
    private(set) var deadline: Instant?

    init(_ boot: Boot<Configuration>, in context: inout HostContext<Parrot>) {
        configuration = boot.configuration
        deadline = configuration.spins ? context.now : configuration.tickInterval.map { context.now + $0 }
        context.observe(.booted(disk: context.disk.state.numbers))
    }

    mutating func handle(_ input: HostInput<Parrot>, in context: inout HostContext<Parrot>) {
        switch input {
        case .tick:
            context.observe(.ticked(at: context.now, wall: context.wallMilliseconds))
            if let interval = configuration.tickInterval, let due = deadline { deadline = due + interval }
        case .datagram(let number, _): context.observe(.heard(number, at: context.now))
        case .request(let text, let id, let name):
            context.observe(.asked("\(text) by \(name)"))
            if text != "silence" { context.answer(id, text.uppercased()) }
        case .response(.success(let text), _): context.observe(.outcome(text))
        case .response(.failure(let failure), _): context.observe(.outcome("\(failure)"))
        case .stalled: context.observe(.stalled(at: context.now))
        case .synced: context.observe(.synced)
        case .command(.send(let numbers, let endpoint)):
            for number in numbers { context.send(number, to: endpoint, bytes: 100) }
        case .command(.ask(let text, let endpoint, let expecting, let timeout)):
            _ = context.call(
                endpoint, expecting: expecting, text, timeout: timeout, stallsAfter: .milliseconds(150))
        case .command(.write(let numbers)):
            for number in numbers {
                do { try context.disk.write(number) } catch { context.observe(.full) }
            }
        case .command(.sync): _ = context.sync()
        case .command(.exit): context.exit()
        }
    }

    typealias Datagram = Int
    typealias Request = String
    typealias Response = String
}

/// Hosts named p0, p1, …, and what they made known.
struct Flock {
    var simulator: Simulator<Parrot>
    let hosts: [HostID]
    var observed: [Simulator<Parrot>.Observed] = []

    init(
        _ count: Int, seed: UInt64 = 1, link: Link = Link(delay: .milliseconds(1), jitter: .zero),
        configuration: Parrot.Configuration = .init(), trace: Trace.Keeping = .hashOnly
    ) throws {
        var simulator = Simulator<Parrot>(seed: seed, link: link, trace: trace)
        var hosts: [HostID] = []
        for number in 0..<count {
            let endpoint = try Endpoint(host: "10.0.0.\(number)", port: 7667)
            hosts.append(simulator.addHost(try NodeName("p\(number)"), at: endpoint, configuration))
        }
        for host in hosts { simulator.boot(host) }
        self.simulator = simulator
        self.hosts = hosts
    }

    mutating func run(_ time: Duration) {
        var new: [Simulator<Parrot>.Observed] = []
        simulator.run(for: time) { _, observed in new.append(observed) }
        observed += new
    }

    mutating func send(_ numbers: [Int], from: Int, to: Int) {
        simulator.command(.send(numbers, to: simulator.endpoint(of: hosts[to])), to: hosts[from])
    }

    mutating func ask(
        _ text: String = "hello", from: Int = 0, to: Int = 1, expecting: NodeName? = nil,
        timeout: Duration = .seconds(5)
    ) {
        let endpoint = simulator.endpoint(of: hosts[to])
        simulator.command(.ask(text, endpoint, expecting: expecting, timeout: timeout), to: hosts[from])
    }

    /// When a host was told that the one it had asked took its call and does not answer.
    func stalls(_ host: Int = 0) -> [Instant] {
        observed.compactMap { one in
            guard one.host == hosts[host], case .stalled = one.what else { return nil }
            return one.at
        }
    }

    func heard(_ host: Int) -> [Int] {
        observed.compactMap { one in
            guard one.host == hosts[host], case .heard(let number, _) = one.what else { return nil }
            return number
        }
    }

    func arrivals(_ host: Int) -> [Instant] {
        observed.filter {
            if case .heard = $0.what { return $0.host == hosts[host] }
            return false
        }.map(\.at)
    }

    func outcomes(_ host: Int = 0) -> [(String, Instant)] {
        observed.compactMap { one in
            guard one.host == hosts[host], case .outcome(let text) = one.what else { return nil }
            return (text, one.at)
        }
    }
}
