import DequeModule
import Vocabulary

// The anomaly of Lifeguard's experiments (Dadgar, Phillips, Currey, DSN 2018 §5): a process that blocks right before it
// sends and right after it has received any message, while its timers go on. It is what a member does whose machine is
// starved of processor time, and it is worse than a pause: it accuses others of a silence that is its own.

/// What waits on both sides of a blocked process.
struct Blockage<Machine: SimulatedMachine>: Sendable {
    /// What the process would send, in its order.
    enum Outgoing: Sendable {
        case datagram(Machine.Datagram, to: Endpoint, bytes: Int)
        /// The caller's patience runs from the call on; only its first byte waits.
        case call(CallID)
        case answer(CallID, Machine.Response, bytes: Int)
    }

    /// False once the blockage has ended while the process was paused: what waits flows on when it runs again.
    var isShut = true
    var outgoing: Deque<Outgoing> = []
    var incoming: Deque<HostInput<Machine>> = []
    var outgoingDatagrams = 0

    /// A socket's buffer for sending: Linux gives 212,992 bytes and books 768 for a small datagram. Past it the kernel
    /// takes no more, and a datagram that it does not take is lost.
    static var outgoingDatagramsMax: Int { 277 }
}

extension HostInput {
    /// It came from another host. A call that timed out came from the clock.
    var isMessage: Bool {
        switch self {
        case .datagram, .request, .stalled, .response(.success, _): true
        case .response(.failure(let failure), _): failure != .timedOut
        case .tick, .synced, .command: false
        }
    }
}

extension Simulator {
    /// From now on, messages wait on their way into the process and out of it; its timers go on, and so do its disk and
    /// its operator. Afterwards all flows on, in order, what it sent before what it received.
    public mutating func block(_ id: HostID, for time: Duration? = nil) {
        guard hosts[id.number].machine != nil else { return }
        trace.note(.blocked, at: now, id)
        if hosts[id.number].blockage == nil { hosts[id.number].blockage = Blockage() }
        hosts[id.number].blockage?.isShut = true
        if let time { queue.schedule(.unblock(id, life: hosts[id.number].life), at: now + time) }
    }

    public mutating func unblock(_ id: HostID) {
        guard hosts[id.number].blockage != nil else { return }
        trace.note(.unblocked, at: now, id)
        hosts[id.number].blockage?.isShut = false
        flowOn(id)
    }

    /// What waited goes its way, unless something still stands in it.
    mutating func flowOn(_ id: HostID) {
        let index = id.number
        guard !hosts[index].isPaused, let blockage = hosts[index].blockage, !blockage.isShut else { return }
        hosts[index].blockage = nil
        for outgoing in blockage.outgoing {
            switch outgoing {
            case .datagram(let datagram, let target, let bytes): send(datagram, to: target, bytes: bytes, from: id)
            case .call(let call): transmit(call)
            case .answer(let call, let response, let bytes): answer(call, response, bytes: bytes, from: id)
            }
        }
        for input in blockage.incoming { deliver(input, to: id) }
    }

    mutating func hold(_ outgoing: Blockage<Machine>.Outgoing, from id: HostID) {
        if case .datagram = outgoing {
            guard let count = hosts[id.number].blockage?.outgoingDatagrams,
                count < Blockage<Machine>.outgoingDatagramsMax
            else { return trace.note(.dropped, at: now, id) }
            hosts[id.number].blockage?.outgoingDatagrams += 1
        }
        hosts[id.number].blockage?.outgoing.append(outgoing)
    }

    mutating func hold(_ input: HostInput<Machine>, for id: HostID) {
        if case .datagram = input, let count = hosts[id.number].blockage?.incoming.count,
            count >= Host<Machine>.inboxDatagramsMax
        {
            return trace.note(.dropped, at: now, id)
        }
        hosts[id.number].blockage?.incoming.append(input)
    }
}
