import Vocabulary

/// A ping that this node sends for another one.
struct Relay: Sendable {
    /// Of this node's own ping to the target.
    let sequence: SequenceNumber
    let target: NodeName
    let requester: NodeName
    let requesterEndpoint: Endpoint
    let requesterSequence: SequenceNumber
    let endpoint: Endpoint
    /// When to ping once more; `nil` once that was done.
    var retryAt: Instant?
    /// When to say "no answer yet"; `nil` once it was said.
    var nackAt: Instant?
    let deadline: Instant

    var nextStep: Instant { retryAt ?? nackAt ?? deadline }

    /// Bounds what others can make this node remember; past it a request goes unanswered, as if it were lost.
    static let countMax = 64
}

extension Membership {
    mutating func receivePingRequest(
        _ sequence: SequenceNumber, target: NodeName, at endpoint: Endpoint, within: Duration,
        from requester: NodeName, source: Endpoint, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        guard target != identity else { return reply(.ack(sequence), to: requester, at: source, &turn) }
        guard relays.count < Relay.countMax, !isLeaving else { return }
        let within = min(max(within, settings.probeTimeoutMin), .seconds(60))
        // Where a member is, this node knows; whoever else is to be pinged hears nothing but that, or a request would be
        // a way to have this node send its news, in full datagrams, to anybody.
        let endpoint = table.place(of: target).map { table[$0].claim.endpoint } ?? endpoint
        lastSequence = lastSequence.next
        counters.pingRequestsServed &+= 1
        relays.append(
            Relay(
                sequence: lastSequence, target: target, requester: requester, requesterEndpoint: source,
                requesterSequence: sequence, endpoint: endpoint,
                retryAt: settings.probeTries > 1 ? turn.now + within / 3 : nil,
                // memberlist's nack is due when a prober that is well gives up, and so comes too late; at 80 % it can arrive.
                nackAt: turn.now + (settings.isCautious ? within * 4 / 5 : settings.probeTimeout),
                deadline: turn.now + within))
        ping(target, at: endpoint, lastSequence, &turn)
    }

    private mutating func ping(
        _ target: NodeName, at endpoint: Endpoint, _ sequence: SequenceNumber,
        _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let message = Message.ping(sequence, target: target)
        guard let place = table.place(of: target) else {
            return turn.effects.append(.send(Packet(from: identity, message: message, claims: []), to: endpoint))
        }
        send(message, to: endpoint, of: place, &turn)
    }

    /// An ack that belongs to a relay goes on to the one that asked.
    mutating func passOn(
        _ sequence: SequenceNumber, from sender: NodeName, _ turn: inout Turn<some RandomNumberGenerator>
    ) -> Bool {
        guard let index = relays.firstIndex(where: { $0.sequence == sequence && $0.target == sender }) else {
            return false
        }
        let relay = relays.remove(at: index)
        reply(.ack(relay.requesterSequence), to: relay.requester, at: relay.requesterEndpoint, &turn)
        return true
    }

    mutating func advanceRelays(_ turn: inout Turn<some RandomNumberGenerator>) {
        var index = 0
        while index < relays.count {
            let relay = relays[index]
            if relay.deadline <= turn.now {
                relays.remove(at: index)
                continue
            }
            if let retryAt = relay.retryAt, retryAt <= turn.now {
                relays[index].retryAt = nil
                ping(relay.target, at: relay.endpoint, relay.sequence, &turn)
            }
            if let nackAt = relay.nackAt, nackAt <= turn.now {
                relays[index].nackAt = nil
                counters.nacksSent &+= 1
                reply(.nack(relay.requesterSequence), to: relay.requester, at: relay.requesterEndpoint, &turn)
            }
            index += 1
        }
    }
}
