import SWIM
import Vocabulary

/// An honest member, as little of one as will do: it answers when it is asked, asks now and then, and refutes what is
/// said of it.
struct HonestMember {
    let name: NodeName
    let endpoint: Endpoint
    private(set) var claim: Claim
    /// Pings that reached it.
    var pings = 0
    /// Acks to its own questions.
    var acks = 0

    init(name: NodeName, endpoint: Endpoint, epoch: UInt64) {
        self.name = name
        self.endpoint = endpoint
        claim = Claim(
            name: name, endpoint: endpoint, epoch: epoch, incarnation: .zero, status: .alive, metadata: .standard)
    }

    mutating func hear(_ packet: Packet) -> Packet? {
        refute(packet.claims)
        switch packet.message {
        case .ping(let sequence, let target):
            guard target == name else { return nil }
            pings += 1
            return Packet(from: name, message: .ack(sequence), claims: [claim])
        case .ack:
            acks += 1
            return nil
        case .pingRequest, .nack, .gossip: return nil
        }
    }

    /// Of an exchange of whole states its own part: that it is there.
    mutating func exchange(_ claims: [Claim]) -> [Claim] {
        refute(claims)
        return [claim]
    }

    private mutating func refute(_ claims: [Claim]) {
        for said in claims where said.name == name && said.supersedes(claim) {
            claim = Claim(
                name: name, endpoint: endpoint, epoch: claim.epoch,
                incarnation: Incarnation(said.incarnation.number &+ 1), status: .alive, metadata: .standard)
        }
    }

    func ping(_ target: NodeName, _ number: UInt32) -> Packet {
        Packet(from: name, message: .ping(SequenceNumber(number), target: target), claims: [claim])
    }
}
