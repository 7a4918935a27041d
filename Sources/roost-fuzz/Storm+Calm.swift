import SWIM
import Vocabulary

// After the storm: nobody sends but the honest. Whoever was talked into the table falls silent, and what is left must be
// a member that probes, answers, helps and takes newcomers in.

extension Storm {
    mutating func calm() throws {
        try input(.announce(.serving))
        try input(.endpoint(own))
        for index in honest.indices { honest[index].pings = 0 }
        // Each ghost has to be probed, suspected and forgotten before the table has room: a round or two of them,
        // and a minute for those that announced to restart.
        let rounds = 3 * membership.settings.membersMax + 180
        for _ in 0..<rounds {
            try pass(membership.settings.probeInterval)
            try honestProbe()
            guard membership.deadline != nil else { throw Violation("the clockwork runs on", "no deadline") }
        }
        try laws.sweep(membership)
        try probing()
        try answering()
        try helping()
        try welcoming()
    }

    private func probing() throws {
        for friend in honest {
            guard friend.pings > 0 else {
                throw Violation("honest members are probed again", "\(friend.name) never was; \(summary)")
            }
            guard let member = membership.member(friend.name), !member.status.isDeparted else {
                throw Violation("an honest member that answers is kept", "\(friend.name): \(summary)")
            }
        }
    }

    private mutating func answering() throws {
        for index in honest.indices {
            let before = honest[index].acks
            try hear(honest[index].ping(membership.identity, UInt32(index)), from: honest[index].endpoint)
            guard honest[index].acks == before + 1 else {
                throw Violation("a ping is answered", "\(honest[index].name) got none; \(summary)")
            }
        }
    }

    private mutating func helping() throws {
        let (asker, target) = (honest[0], honest[1])
        let request = Message.pingRequest(
            SequenceNumber(77), target: target.name, at: target.endpoint, within: .milliseconds(500))
        let before = honest[0].acks
        try hear(Packet(from: asker.name, message: request), from: asker.endpoint)
        guard honest[0].acks == before + 1 else {
            throw Violation("a request to ping is carried out", "\(asker.name) heard nothing; \(summary)")
        }
    }

    private mutating func welcoming() throws {
        let name = try NodeName("newcomer")
        let newcomer = HonestMember(
            name: name, endpoint: try Endpoint(host: "10.77.0.9", port: 7_667), epoch: Self.epoch)
        honest.append(newcomer)
        try input(.merge([newcomer.claim], from: name))
        guard membership.member(name)?.status == .alive else {
            throw Violation("there is room for a newcomer", "\(summary)")
        }
    }

    private var summary: String {
        let members = membership.members
        let counts = Status.allCases.map { status in
            "\(status.rawValue) \(members.count { $0.status == status })"
        }
        return "\(members.count) of \(membership.settings.membersMax): \(counts.joined(separator: ", "))"
    }
}
