import Gossip
import SWIM
import TLS
import Vocabulary

/// Raw datagrams into the opener: garbage of every length, forged headers, sealed ones cut, changed, foreign, repeated
/// and sealed around nonsense; and honest ones between them, each of which must open, exactly once.
struct OpenerBatch {
    private struct Sent {
        let datagram: [UInt8]
        let packet: Packet
    }

    private static let sessionsMax = 24
    private static let keptMax = 64

    private var dice: Dice
    private let grammar: PacketGrammar
    private let ours: Seal
    private let foreign: Seal
    private var opener: Opener
    private var sessions: [Seal.Session] = []
    /// Some that opened, to be changed or sent again; younger than the oldest session that is remembered.
    private var kept: [Sent] = []
    private var opened = 0
    /// Per cent of honest datagrams that begin a session. At 100 the opener has to forget sessions within one batch.
    private let renewals: Int

    init(dice: Dice) throws {
        self.dice = dice
        grammar = try PacketGrammar(names: 40, &self.dice)
        func key(_ id: UInt32, _ dice: inout Dice) throws -> ClusterKey {
            guard let key = ClusterKey(id: id, createdAt: 1, bytes: dice.bytes(ClusterKey.byteCount)) else {
                throw Violation("a cluster key has 32 bytes", "\(ClusterKey.byteCount)")
            }
            return key
        }
        let own = try key(0x526f_6f73, &self.dice)
        ours = Seal(key: own)
        renewals = self.dice.percent(50) ? 100 : 20
        // The same id under another secret: what a second cluster with bad luck would send.
        foreign = Seal(key: try key(own.id, &self.dice))
        opener = Opener(keyring: Keyring([own]))
    }

    /// - Returns: how many opened.
    mutating func run(_ steps: inout Steps) throws -> Int {
        while steps.next() {
            try step(&steps)
            guard opener.sessionCount <= Opener.sessionsMax else {
                throw Violation("at most \(Opener.sessionsMax) sessions are kept", "\(opener.sessionCount)")
            }
        }
        guard opener.openedCount + opener.rejections.total == UInt64(steps.position + 1) else {
            throw Violation(
                "every datagram is counted", "\(opener.openedCount) opened, \(opener.rejections) of \(steps.position)")
        }
        return opened
    }

    private mutating func step(_ steps: inout Steps) throws {
        switch dice.below(100) {
        case 0..<35: try refuse(dice.bytes(dice.percent(90) ? dice.below(1_500) : dice.below(9_000)), &steps)
        case 35..<45: try refuse(forgedHeader(), &steps)
        case 45..<65 where !kept.isEmpty: try refuse(try changed(), &steps)
        case 65..<75 where !kept.isEmpty: try refuse(dice.pick(kept).datagram, as: .replayed, &steps)
        case 75..<77:
            var session = try foreign.session(&dice)
            try refuse(try foreign.seal(PacketCodec.encode(packet()), in: &session), as: .notAuthentic, &steps)
        case 77..<82: try openNonsense(&steps)
        default: try openHonest(&steps)
        }
    }

    private mutating func packet() -> Packet {
        grammar.packet(from: grammar.name(&dice), to: grammar.name(&dice), &dice)
    }

    /// All right but the tag; the session known or not.
    private mutating func forgedHeader() -> [UInt8] {
        let id = sessions.isEmpty || dice.percent(50) ? dice.bytes(16) : dice.pick(sessions).id
        let counter = dice.percent(50) ? dice.next() : UInt64(dice.below(4_096))
        let keyID = dice.percent(90) ? ours.key.id : UInt32(truncatingIfNeeded: dice.next())
        return Seal.header(keyID: keyID, session: id, counter: counter) + dice.bytes(dice.below(1_400))
    }

    /// One that was sent, and not as it was sent.
    private mutating func changed() throws -> [UInt8] {
        let original = dice.pick(kept).datagram
        var datagram = original
        if dice.percent(40) {
            datagram[dice.below(datagram.count)] ^= 1 << UInt8(dice.below(8))
        } else {
            ByteMutator.mutate(&datagram, besides: dice.pick(kept).datagram, &dice)
        }
        // Changes that undo one another, or a splice of a whole: then it is a replay, which is refused just so.
        return datagram
    }

    private mutating func session() throws -> Int {
        if sessions.count < Self.sessionsMax {
            sessions.append(try ours.session(&dice))
            return sessions.count - 1
        }
        let index = dice.below(sessions.count)
        if dice.percent(renewals) { sessions[index] = try ours.session(&dice) }
        return index
    }

    private mutating func openHonest(_ steps: inout Steps) throws {
        let packet = packet()
        let index = try session()
        let datagram = try ours.seal(PacketCodec.encode(packet), in: &sessions[index])
        steps.input = datagram
        switch open(datagram) {
        case .success(packet): break
        case .success(let other): throw Violation("what opens is what was sealed", "\(other), not \(packet)")
        case .failure(let error): throw Violation("an honest datagram opens", "\(error): \(packet)")
        }
        opened += 1
        let sent = Sent(datagram: datagram, packet: packet)
        if kept.count < Self.keptMax { kept.append(sent) } else { kept[dice.below(kept.count)] = sent }
    }

    /// Authentic, and no packet: a member with a defect, or an enemy with the key.
    private mutating func openNonsense(_ steps: inout Steps) throws {
        var plaintext = dice.percent(50) ? dice.bytes(4 + dice.below(600)) : PacketCodec.encode(packet())
        ByteMutator.mutate(&plaintext, besides: [], &dice)
        let index = try session()
        let datagram = try ours.seal(plaintext, in: &sessions[index])
        steps.input = datagram
        switch open(datagram) {
        case .success(let packet):
            guard PacketCodec.encode(packet) == plaintext else {
                throw Violation("what decodes is what encode writes", "\(packet)")
            }
            opened += 1
        case .failure(.malformed), .failure(.tooShort), .failure(.tooLong): break
        case .failure(let error): throw Violation("authentic nonsense is refused as such", "\(error)")
        }
    }

    private mutating func open(_ datagram: [UInt8]) -> Result<Packet, GossipError> {
        do throws(GossipError) { return .success(try opener.open(datagram)) } catch { return .failure(error) }
    }

    private mutating func refuse(
        _ datagram: [UInt8], as reason: GossipError? = nil, _ steps: inout Steps
    ) throws {
        steps.input = datagram
        let before = opener.sessionCount
        switch open(datagram) {
        case .success(let packet): throw Violation("nothing opens that no member sealed", "\(packet)")
        case .failure(let error):
            if let reason, error != reason { throw Violation("it is refused as \(reason)", "\(error)") }
            if case .cryptography = error { throw Violation("OpenSSL judges, and does not fail", "\(error)") }
        }
        guard opener.sessionCount == before else {
            throw Violation("nothing is kept of what is refused", "\(opener.sessionCount - before) more sessions")
        }
    }
}
