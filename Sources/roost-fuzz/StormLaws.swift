import SWIM
import Vocabulary

/// What no packet may bring about in the one who hears it.
struct StormLaws {
    private struct Version: Comparable {
        let epoch: UInt64
        let incarnation: Incarnation

        init(_ claim: Claim) {
            epoch = claim.epoch
            incarnation = claim.incarnation
        }

        static func < (a: Version, b: Version) -> Bool {
            a.epoch != b.epoch ? a.epoch < b.epoch : a.incarnation < b.incarnation
        }
    }

    /// One answer, one word to a stranger, and one to another holder of the own name.
    private static let sendsPerPacketMax = 3
    /// As many as the core relays at once, each with one nack.
    private static let relaysMax = 64
    /// As many as the core has under way at once, each with its helpers.
    private static let probesMax = 16

    private let identity: NodeName
    private let settings: Membership.Settings
    /// A name that comes back after it was forgotten begins where it was; not so when the memory of it is short.
    private let remembersForgotten: Bool
    private var own: Version
    private var known: [NodeName: Version] = [:]

    init(_ membership: Membership, remembersForgotten: Bool) {
        identity = membership.identity
        settings = membership.settings
        self.remembersForgotten = remembersForgotten
        own = Version(membership.oneself.claim)
    }

    mutating func check(
        _ membership: Membership, after input: Membership.Input, _ effects: [Membership.Effect]
    ) throws {
        try checkEffects(after: input, effects)
        let now = Version(membership.oneself.claim)
        guard own <= now, own.epoch == now.epoch else {
            throw Violation("one's own incarnation never falls", "from \(own) to \(now)")
        }
        own = now
        guard remembersForgotten else { return }
        switch input {
        case .packet(let packet, _):
            for claim in packet.claims { try follow(claim.name, membership) }
        case .merge(let claims, _):
            for claim in claims { try follow(claim.name, membership) }
        case .fallback(_, of: let name, _): try follow(name, membership)
        case .tick, .announce, .metadata, .endpoint, .resigned, .agreed, .forget, .expel: break
        }
    }

    private mutating func follow(_ name: NodeName, _ membership: Membership) throws {
        guard let member = membership.member(name) else { return }
        let version = Version(member.claim)
        if let before = known[name], version < before {
            throw Violation("what is known of a member never goes back", "\(name) from \(before) to \(version)")
        }
        known[name] = version
    }

    // MARK: Effects

    private struct Count {
        var sends = 0
        var exchanges = 0
        var fallbacks = 0
        var events = 0
    }

    private func checkEffects(after input: Membership.Input, _ effects: [Membership.Effect]) throws {
        var count = Count()
        for effect in effects {
            switch effect {
            case .send(let packet, _):
                count.sends += 1
                guard packet.from == identity, packet.wireSize <= settings.packetBytesMax else {
                    throw Violation("every packet fits a datagram", "\(packet.wireSize) bytes")
                }
            case .exchange: count.exchanges += 1
            case .fallback: count.fallbacks += 1
            case .event: count.events += 1
            }
        }
        let allowed = bound(for: input)
        guard count.sends <= allowed.sends, count.exchanges <= allowed.exchanges,
            count.fallbacks <= allowed.fallbacks, count.events <= allowed.events
        else {
            throw Violation("one input has bounded effects", "\(count), allowed \(allowed)")
        }
    }

    private func bound(for input: Membership.Input) -> Count {
        switch input {
        case .packet(let packet, _):
            // A suspicion heard of may begin probes, as far as there is room for them; an ack may show a way open again.
            return Count(
                sends: Self.sendsPerPacketMax + Self.probesMax + 1, exchanges: 1, events: 3 * packet.claims.count + 1)
        case .merge(let claims, _), .fallback(_, _, .answered(let claims)):
            return Count(sends: 1 + Self.probesMax, exchanges: 1, events: 3 * claims.count + 2)
        case .fallback: return Count()
        case .tick:
            // Each probe may be begun, repeated with its helpers, and end in a word to the suspect.
            let probes = Self.probesMax * (settings.indirectProbes + 3) + 3
            return Count(
                sends: 2 * Self.relaysMax + probes + settings.gossipFanout, exchanges: 3,
                fallbacks: 2 * Self.probesMax, events: 2 * settings.membersMax)
        // Back from a farewell it takes up the suspicions again, and may look at fellows of the suspects.
        case .announce: return Count(sends: Self.probesMax)
        case .metadata, .endpoint, .resigned, .agreed: return Count()
        case .forget, .expel: return Count(events: 1)
        }
    }

    // MARK: The whole

    /// What takes a look at every member; now and then.
    func sweep(_ membership: Membership) throws {
        let members = membership.members
        guard members.count <= settings.membersMax else {
            throw Violation("the table keeps its bound", "\(members.count) of \(settings.membersMax)")
        }
        guard zip(members, members.dropFirst()).allSatisfy({ $0.name < $1.name }) else {
            throw Violation("a name stands once in the table", "\(members.map(\.name))")
        }
        let present = members.count { !$0.status.isDeparted }
        guard membership.presentCount == present else {
            throw Violation("those present are counted", "\(membership.presentCount), not \(present)")
        }
        guard membership.newsCount <= members.count else {
            throw Violation("a member is one piece of news", "\(membership.newsCount) of \(members.count)")
        }
        for member in members where member.endpoint.port == 0 && member.name != identity {
            throw Violation("nobody is called at port 0", "\(member.claim)")
        }
        for member in members where !member.accusers.isEmpty && !member.status.isAccusation {
            guard member.status == .left else {
                throw Violation("only who is accused has accusers", "\(member.claim): \(member.accusers)")
            }
        }
    }
}
