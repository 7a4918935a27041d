import Vocabulary

/// What the simulator can run on a host: one agent's whole logic as a value, between a start of the process and its
/// end. All it has is in the context: time, randomness, its disk, and the ways out.
public protocol SimulatedMachine: Sendable {
    /// What the operator gave: settings, whom to join.
    associatedtype Configuration: Sendable
    associatedtype Datagram: Sendable
    associatedtype Request: Sendable
    associatedtype Response: Sendable
    associatedtype Disk: DiskState
    /// What an operator or a client of this node asks of it.
    associatedtype Command: Sendable
    /// What it makes known: to the trace, to experiments, to the checks of the laws.
    associatedtype Observation: Sendable, CustomStringConvertible

    /// A start of the process on a host whose disk may hold an earlier life's state, or an old one, or none.
    init(_ boot: Boot<Configuration>, in context: inout HostContext<Self>)

    mutating func handle(_ input: HostInput<Self>, in context: inout HostContext<Self>)

    /// When to come back with `.tick`, on the host's own clock.
    var deadline: Instant? { get }
}

public struct Boot<Configuration: Sendable>: Sendable {
    public let name: NodeName
    public let endpoint: Endpoint
    public let configuration: Configuration
    public let host: HostID
}

public enum HostInput<Machine: SimulatedMachine>: Sendable {
    case tick
    case datagram(Machine.Datagram, from: Endpoint)
    /// To be answered by `context.answer(id, …)`, now or later, or never.
    case request(Machine.Request, CallID, from: NodeName)
    case response(Result<Machine.Response, CallFailure>, CallID)
    /// The host at the other end took the call, and its process has not answered in the time that `call` named for that. The
    /// outcome still comes.
    case stalled(CallID)
    /// A sync that was asked for is done: what was written before it lasts.
    case synced(SyncTicket)
    case command(Machine.Command)
}

public struct SyncTicket: Hashable, Sendable {
    let target: UInt64
}

/// A host's side of a running machine: what it may use, and what it wants done. The simulator carries the wishes out
/// when the machine has returned, in order.
public struct HostContext<Machine: SimulatedMachine>: Sendable {
    public let host: HostID
    /// On the host's own monotonic clock, which drifts and has a zero of its own.
    public internal(set) var now = Instant.zero
    /// The host's wall clock, which may be hours wrong and jump.
    public internal(set) var wallMilliseconds: UInt64 = 0
    public var random: SeededGenerator
    public var disk = SimulatedDisk<Machine.Disk>()

    var wishes: [Wish] = []
    private var nextCallNumber: UInt64 = 1

    enum Wish: Sendable {
        case send(Machine.Datagram, to: Endpoint, bytes: Int)
        case call(
            CallID, Machine.Request, to: Endpoint, expecting: NodeName?, bytes: Int, timeout: Duration,
            stallsAfter: Duration?)
        case answer(CallID, Machine.Response, bytes: Int)
        case sync(SyncTicket)
        case observe(Machine.Observation)
        case exit
    }

    init(host: HostID, random: SeededGenerator) {
        self.host = host
        self.random = random
    }

    /// - Parameter bytes: what it takes on the wire, headers included.
    public mutating func send(_ datagram: Machine.Datagram, to endpoint: Endpoint, bytes: Int) {
        wishes.append(.send(datagram, to: endpoint, bytes: bytes))
    }

    /// The outcome comes as `.response`, exactly once, at the latest after `timeout`, unless this process ends first.
    ///
    /// - Parameter grace: once the other host has taken the call, its process has so long before `.stalled` tells that it
    ///   does not answer.
    public mutating func call(
        _ endpoint: Endpoint, expecting name: NodeName? = nil, _ request: Machine.Request, bytes: Int = 500,
        timeout: Duration, stallsAfter grace: Duration? = nil
    ) -> CallID {
        let id = CallID(caller: host, number: nextCallNumber)
        nextCallNumber += 1
        wishes.append(
            .call(id, request, to: endpoint, expecting: name, bytes: bytes, timeout: timeout, stallsAfter: grace))
        return id
    }

    public mutating func answer(_ id: CallID, _ response: Machine.Response, bytes: Int = 500) {
        wishes.append(.answer(id, response, bytes: bytes))
    }

    /// Asks for everything written so far to be made durable; `.synced` tells when.
    public mutating func sync() -> SyncTicket {
        let ticket = SyncTicket(target: disk.syncTarget)
        wishes.append(.sync(ticket))
        return ticket
    }

    public mutating func observe(_ observation: Machine.Observation) { wishes.append(.observe(observation)) }

    /// The process ends in good order.
    public mutating func exit() { wishes.append(.exit) }
}
