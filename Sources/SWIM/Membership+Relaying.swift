import Vocabulary

/// A ping that this node sends for another one.
struct Relay: Sendable {
    /// Of this node's own ping to the target.
    let sequence: SequenceNumber
    let target: NodeName
    let requester: NodeName
    let requesterEndpoint: Endpoint
    let requesterSequence: SequenceNumber
    /// When to say "no answer yet"; `nil` once it was said.
    var nackAt: Instant?
    let deadline: Instant

    var nextStep: Instant { nackAt ?? deadline }

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
        let within = min(max(within, .milliseconds(10)), .seconds(60))
        lastSequence = lastSequence.next
        relays.append(
            Relay(
                sequence: lastSequence, target: target, requester: requester, requesterEndpoint: source,
                requesterSequence: sequence,
                // memberlist's nack is due when the prober gives up, and so comes too late; at 80 % it can arrive.
                nackAt: turn.now + within * 4 / 5, deadline: turn.now + within))
        let ping = Message.ping(lastSequence, target: target)
        if let place = table.place(of: target) {
            send(ping, to: endpoint, of: place, &turn)
        } else {
            reply(ping, to: target, at: endpoint, &turn)
        }
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
            if let nackAt = relay.nackAt, nackAt <= turn.now {
                relays[index].nackAt = nil
                reply(.nack(relay.requesterSequence), to: relay.requester, at: relay.requesterEndpoint, &turn)
            }
            index += 1
        }
    }
}
