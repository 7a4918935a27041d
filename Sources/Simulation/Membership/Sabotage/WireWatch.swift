import SWIM
import Vocabulary

/// What one member is seen to do on the wire, for laws that no view shows.
struct WireWatch: Sendable {
    /// The largest datagram, before sealing.
    private(set) var largest = 0
    /// What it said of a member was less than it had said before.
    private(set) var stepsBack: [String] = []
    /// Requests to helpers, and those among them that were answered within the time that they named.
    private(set) var requests = 0
    private(set) var answersInTime = 0

    private var told: [NodeName: Precedence] = [:]
    private var open: [(sequence: SequenceNumber, until: Instant)] = []

    mutating func said(_ packet: Packet, at now: Instant) {
        largest = max(largest, packet.wireSize)
        for claim in packet.claims {
            if let last = told[claim.name], claim.precedence < last { stepsBack.append("\(packet.from) told \(claim)") }
            told[claim.name] = claim.precedence
        }
        if case .pingRequest(let sequence, _, _, let within) = packet.message {
            requests += 1
            open.append((sequence, now + within))
        }
    }

    mutating func heard(_ packet: Packet, at now: Instant) {
        let answered: SequenceNumber
        if case .ack(let sequence) = packet.message {
            answered = sequence
        } else if case .nack(let sequence) = packet.message {
            answered = sequence
        } else {
            return
        }
        // One of those that were asked the same.
        guard let index = open.firstIndex(where: { $0.sequence == answered }) else { return }
        if now <= open.remove(at: index).until { answersInTime += 1 }
    }
}
