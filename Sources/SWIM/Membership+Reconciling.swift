import DequeModule
import Vocabulary

// Beyond the news of the day: whole states are compared now and then, the crashed are not given up, and what is long
// gone is forgotten without ever coming back by hearsay.

/// What was known of a name when it was forgotten, and until when that is kept.
struct Forgotten: Sendable {
    let claim: Claim
    let until: Instant
    /// An operator said that it is not coming back: it is not called either.
    let isForGood: Bool

    /// Past it the oldest knowledge is worth less than the memory.
    static let countMax = 20_000
}

extension Membership {
    /// The other side of an exchange, or this node's own list from the disk.
    mutating func merge(_ claims: [Claim], from teller: NodeName, _ turn: inout Turn<some RandomNumberGenerator>) {
        let channel: Channel = table.count == 1 ? .firstExchange : .exchange
        if teller != identity { health.heard(at: turn.now) }
        for claim in claims { hear(claim, from: teller, by: channel, &turn) }
        guard teller != identity, let place = table.place(of: teller) else { return }
        table[place].lastHeard = turn.now
        let own = table[ownPlace].claim
        if claims.contains(where: { $0.name == identity && $0.precedence == own.precedence }) {
            introduced(to: place)
        }
    }

    /// Push and pull with a random present member; each fourth time with a crashed one, whose side of a partition may be
    /// in reach again for TLS if not for datagrams. Who is left alone asks a crashed one each time: one that comes back
    /// with an empty disk has another gossip key, and nothing but an exchange lets the two hear each other again.
    mutating func exchangeInTurn(_ turn: inout Turn<some RandomNumberGenerator>) {
        nextExchange = turn.now + exchangeInterval(at: turn.now) * (isCalm(at: turn.now) ? Self.calmExchangeFactor : 1)
        exchangeCount &+= 1
        let isAlone = presentPeerCount == 0
        if isAlone || exchangeCount % (isCalm(at: turn.now) ? 2 : 4) == 0, let place = crashedForExchange() {
            let claim = table[place].claim
            turn.effects.append(.exchange(with: claim.name, at: claim.endpoint))
            return
        }
        let peer = isNew(at: turn.now) ? heardPeer(&turn) : nil
        guard let place = peer ?? randomPeers(1, besides: nil, &turn, where: { $0.claim.status != .suspect }).first
        else {
            if isAlone { nextExchange = nil }
            return
        }
        let claim = table[place].claim
        turn.effects.append(.exchange(with: claim.name, at: claim.endpoint))
    }

    private func isNew(at now: Instant) -> Bool { now - startedAt < settings.pushPullInterval }

    /// A random present one that this node has heard since it started. Of a list from the disk, or from somebody who has just
    /// started as well, others are elsewhere by now, and each call to an address that is nobody's lasts ten seconds.
    private func heardPeer(_ turn: inout Turn<some RandomNumberGenerator>) -> MemberTable.Place? {
        table.allPlaces.filter { place in
            let member = table[place]
            return place != ownPlace && member.isPresent && member.claim.status != .suspect && member.lastHeard != nil
        }.randomElement(using: &turn.random)
    }

    /// A node that has just started compares soon and more and more seldom: when many start at once, the list that it was
    /// given was short, and news by the thousand gets lost.
    func exchangeInterval(at now: Instant) -> Duration {
        min(settings.pushPullInterval, max(Self.exchangeIntervalFirst, now - startedAt))
    }

    /// What both sides hold alike, nobody has lost on its way: there is no hurry to compare it with a third.
    mutating func agreed(at now: Instant) {
        agreedAt = now
        nextExchange = nextExchange.map { max($0, now + settings.pushPullInterval) }
    }

    private static var exchangeIntervalFirst: Duration { .seconds(4) }

    /// Nothing has changed for so long that everything has been compared with somebody since. Who is left alone has not.
    private func isCalm(at now: Instant) -> Bool {
        now - adoptedAt > settings.pushPullInterval && table.suspectCount == 0
            && (presentPeerCount > 0 || crashedPlaces.isEmpty)
    }

    /// Who missed something is still asked by those who have it, as often as ever.
    private static var calmExchangeFactor: Int { 4 }

    /// Each in turn, by a count of its own: shared with the pings, the two rhythms could favour one for ever.
    private mutating func crashedForExchange() -> MemberTable.Place? {
        let crashed = table.allPlaces.filter { !table[$0].isVacant && table[$0].claim.status == .crashed }
        guard !crashed.isEmpty else { return nil }
        crashedExchangeCount &+= 1
        return crashed[Int(crashedExchangeCount % UInt64(crashed.count))]
    }

    mutating func exchangeOutOfTurn(
        with name: NodeName, at endpoint: Endpoint, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        guard !isLeaving, exchangePace.passes(at: turn.now, every: settings.probeInterval) else { return }
        turn.effects.append(.exchange(with: name, at: endpoint))
    }

    /// A node that has the cluster's key, but whom nobody has told of.
    mutating func meetStranger(
        _ name: NodeName, at source: Endpoint, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        if let mark = forgotten[name], mark.claim.status == .crashed {
            // Forgotten here, yet alive: it must hear what it is accused of to be able to return everywhere. Not at each
            // of its packets: when it has forgotten this node, too, each answer is a stranger's packet there.
            guard forgottenPace.passes(at: turn.now, every: settings.gossipInterval) else { return }
            let claims = [mark.claim, table[ownPlace].claim]
            turn.effects.append(.send(Packet(from: identity, message: .gossip, claims: claims), to: source))
            return
        }
        guard table.count < settings.membersMax else { return }
        exchangeOutOfTurn(with: name, at: source, &turn)
    }

    // MARK: The crashed

    mutating func lineUpForReconnection(
        _ place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        // One that crashed, returned and crashed again may stand here twice; the turn it gets is then a little earlier.
        if crashedPlaces.count > 2 * table.count { crashedPlaces.removeFirst() }
        crashedPlaces.append(place)
        guard !isLeaving else { return }
        let due = nextCall(&turn)
        nextReconnect = nextReconnect.map { min($0, due) } ?? due
        if nextExchange == nil { nextExchange = turn.now + turn.part(of: settings.pushPullInterval) }
    }

    /// The whole cluster calls the crashed as often as some 32 members do, however many they are; and a quarter as often when
    /// nothing has changed for twenty minutes. Around that time, not at it: all of them began with one verdict.
    func nextCall(_ turn: inout Turn<some RandomNumberGenerator>) -> Instant {
        let calm = (turn.now - adoptedAt).saturatingNanoseconds / Self.reconnectBackoff.saturatingNanoseconds
        let pause = settings.reconnectInterval * Int(min(max(calm, 1), 4)) * max(1, table.presentCount / 32)
        return turn.now + pause / 2 + turn.part(of: pause)
    }

    private static var reconnectBackoff: Duration { .seconds(300) }

    private mutating func nextCrashed() -> MemberTable.Place? {
        while let place = crashedPlaces.popFirst() {
            guard !table[place].isVacant, table[place].claim.status == .crashed else { continue }
            crashedPlaces.append(place)
            return place
        }
        return nil
    }

    /// Pings one crashed member. The ping carries the accusation and who asks; if it lives, its answer refutes. Each fourth
    /// time one that was forgotten after `departedKeep` has its turn: the other side of a long cut is called for as long
    /// as its addresses are remembered.
    mutating func reconnectNext(_ turn: inout Turn<some RandomNumberGenerator>) {
        reconnectCount &+= 1
        if reconnectCount % 4 == 0 || crashedPlaces.isEmpty, callForgotten(&turn) {
            nextReconnect = nextCall(&turn)
            return
        }
        guard let place = nextCrashed() else {
            nextReconnect = forgottenToCall.isEmpty ? nil : nextCall(&turn)
            return
        }
        nextReconnect = nextCall(&turn)
        lastSequence = lastSequence.next
        notIntroduced(to: place)
        send(.ping(lastSequence, target: table[place].claim.name), to: table[place].claim.endpoint, of: place, &turn)
    }

    /// One that was forgotten hears what it is accused of, and who asks.
    private mutating func callForgotten(_ turn: inout Turn<some RandomNumberGenerator>) -> Bool {
        while let name = forgottenToCall.popFirst() {
            guard let mark = forgotten[name], !mark.isForGood, mark.claim.status == .crashed, turn.now < mark.until
            else {
                continue
            }
            forgottenToCall.append(name)
            let claims = [mark.claim, table[ownPlace].claim]
            turn.effects.append(
                .send(Packet(from: identity, message: .gossip, claims: claims), to: mark.claim.endpoint))
            // Datagrams may not pass at all, or be sealed with keys that the two no longer share; TLS needs none.
            lastSequence = lastSequence.next
            counters.fallbacks &+= 1
            turn.effects.append(.fallback(lastSequence, with: name, at: mark.claim.endpoint, claims))
            turn.effects.append(.exchange(with: name, at: mark.claim.endpoint))
            return true
        }
        return false
    }

    // MARK: Forgetting

    mutating func forget(_ name: NodeName, _ turn: inout Turn<some RandomNumberGenerator>) {
        guard let place = table.place(of: name), place != ownPlace, table[place].claim.status.isDeparted else { return }
        forget(place, isForGood: true, &turn)
    }

    /// Left, not crashed: nobody waits for its return, and nobody pings it.
    mutating func expel(_ name: NodeName, _ turn: inout Turn<some RandomNumberGenerator>) {
        guard let place = table.place(of: name), place != ownPlace, table[place].claim.status != .left else { return }
        adopt(table[place].claim.accused(.left, by: [identity]), at: place, from: identity, &turn)
    }

    private mutating func forget(
        _ place: MemberTable.Place, isForGood: Bool = false, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let claim = table[place].claim
        news.remove(place)
        table.remove(place)
        if forgotten.count >= Forgotten.countMax {
            // The oldest tenth at once: they are sorted once in two thousand times.
            let oldest = forgotten.sorted { ($0.value.until, $0.key) < ($1.value.until, $1.key) }
            for (name, _) in oldest.prefix(Forgotten.countMax / 10) { forgotten[name] = nil }
        }
        forgotten[claim.name] = Forgotten(
            claim: claim, until: turn.now + settings.forgottenKeep, isForGood: isForGood)
        guard !isForGood, claim.status == .crashed else { return }
        if forgottenToCall.count >= 2 * Forgotten.countMax { forgottenToCall.removeFirst() }
        forgottenToCall.append(claim.name)
        if nextReconnect == nil, !isLeaving { nextReconnect = nextCall(&turn) }
    }

    /// Once a round: those departed for longer than `departedKeep`; and the longest departed if the table is nearly full.
    mutating func forgetLongDeparted(_ turn: inout Turn<some RandomNumberGenerator>) {
        if !forgotten.isEmpty {
            let now = turn.now
            forgotten = forgotten.filter { now < $0.value.until }
        }
        var departed = table.allPlaces.filter { !table[$0].isVacant && table[$0].claim.status.isDeparted }
        guard !departed.isEmpty else { return }
        departed.removeAll { place in
            guard table[place].since + settings.departedKeep <= turn.now, place != ownPlace else { return false }
            forget(place, &turn)
            return true
        }
        let surplus = table.count - settings.membersMax * 9 / 10
        guard surplus > 0 else { return }
        departed.sort { (table[$0].since, $0) < (table[$1].since, $1) }
        for place in departed.prefix(surplus) where place != ownPlace { forget(place, &turn) }
    }
}
