import Vocabulary

// Requests whose caller waits no more. What a process gave to its kernel before it closed the connection, or was killed, the
// kernel sends again for a while yet: after a cut the other end reads a request that nobody wants an answer to.

extension Simulator {
    /// The caller of this one gives up, or ends; its host has power.
    mutating func leaveBehind(_ id: CallID) {
        guard straysLast > .zero, let call = calls[id], case .request = call.phase, call.attempts > 0 else { return }
        strays[id] = call
        queue.schedule(.strayEnds(id), at: now + straysLast)
        transmitStray(id)
    }

    mutating func transmitStray(_ id: CallID) {
        guard let stray = strays[id], case .request(_, let bytes) = stray.phase,
            let callee = listeners[stray.endpoint]
        else { return }
        if let time = network.timeOfLeg(bytes: bytes, from: id.caller, to: callee) {
            queue.schedule(.strayArrives(id), at: now + time)
        } else {
            queue.schedule(.strayRetries(id), at: now + stray.retryDelay)
            strays[id]?.attempts += 1
        }
    }

    mutating func strayArrives(_ id: CallID) {
        guard let stray = strays[id], case .request(let request, let bytes) = stray.phase,
            let callee = listeners[stray.endpoint]
        else { return }
        guard !network.isCut(from: id.caller, to: callee, .calls) else { return transmitStray(id) }
        strays[id] = nil
        guard hosts[callee.number].machine != nil, hosts[callee.number].life == stray.life,
            stray.expecting.map({ $0 == hosts[callee.number].name }) ?? true
        else { return }
        hosts[callee.number].received.calls += 1
        hosts[callee.number].received.callBytes += bytes
        trace.note(.strayed, at: now, callee, id.caller, number: Int64(truncatingIfNeeded: id.number))
        deliver(.request(request, id, from: hosts[id.caller.number].name), to: callee)
    }
}
