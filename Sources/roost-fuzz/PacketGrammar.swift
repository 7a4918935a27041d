import SWIM
import Vocabulary

/// Makes packets that the codec can write: of a small world of names, addresses and numbers, so that they speak of one
/// another, and with the extremes of every field among them.
struct PacketGrammar {
    /// How far from sense the numbers are.
    struct Temper {
        /// Per cent of epochs and incarnations at the ends of their range.
        var extremes = 10
        /// Per cent of claims that are verdicts rather than a member's own word.
        var accusations = 40
        /// Per cent of packets with as many claims as fit.
        var full = 5
    }

    let names: [NodeName]
    private let endpoints: [Endpoint]
    private let metadata: [Metadata]
    var temper = Temper()
    /// Epochs that members live in now: around them is where claims compete.
    var epoch: UInt64 = 1_000

    /// - Parameter count: of names; a greater one makes more strangers.
    init(names count: Int, _ dice: inout Dice) throws {
        var names = [
            try NodeName("a"), try NodeName(String(repeating: "z", count: 63)), try NodeName("0"),
            try NodeName("x-" + String(repeating: "9", count: 61)),
        ]
        for number in names.count..<max(count, names.count + 1) { names.append(try NodeName("ghost-\(number)")) }
        self.names = names
        var endpoints = [
            try Endpoint(host: "127.0.0.1", port: 0), try Endpoint(host: "0.0.0.0", port: 1),
            try Endpoint(host: "255.255.255.255", port: 65_535), try Endpoint(host: "fe80::1%eth0", port: 7_667),
            try Endpoint(host: String(repeating: "h", count: 253), port: 7_667), try Endpoint(host: ":", port: 53),
        ]
        for number in 0..<32 {
            endpoints.append(try Endpoint(host: "10.66.\(number).\(dice.below(256))", port: 7_667))
        }
        self.endpoints = endpoints
        metadata = [
            .standard, try Metadata(zone: "z", weight: 0), try Metadata(weight: .max, version: "0.1.0"),
            try Metadata(
                zone: String(repeating: "é", count: 31), weight: 100, version: String(repeating: "v", count: 32)),
            try Metadata(weight: 100, version: "0.1.0", tags: TagsDigest(bytes: dice.bytes(TagsDigest.byteCount))),
            try Metadata(
                zone: String(repeating: "z", count: 63), version: String(repeating: "v", count: 32),
                tags: TagsDigest(bytes: [UInt8](repeating: 0xff, count: TagsDigest.byteCount))),
        ]
    }

    func name(_ dice: inout Dice) -> NodeName { dice.pick(names) }
    func endpoint(_ dice: inout Dice) -> Endpoint { dice.pick(endpoints) }

    func claim(of name: NodeName, _ dice: inout Dice) -> Claim {
        Claim(
            name: name, endpoint: endpoint(&dice), epoch: epoch(&dice), incarnation: incarnation(&dice),
            status: status(&dice), intent: dice.pick([.serving, .serving, .draining, .restarting]),
            metadata: dice.percent(60) ? .standard : dice.pick(metadata),
            accusers: dice.percent(50) ? [self.name(&dice)] : [])
    }

    private func epoch(_ dice: inout Dice) -> UInt64 {
        if dice.percent(temper.extremes) { return dice.pick([0, 1, .max, .max - 1, 1 << 63, dice.next()]) }
        return dice.percent(90) ? epoch : epoch &+ UInt64(dice.below(3))
    }

    private func incarnation(_ dice: inout Dice) -> Incarnation {
        if dice.percent(temper.extremes) {
            return Incarnation(dice.pick([0, .max, .max - 1, 1 << 31, UInt32(truncatingIfNeeded: dice.next())]))
        }
        return Incarnation(UInt32(dice.below(1 << dice.below(16))))
    }

    private func status(_ dice: inout Dice) -> Status {
        if dice.percent(temper.accusations) { return dice.pick([.suspect, .suspect, .crashed, .left]) }
        return dice.pick([.alive, .alive, .alive, .draining, .restarting])
    }

    func message(to target: NodeName, _ dice: inout Dice) -> Message {
        let sequence = SequenceNumber(
            dice.percent(20) ? dice.pick([0, .max, 1]) : UInt32(truncatingIfNeeded: dice.next()))
        switch dice.below(8) {
        case 0, 1: return .ping(sequence, target: dice.percent(80) ? target : name(&dice))
        case 2, 3:
            return .pingRequest(
                sequence, target: dice.percent(90) ? name(&dice) : target, at: endpoint(&dice),
                within: .milliseconds(dice.percent(40) ? dice.pick([0, 1, 65_535]) : dice.below(2_000)))
        case 4: return .ack(sequence)
        case 5: return .nack(sequence)
        default: return .gossip
        }
    }

    /// A packet that fits a datagram.
    func packet(from: NodeName, to target: NodeName, about others: [NodeName] = [], _ dice: inout Dice) -> Packet {
        let message = message(to: target, &dice)
        let wanted = dice.percent(temper.full) ? Packet.claimsMax : [0, 0, 1, 1, 2, 3, 5][dice.below(7)]
        var claims: [Claim] = []
        var room = Packet.wireSizeMax - Packet.headerSize(from: from, message: message)
        while claims.count < wanted {
            let subject = !others.isEmpty && dice.percent(10) ? dice.pick(others) : name(&dice)
            let claim = claim(of: subject, &dice)
            room -= claim.wireSize
            guard room >= 0 else { break }
            claims.append(claim)
        }
        return Packet(from: from, message: message, claims: claims)
    }
}
