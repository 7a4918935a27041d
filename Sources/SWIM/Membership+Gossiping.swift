import Vocabulary

// How news travels: on every datagram that is sent anyway, and, while there is any, in rounds of its own.

extension Membership {
    /// A datagram came in.
    mutating func receive(
        _ packet: Packet, from source: Endpoint, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        guard packet.from != identity else { return receiveUnderOwnName(packet, &turn) }
        health.heard(at: turn.now)
        acknowledgeAcquaintance(packet)
        for claim in packet.claims { hear(claim, from: packet.from, by: .packet, &turn) }
        if let sender = table.place(of: packet.from) {
            table[sender].lastHeard = turn.now
        } else {
            meetStranger(packet.from, at: source, &turn)
        }
        switch packet.message {
        case .ping(let sequence, let target):
            // Meant for another, who had this address before: silence is the truth about that one.
            guard target == identity else { return }
            reply(.ack(sequence), to: packet.from, at: source, &turn)
        case .pingRequest(let sequence, let target, let endpoint, let within):
            receivePingRequest(
                sequence, target: target, at: endpoint, within: within, from: packet.from, source: source, &turn)
        case .ack(let sequence): receiveAck(sequence, from: packet.from, coordinate: packet.coordinate, &turn)
        case .nack(let sequence): receiveNack(sequence, from: packet.from)
        case .gossip: break
        }
    }

    /// Who asks this node by name knows it; whether it knows the latest, its claims will show.
    private mutating func acknowledgeAcquaintance(_ packet: Packet) {
        guard case .ping(_, let target) = packet.message, target == identity,
            let place = table.place(of: packet.from)
        else { return }
        introduced(to: place)
    }

    mutating func introduced(to place: MemberTable.Place) {
        table[place].acquaintance = .introduced
    }

    mutating func notIntroduced(to place: MemberTable.Place) {
        table[place].acquaintance = .lacking
    }

    /// Answers where the question came from, whoever asked.
    mutating func reply(
        _ message: Message, to name: NodeName, at endpoint: Endpoint,
        _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        send(message, to: endpoint, of: table.place(of: name), &turn)
    }

    /// Packs one datagram: first what concerns the receiver itself (an accusation that it should refute), then who this
    /// node is if the receiver may not know, then the news, while it fits.
    mutating func send(
        _ message: Message, to endpoint: Endpoint, of place: MemberTable.Place?,
        _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        var claims: [Claim] = []
        var room = settings.packetBytesMax - Packet.headerSize(from: identity, message: message)
        func include(_ claim: Claim) {
            guard claim.wireSize <= room else { return }
            claims.append(claim)
            room -= claim.wireSize
        }
        var includesOneself = false
        if let place {
            let record = table[place]
            includesOneself = needsIntroduction(record, at: turn.now)
            // With the longest of names and all accusers it may be too long to go with this node's own; one of them will do.
            let own = includesOneself ? table[ownPlace].claim.wireSize : 0
            var known = record.claim
            if known.wireSize + own > room { known = known.accused(known.status, by: Array(known.accusers.prefix(1))) }
            if record.claim.status == .crashed || record.claim.status == .suspect && settings.tellsSuspectFirst {
                include(known)
            }
        }
        if includesOneself || isLeaving { include(table[ownPlace].claim) }
        news.fill(
            &claims, room: room, limit: transmissionLimit, from: table, excluding: place,
            includesOneself || isLeaving ? ownPlace : nil)
        // A gossip packet without claims says nothing.
        if case .gossip = message, claims.isEmpty { return }
        turn.effects.append(
            .send(
                Packet(from: identity, message: message, claims: claims, coordinate: position.coordinate), to: endpoint)
        )
    }

    /// A member that does not know this node's latest word, as far as can be told. After a minute the news has gone round,
    /// or when another was found to hold what this node holds: whoever missed it shows that by what it says.
    func needsIntroduction(_ record: MemberRecord, at now: Instant) -> Bool {
        switch record.acquaintance {
        case .unknown: now - restatedAt < Self.introductionTime && agreedAt.map { $0 < restatedAt } ?? true
        case .introduced: false
        case .lacking: true
        }
    }

    private static var introductionTime: Duration { .seconds(60) }

    /// λ · ⌈log10(n + 1)⌉ (SWIM §4.1, memberlist's base).
    public var transmissionLimit: Int { settings.retransmitMultiplier * Logarithm.digits(table.presentCount) }

    /// There is something to tell, and somebody to tell it to.
    var hasGossipDuty: Bool {
        if isLeaving { return farewellWavesLeft > 0 }
        return !news.isEmpty && presentPeerCount > 0
    }

    /// One round of news of its own, or one wave of the farewell.
    mutating func gossip(_ turn: inout Turn<some RandomNumberGenerator>) {
        nextGossip = turn.now + settings.gossipInterval
        for place in randomPeers(settings.gossipFanout, besides: nil, &turn) {
            send(.gossip, to: table[place].claim.endpoint, of: place, &turn)
        }
        if farewellWavesLeft > 0 { farewellWavesLeft -= 1 }
    }
}
