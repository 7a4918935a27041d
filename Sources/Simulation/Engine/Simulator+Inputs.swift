import DequeModule
import Vocabulary

// One host's turn: an input goes in when the process can take it, its wishes are carried out in order, and the next
// wake-up is set.

extension Simulator {
    /// Hands an input to a running machine, now or when its process runs again.
    mutating func deliver(_ input: HostInput<Machine>, to id: HostID) {
        let index = id.number
        guard hosts[index].machine != nil else { return }
        if hosts[index].blockage != nil, input.isMessage { return hold(input, for: id) }
        guard hosts[index].isPaused || hosts[index].busyUntil > now || !hosts[index].inbox.isEmpty else {
            return perform(input, on: id)
        }
        if case .datagram = input, hosts[index].inbox.count >= Host<Machine>.inboxDatagramsMax {
            trace.note(.dropped, at: now, id)
            return
        }
        if case .tick = input { hosts[index].isTickWaiting = true }
        hosts[index].inbox.append(input)
        scheduleDrain(id)
    }

    private mutating func perform(_ input: HostInput<Machine>, on id: HostID) {
        let index = id.number
        if case .tick = input { hosts[index].isTickWaiting = false }
        hosts[index].handle(input, at: now)
        carryOutWishes(of: id)
        guard hosts[index].machine != nil else { return }
        if hosts[index].serviceTime > .zero { hosts[index].busyUntil = now + hosts[index].serviceTime }
        if case .tick = input { countSpin(id) }
        setAlarm(id)
    }

    mutating func scheduleDrain(_ id: HostID) {
        let host = hosts[id.number]
        guard !host.isPaused, !host.isDraining, !host.inbox.isEmpty else { return }
        hosts[id.number].isDraining = true
        queue.schedule(.drain(id, life: host.life), at: max(now, host.busyUntil))
    }

    mutating func drain(_ id: HostID, _ life: UInt32) {
        let index = id.number
        guard hosts[index].life == life else { return }
        hosts[index].isDraining = false
        guard !hosts[index].isPaused else { return }
        if hosts[index].busyUntil <= now, let input = hosts[index].inbox.popFirst() { perform(input, on: id) }
        scheduleDrain(id)
    }

    // MARK: Time

    /// Sees to it that a wake-up is in the queue for the machine's deadline. Later ones that are there already stay,
    /// and find nothing to do.
    mutating func setAlarm(_ id: HostID, notBefore soonest: Instant = .zero) {
        let index = id.number
        guard !hosts[index].isPaused, !hosts[index].isTickWaiting, let deadline = hosts[index].deadline
        else { return }
        // A machine that wants to be woken at once again and again would stop the time; it gets a millisecond.
        let earliest = hosts[index].spins > Self.spinsMax ? now + .milliseconds(1) : now
        let time = max(hosts[index].clock.global(deadline), earliest, soonest)
        if let armed = hosts[index].armedAt, armed <= time { return }
        hosts[index].armedAt = time
        queue.schedule(.wake(id, life: hosts[index].life), at: time)
    }

    private static var spinsMax: Int { 16 }

    private mutating func countSpin(_ id: HostID) {
        let index = id.number
        let isSpinning = hosts[index].deadline.map { $0 <= hosts[index].context.now } ?? false
        hosts[index].spins = isSpinning ? hosts[index].spins + 1 : 0
        guard hosts[index].spins > Self.spinsMax else { return }
        spinCount += 1
        trace.note(.spun, at: now, id)
    }

    mutating func wake(_ id: HostID, _ life: UInt32) {
        let index = id.number
        guard hosts[index].life == life, hosts[index].armedAt == now else { return }
        hosts[index].armedAt = nil
        guard !hosts[index].isPaused, let deadline = hosts[index].deadline else { return }
        guard hosts[index].clock.local(now) >= deadline else { return setAlarm(id, notBefore: now + .microseconds(1)) }
        deliver(.tick, to: id)
    }

    // MARK: Wishes

    mutating func carryOutWishes(of id: HostID) {
        let index = id.number
        guard !hosts[index].context.wishes.isEmpty else { return }
        var wishes: [HostContext<Machine>.Wish] = []
        swap(&wishes, &hosts[index].context.wishes)
        for wish in wishes {
            switch wish {
            case .send(let datagram, let target, let bytes):
                if hosts[index].blockage == nil {
                    send(datagram, to: target, bytes: bytes, from: id)
                } else {
                    hold(.datagram(datagram, to: target, bytes: bytes), from: id)
                }
            case .call(let call, let request, let target, let expecting, let bytes, let timeout, let grace):
                begin(
                    call, request, to: target, expecting: expecting, bytes: bytes, timeout: timeout,
                    stallsAfter: grace)
            case .answer(let call, let response, let bytes):
                if hosts[index].blockage == nil {
                    answer(call, response, bytes: bytes, from: id)
                } else {
                    hold(.answer(call, response, bytes: bytes), from: id)
                }
            case .sync(let ticket):
                let done = now + hosts[index].context.disk.syncTime
                queue.schedule(.synced(id, ticket, life: hosts[index].life), at: done)
            case .observe(let observation): note(observation, by: id)
            case .exit:
                stop(id)
                return
            }
        }
        guard hosts[index].context.wishes.isEmpty else { return }
        // The array goes back for its capacity.
        wishes.removeAll(keepingCapacity: true)
        swap(&wishes, &hosts[index].context.wishes)
    }

    mutating func synced(_ id: HostID, _ ticket: SyncTicket, _ life: UInt32) {
        guard hosts[id.number].life == life else { return }
        hosts[id.number].context.disk.complete(through: ticket.target)
        trace.note(.synced, at: now, id, number: Int64(truncatingIfNeeded: ticket.target))
        deliver(.synced(ticket), to: id)
    }

    // MARK: Datagrams

    mutating func send(_ datagram: Machine.Datagram, to target: Endpoint, bytes: Int, from id: HostID) {
        let source = hosts[id.number].endpoint
        hosts[id.number].sent.datagrams += 1
        hosts[id.number].sent.datagramBytes += bytes
        guard let receiver = listeners[target] else {
            return trace.note(.unheard, at: now, id, number: Int64(bytes), text: "to \(target)")
        }
        let event = Event.datagram(datagram, from: source, to: target, sender: id, bytes: bytes)
        switch network.fateOfDatagram(from: id, to: receiver) {
        case .lost: trace.note(.lost, at: now, id, receiver, number: Int64(bytes))
        case .arrives(let delay):
            trace.note(.sent, at: now, id, receiver, number: Int64(bytes))
            queue.schedule(event, at: now + delay)
        case .arrivesTwice(let first, let second):
            trace.note(.twice, at: now, id, receiver, number: Int64(bytes))
            queue.schedule(event, at: now + first)
            queue.schedule(event, at: now + second)
        }
    }

    mutating func arrive(
        _ datagram: Machine.Datagram, from source: Endpoint, to target: Endpoint, sender: HostID, bytes: Int
    ) {
        guard let receiver = listeners[target], hosts[receiver.number].machine != nil else {
            return trace.note(.unheard, at: now, sender, number: Int64(bytes), text: "to \(target)")
        }
        trace.note(.arrived, at: now, receiver, sender, number: Int64(bytes))
        hosts[receiver.number].received.datagrams += 1
        hosts[receiver.number].received.datagramBytes += bytes
        deliver(.datagram(datagram, from: source), to: receiver)
    }
}
