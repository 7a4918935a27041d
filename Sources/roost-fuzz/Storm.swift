import Gossip
import SWIM
import Vocabulary

/// Packets of enemies who hold the cluster's key, into one live membership: claims about everybody with any number,
/// floods of strangers, answers to what was never asked, requests to ping anything; with a clock that stands still, moves
/// or jumps, and three honest members who answer as members do. The laws are checked at every datagram, and when the
/// storm is over the member must still do its work (`Storm+Calm`).
struct Storm {
    static let epoch: UInt64 = 1_000
    private static let ticksAtOnceMax = 8

    var membership: Membership
    var dice: Dice
    var clock: Instant
    var honest: [HonestMember]
    var laws: StormLaws
    var effects: [Membership.Effect] = []
    let own: Endpoint

    private let grammar: PacketGrammar
    private let mood: Mood
    private let announced: [Membership.Announcement] = [.serving, .draining, .restarting, .leaving, .serving]
    /// Questions of this member that an enemy may answer.
    private var asked: [SequenceNumber] = []
    /// And those over TLS, by the sequence of which some member may answer.
    private var askedOverTLS: [(sequence: SequenceNumber, of: NodeName)] = []
    /// The last inputs, for the report of a failure.
    private(set) var story: [String] = []
    let tellsStory: Bool

    /// What kind of storm: a few numbers that make each batch another one.
    struct Mood {
        /// Names of enemies; more than the table takes in half of the storms.
        let ghosts: Int
        let membersMax: Int
        /// The time between two datagrams: usually none or little.
        let gap: Duration
        let departedKeep: Duration
    }

    init(dice: Dice, tellsStory: Bool) throws {
        var dice = dice
        let membersMax = [8, 40, 200, 600][dice.below(4)]
        mood = Mood(
            ghosts: dice.percent(50) ? membersMax / 2 : membersMax * 3, membersMax: membersMax,
            gap: [.zero, .microseconds(20), .milliseconds(1), .milliseconds(40)][dice.below(4)],
            departedKeep: dice.percent(80) ? .seconds(7 * 24 * 3_600) : .seconds(5))
        var grammar = try PacketGrammar(names: mood.ghosts, &dice)
        grammar.temper.extremes = [0, 2, 25][dice.below(3)]
        grammar.temper.accusations = [10, 40, 80][dice.below(3)]
        grammar.temper.full = dice.percent(20) ? 40 : 3
        grammar.epoch = Self.epoch
        self.grammar = grammar
        var settings = Membership.Settings()
        settings.membersMax = mood.membersMax
        settings.departedKeep = mood.departedKeep
        clock = Instant(nanoseconds: Int64(dice.below(1 << 30)) << 20)
        own = try Endpoint(host: "10.77.0.1", port: 7_667)
        membership = Membership(
            identity: try NodeName("self"), epoch: Self.epoch, endpoint: own, metadata: .standard, settings: settings,
            at: clock)
        honest = try (2...4).map { number in
            HonestMember(
                name: try NodeName("honest-\(number)"),
                endpoint: try Endpoint(host: "10.77.0.\(number)", port: 7_667), epoch: Self.epoch)
        }
        laws = StormLaws(membership, remembersForgotten: mood.departedKeep > .seconds(3_600))
        self.dice = dice
        self.tellsStory = tellsStory
        for friend in honest { try input(.merge([friend.claim], from: friend.name)) }
    }

    /// - Returns: how many packets were heard, which is all of them.
    mutating func run(_ steps: inout Steps) throws -> Int {
        var heard = 0
        while steps.next() {
            do {
                try advance()
                try step()
            } catch let violation as Violation {
                throw Violation(violation.law, ([violation.found] + story.suffix(40)).joined(separator: "\n"))
            }
            heard += 1
            if steps.position % 1_024 == 0 { try laws.sweep(membership) }
        }
        return heard
    }

    // MARK: One datagram

    private mutating func step() throws {
        switch dice.below(200) {
        case 0: try command()
        case 1: try merge()
        case 2..<9: try reflect()
        case 9: try answerOverTLS()
        case 10..<20: try slander()
        case 20..<22: try honestProbe()
        default:
            let sender = dice.percent(97) ? grammar.name(&dice) : membership.identity
            let packet = hostile(from: sender)
            try hear(packet, from: dice.percent(50) ? grammar.endpoint(&dice) : own)
        }
    }

    private mutating func hostile(from sender: NodeName) -> Packet {
        var packet = grammar.packet(from: sender, to: membership.identity, about: [membership.identity], &dice)
        if !asked.isEmpty, dice.percent(20) {
            // The right number, from whomever: an answer that was asked for, but not of this one.
            let sequence = dice.pick(asked)
            packet = Packet(
                from: sender, message: dice.percent(70) ? .ack(sequence) : .nack(sequence), claims: packet.claims)
        }
        guard dice.percent(5) else { return packet }
        // Through the codec, with a scratch on it.
        var bytes = PacketCodec.encode(packet)
        ByteMutator.mutate(&bytes, besides: [], &dice)
        return (try? PacketCodec.decode(bytes[...])) ?? packet
    }

    /// Lies about the honest, as far as they can be refuted: nothing helps against a life or an incarnation beyond the
    /// last number, which is why claims are to be signed.
    private mutating func slander() throws {
        let victim = honest[dice.below(honest.count)]
        let claim = Claim(
            name: victim.name, endpoint: victim.endpoint, epoch: victim.claim.epoch,
            incarnation: Incarnation(victim.claim.incarnation.number &+ UInt32(dice.below(3))),
            status: dice.percent(70) ? .suspect : .crashed, metadata: .standard, accusers: [grammar.name(&dice)])
        try hear(
            Packet(from: grammar.name(&dice), message: .gossip, claims: [claim]), from: grammar.endpoint(&dice))
    }

    /// What this member itself said, back to it.
    private mutating func reflect() throws {
        let claims = dice.percent(95) ? [membership.oneself.claim] : Array(membership.claims.prefix(8))
        let sender = dice.percent(30) ? membership.identity : grammar.name(&dice)
        try hear(
            Packet(from: sender, message: grammar.message(to: membership.identity, &dice), claims: claims), from: own)
    }

    private mutating func merge() throws {
        let subjects = (0..<dice.below(60)).map { _ in
            dice.percent(5) ? membership.identity : grammar.name(&dice)
        }
        try input(.merge(subjects.map { grammar.claim(of: $0, &dice) }, from: grammar.name(&dice)))
    }

    /// The member that was asked is an enemy itself: it has a certificate, and says what it likes; or another answers.
    private mutating func answerOverTLS() throws {
        guard !askedOverTLS.isEmpty else { return }
        let (sequence, member) = dice.pick(askedOverTLS)
        let name = dice.percent(90) ? member : grammar.name(&dice)
        // Nobody but the honest has their certificates.
        guard !honest.contains(where: { $0.name == name }) else { return }
        switch dice.below(8) {
        case 0: try input(.fallback(sequence, of: name, .refused))
        case 1: try input(.fallback(sequence, of: name, .stalled))
        case 2: try input(.fallback(sequence, of: name, .silent))
        default:
            let subjects = [name] + (0..<dice.below(4)).map { _ in grammar.name(&dice) }
            try input(.fallback(sequence, of: name, .answered(subjects.map { grammar.claim(of: $0, &dice) })))
        }
    }

    /// What the operator and the agent say meanwhile.
    private mutating func command() throws {
        switch dice.below(7) {
        case 0: try input(.announce(dice.pick(announced)))
        case 1: try input(.metadata(try Metadata(zone: dice.percent(50) ? "z" : nil, weight: UInt32(dice.below(9)))))
        case 2: try input(.endpoint(try Endpoint(host: "10.77.0.1", port: UInt16(7_000 + dice.below(9)))))
        case 3: try input(.forget(grammar.name(&dice)))
        case 4: try input(.expel(grammar.name(&dice)))
        case 5: try input(.resigned)
        default: try input(.announce(.serving))
        }
    }

    // MARK: Driving

    /// Time passes, and what was due meanwhile is done: as the agent's driver does it.
    private mutating func advance() throws {
        var gap = mood.gap
        let draw = dice.below(10_000)
        if draw < 20 { gap = .milliseconds(dice.below(3_000)) }
        if draw == 0 { gap = .seconds(dice.below(120)) }
        try pass(gap)
    }

    mutating func pass(_ gap: Duration) throws {
        let until = clock + gap
        var idle = 0
        while let due = membership.deadline, due <= until {
            idle = due > clock ? 0 : idle + 1
            // An honest answer may bring news that is to be told at once; but the clockwork must not spin.
            guard idle <= Self.ticksAtOnceMax else {
                throw Violation("a tick does all that is due", "\(due) is due still at \(clock)")
            }
            clock = max(clock, due)
            try input(.tick)
        }
        clock = until
    }

    mutating func hear(_ packet: Packet, from source: Endpoint) throws {
        try input(.packet(packet, from: source))
    }

    mutating func input(_ input: Membership.Input) throws {
        if tellsStory {
            story.append("\(clock) \(input)")
            if story.count > 200 { story.removeFirst(100) }
        }
        effects.removeAll(keepingCapacity: true)
        membership.handle(input, at: clock, using: &dice, into: &effects)
        try laws.check(membership, after: input, effects)
        try answer()
    }

    /// The honest answer at once; what they say in turn is an input of its own.
    private mutating func answer() throws {
        var answers: [(Packet, Endpoint)] = []
        for case .send(let packet, let endpoint) in effects {
            if case .ping(let sequence, _) = packet.message {
                if asked.count < 16 { asked.append(sequence) } else { asked[dice.below(16)] = sequence }
            }
            for index in honest.indices where honest[index].endpoint == endpoint {
                if let answer = honest[index].hear(packet) { answers.append((answer, endpoint)) }
            }
        }
        let exchanges = effects.compactMap { effect in
            if case .exchange(let name, let endpoint) = effect { (name, endpoint) } else { nil }
        }
        var fallbacks: [(SequenceNumber, NodeName, Endpoint, [Claim])] = []
        for case .fallback(let sequence, let name, let endpoint, let claims) in effects {
            if askedOverTLS.count >= 16 { askedOverTLS.removeFirst() }
            askedOverTLS.append((sequence, name))
            fallbacks.append((sequence, name, endpoint, claims))
        }
        for (packet, endpoint) in answers { try hear(packet, from: endpoint) }
        for (name, endpoint) in exchanges {
            guard let index = honest.firstIndex(where: { $0.name == name && $0.endpoint == endpoint }) else { continue }
            try input(.merge(honest[index].exchange(membership.claims), from: name))
        }
        for (sequence, name, endpoint, claims) in fallbacks {
            guard let index = honest.firstIndex(where: { $0.name == name && $0.endpoint == endpoint }) else { continue }
            try input(.fallback(sequence, of: name, .answered(honest[index].exchange(claims))))
        }
    }

    /// The next of the honest has its round, in which it asks this member.
    mutating func honestProbe() throws {
        let friend = honest[dice.below(honest.count)]
        try hear(friend.ping(membership.identity, UInt32(truncatingIfNeeded: dice.next())), from: friend.endpoint)
    }
}
