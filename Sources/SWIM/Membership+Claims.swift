import Vocabulary

// What a claim changes: every way in (datagram, exchange, disk, own finding) ends in `adopt`, the one place where the
// view changes, where an event is made, and where news begins its way.

extension Membership {
    /// By which way a claim came.
    enum Channel {
        case packet
        case exchange
        /// The list that a node begins with, when it knows nobody: what it says is no news to those who gave it.
        case firstExchange
    }

    mutating func hear(
        _ claim: Claim, from teller: NodeName, by channel: Channel, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        // Nobody can be called there; whoever says so of itself can only be misled, or mislead.
        guard claim.endpoint.port != 0 else { return }
        guard claim.name != identity else { return hearOfOneself(claim, from: teller, &turn) }
        guard let place = table.place(of: claim.name) else {
            let isNews = channel != .firstExchange || claim.name == teller
            return admit(claim, from: teller, isNews: isNews, &turn)
        }
        let known = table[place].claim
        var claim = claim
        if claim.status == .crashed, !known.status.isDeparted, channel != .packet || !isTried(place, at: turn.now) {
            // A verdict without a trial here: the suspicion that must come before it reached this node just now or
            // never, or not in this side of a partition that has just healed. The member is asked to refute before this
            // node believes it gone, so that neither a returning side nor one cut-off member evicts those whom all
            // others hear.
            claim = claim.accused(.suspect, by: claim.accuser ?? teller)
        }
        guard claim.supersedes(known) else {
            if claim.precedence == known.precedence { confirmSuspicion(at: place, by: claim.accuser) }
            return
        }
        adopt(claim, at: place, from: teller, &turn)
    }

    /// First sight of a name.
    private mutating func admit(
        _ claim: Claim, from teller: NodeName, isNews: Bool, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        if let mark = forgotten[claim.name] {
            guard mark.claim.precedence < claim.precedence, !claim.status.isDeparted || mark.claim.epoch < claim.epoch
            else { return }
            forgotten[claim.name] = nil
        }
        guard table.count < settings.membersMax else {
            newcomersRefused &+= 1
            return
        }
        let place = table.insert(claim, at: turn.now)
        if isNews { news.add(place) }
        switch claim.status {
        case .crashed: lineUpForReconnection(place, &turn)
        case .left: break
        case .alive, .restarting, .draining: welcome(place, &turn)
        case .suspect:
            welcome(place, &turn)
            beginSuspicion(at: place, &turn)
        }
        // Nobody joins who is gone; nobody is suspected before it has joined.
        switch claim.status {
        case .crashed, .left: break
        case .alive, .restarting, .draining: tell(.joined, claim, previous: nil, heardFrom: teller, &turn)
        case .suspect:
            tell(.joined, claim, previous: nil, heardFrom: teller, &turn)
            tell(.suspected, claim, previous: nil, heardFrom: teller, &turn)
        }
    }

    /// Replaces what is known of a member by a claim that supersedes it.
    mutating func adopt(
        _ claim: Claim, at place: MemberTable.Place, from teller: NodeName,
        _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let known = table[place].claim
        table.setClaim(claim, at: place, now: turn.now)
        news.add(place)
        if claim.epoch != known.epoch {
            // A new life knows nothing of what the old one knew.
            table[place].isIntroduced = false
            table[place].rtt = nil
        }
        if claim.status == .suspect { beginSuspicion(at: place, &turn) } else { endSuspicion(at: place) }
        if claim.status == .crashed { lineUpForReconnection(place, &turn) }
        if known.status.isDeparted, !claim.status.isDeparted { welcome(place, &turn) }
        if !known.status.isDeparted, claim.status.isDeparted { sayGoodbye(to: claim.name) }
        if let kind = Self.event(from: known, to: claim) {
            tell(kind, claim, previous: known.status, heardFrom: teller, &turn)
        }
        if known.status == .crashed, !claim.status.isDeparted {
            // It was away, perhaps with its whole side of a partition: compare everything, not only this.
            exchangeOutOfTurn(with: claim.name, at: claim.endpoint, &turn)
        }
    }

    /// What a change means to those who watch; `nil`: nothing that they could see.
    static func event(from known: Claim, to claim: Claim) -> MemberEvent.Kind? {
        let isNewLife = claim.epoch > known.epoch
        switch claim.status {
        case .crashed: return .crashed
        case .left: return known.status == .left && !isNewLife ? nil : .left
        case .suspect:
            if known.status.isDeparted { return .returned }
            return known.status == .suspect && !isNewLife ? nil : .suspected
        case .alive, .draining, .restarting:
            if known.status.isDeparted || isNewLife { return .returned }
            if known.status == .suspect, known.intent == claim.intent { return .refuted }
            if known.intent != claim.intent || !known.describesSame(as: claim) { return .updated }
            return nil
        }
    }

    func tell(
        _ kind: MemberEvent.Kind, _ claim: Claim, previous: Status?, heardFrom: NodeName,
        by speaker: NodeName? = nil, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        turn.effects.append(
            .event(
                MemberEvent(
                    kind: kind, claim: claim, previous: previous, by: speaker ?? claim.accuser ?? claim.name,
                    heardFrom: heardFrom, at: turn.now)))
    }

    /// Members that are present besides this one.
    var presentPeerCount: Int { table.presentCount - (table[ownPlace].isPresent ? 1 : 0) }

    /// A present member gets its turn in the round: at a random place among those still to come (SWIM §4.3), so that
    /// newcomers wait as long as others do, and no two members probe in the same order.
    private mutating func welcome(_ place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        if !table[place].isInRound {
            table[place].isInRound = true
            round.append(place)
            let other = Int.random(in: min(roundPosition, round.count - 1)..<round.count, using: &turn.random)
            round.swapAt(other, round.count - 1)
        }
        guard !isLeaving else { return }
        if nextProbe == nil { nextProbe = turn.now + turn.part(of: settings.probeInterval) }
        if nextExchange == nil { nextExchange = turn.now + turn.part(of: settings.pushPullInterval) }
    }

    /// What was under way with one that is gone is of no use any more.
    private mutating func sayGoodbye(to name: NodeName) {
        probes.removeAll { $0.target == name }
    }
}
