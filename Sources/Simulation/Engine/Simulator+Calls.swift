import Vocabulary

// Calls between hosts. A leg that is cut is tried again until the caller's patience ends; the end of a process is seen
// by the other side, the end of a host's power is not.

extension Simulator {
    mutating func begin(
        _ id: CallID, _ request: Machine.Request, to endpoint: Endpoint, expecting: NodeName?, bytes: Int,
        timeout: Duration, stallsAfter grace: Duration?
    ) {
        let caller = id.caller.number
        hosts[caller].calling.append(id)
        hosts[caller].sent.calls += 1
        hosts[caller].sent.callBytes += bytes
        calls[id] = CallInFlight(
            endpoint: endpoint, expecting: expecting, stallsAfter: grace,
            life: listeners[endpoint].map { hosts[$0.number].life }, phase: .request(request, bytes: bytes))
        trace.note(.call, at: now, id.caller, listeners[endpoint], number: Int64(truncatingIfNeeded: id.number))
        queue.schedule(.callTimesOut(id), at: now + max(timeout, .zero))
        if hosts[caller].blockage == nil { transmit(id) } else { hold(.call(id), from: id.caller) }
    }

    /// Sets the present leg on its way, or tries again later while it is cut.
    mutating func transmit(_ id: CallID) {
        guard let call = calls[id] else { return }
        let time: Duration?
        switch call.phase {
        case .request(_, let bytes):
            // Nobody has that address: silence, until the caller gives up.
            guard let callee = listeners[call.endpoint] else { return }
            time = network.timeOfLeg(bytes: bytes, from: id.caller, to: callee)
        case .served: return
        case .response(_, let bytes, let callee):
            time = network.timeOfLeg(bytes: bytes, from: callee, to: id.caller)
        }
        if let time {
            queue.schedule(.callArrives(id), at: now + time)
        } else {
            queue.schedule(.callRetries(id), at: now + call.retryDelay)
            calls[id]?.attempts += 1
        }
    }

    mutating func callArrives(_ id: CallID) {
        guard let call = calls[id] else { return }
        switch call.phase {
        case .request(let request, let bytes):
            guard let callee = listeners[call.endpoint], hosts[callee.number].isPowered else { return }
            // The way was cut while this was on it: TCP tries again.
            guard !network.isCut(from: id.caller, to: callee, .calls) else { return transmit(id) }
            guard hosts[callee.number].machine != nil else { return respond(id, .failure(.refused), from: callee) }
            if let expected = call.expecting, hosts[callee.number].name != expected {
                return respond(id, .failure(.wrongPeer), from: callee)
            }
            calls[id]?.phase = .served(by: callee)
            hosts[callee.number].serving.append(id)
            hosts[callee.number].received.calls += 1
            hosts[callee.number].received.callBytes += bytes
            trace.note(.served, at: now, callee, id.caller, number: Int64(truncatingIfNeeded: id.number))
            if let grace = call.stallsAfter, let back = network.timeOfLeg(bytes: 0, from: callee, to: id.caller) {
                queue.schedule(.callStalls(id), at: now + back + grace)
            }
            deliver(.request(request, id, from: hosts[id.caller.number].name), to: callee)
        case .served: return
        case .response(let result, let bytes, let callee):
            guard !network.isCut(from: callee, to: id.caller, .calls) else { return transmit(id) }
            hosts[id.caller.number].received.callBytes += bytes
            settle(id, result)
        }
    }

    /// The kernel at the other end took the call: that much the caller knows, whatever its process does.
    mutating func callStalls(_ id: CallID) {
        guard let call = calls[id], case .served = call.phase else { return }
        trace.note(.stalled, at: now, id.caller, number: Int64(truncatingIfNeeded: id.number))
        deliver(.stalled(id), to: id.caller)
    }

    /// A machine answers. Late answers, and those to callers that are gone, go nowhere.
    mutating func answer(_ id: CallID, _ response: Machine.Response, bytes: Int, from callee: HostID) {
        guard let call = calls[id], case .served(by: callee) = call.phase else { return }
        hosts[callee.number].serving.removeAll { $0 == id }
        hosts[callee.number].sent.callBytes += bytes
        trace.note(.answered, at: now, callee, id.caller, number: Int64(truncatingIfNeeded: id.number))
        respond(id, .success(response), bytes: bytes, from: callee)
    }

    private mutating func respond(
        _ id: CallID, _ result: Result<Machine.Response, CallFailure>, bytes: Int = 60, from callee: HostID
    ) {
        calls[id]?.phase = .response(result, bytes: bytes, from: callee)
        calls[id]?.attempts = 0
        transmit(id)
    }

    /// The caller learns the outcome; whatever is still under way for this call finds nothing to do.
    mutating func settle(_ id: CallID, _ result: Result<Machine.Response, CallFailure>) {
        guard let call = calls.removeValue(forKey: id) else { return }
        if case .served(let callee) = call.phase { hosts[callee.number].serving.removeAll { $0 == id } }
        hosts[id.caller.number].calling.removeAll { $0 == id }
        if case .failure = result {
            trace.note(.failed, at: now, id.caller, number: Int64(truncatingIfNeeded: id.number))
        }
        deliver(.response(result, id), to: id.caller)
    }

    /// The process on a host ended: what it had asked is void, and those who asked it learn of it unless its power
    /// went too.
    mutating func abandonCalls(of host: HostID, isSeen: Bool) {
        for id in hosts[host.number].calling {
            if isSeen { leaveBehind(id) }
            guard let call = calls.removeValue(forKey: id) else { continue }
            if case .served(let callee) = call.phase { hosts[callee.number].serving.removeAll { $0 == id } }
        }
        guard isSeen else { return }
        for id in hosts[host.number].serving { respond(id, .failure(.reset), from: host) }
    }
}
