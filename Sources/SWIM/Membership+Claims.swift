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
        guard claim.name != identity else { return hearOfOneself(claim, from: teller, by: channel, &turn) }
        guard let place = table.place(of: claim.name) else {
            let isNews = channel != .firstExchange || claim.name == teller
            return admit(claim, from: teller, isNews: isNews, &turn)
        }
        let known = table[place].claim
        let isOwnWord = channel != .packet && claim.name == teller && known.status.isAccusation
        guard isOwnWord || isPlausible(claim, after: known) else {
            counters.jumpsRefused &+= 1
            return
        }
        if settings.isCautious, claim.status.isAccusation, claim.epoch == known.epoch, isDeparted(teller) {
            // One that the others have given up, and who may hear nobody, accuses all of them.
            counters.accusationsIgnored &+= 1
            return
        }
        var claim = claim
        if claim.status == .crashed, !known.status.isDeparted,
            channel != .packet || settings.isCautious && !isTried(place, at: turn.now)
        {
            // A verdict without a trial here: the suspicion that must come before it reached this node just now or
            // never, or not in this side of a partition that has just healed. The member is asked to refute before this
            // node believes it gone, so that neither a returning side nor one cut-off member evicts those whom all
            // others hear.
            claim = claim.accused(.suspect, by: claim.accusers.isEmpty ? [teller] : claim.accusers)
        }
        guard claim.supersedes(known) else {
            if claim.status.isAccusation, known.supersedes(claim) { correct(teller, about: place, by: channel, &turn) }
            if claim.precedence == known.precedence { addAccusers(claim.accusers, at: place, &turn) }
            return
        }
        adopt(claim, at: place, from: teller, &turn)
        if claim.status == .suspect {
            counters.suspicionsHeard &+= 1
            considerConfirming(place, &turn)
        }
    }

    /// Who still tells what was refuted has missed the refutation, and would judge by it.
    private mutating func correct(
        _ teller: NodeName, about place: MemberTable.Place, by channel: Channel,
        _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        guard channel == .packet, settings.isCautious, let listener = table.place(of: teller),
            table[listener].isPresent, correctionPace.passes(at: turn.now, every: settings.gossipInterval / 10)
        else { return }
        let claims = [table[place].claim]
        let packet = Packet(from: identity, message: .gossip, claims: claims)
        turn.effects.append(.send(packet, to: table[listener].claim.endpoint))
    }

    /// No member can have raised its incarnation so far since this node heard of it last: one that jumps is made up, and
    /// would leave the true one no way to answer. Each accusation and change raises it by one; a day of flapping takes
    /// some 20,000.
    public static var incarnationJumpMax: UInt32 { 65_536 }

    func isPlausible(_ claim: Claim, after known: Claim) -> Bool {
        claim.epoch != known.epoch || claim.incarnation.number <= known.incarnation.number
            || claim.incarnation.number - known.incarnation.number <= Self.incarnationJumpMax
    }

    private func isDeparted(_ teller: NodeName) -> Bool {
        table.place(of: teller).map { table[$0].claim.status.isDeparted } ?? false
    }

    /// First sight of a name.
    private mutating func admit(
        _ claim: Claim, from teller: NodeName, isNews: Bool, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        if let mark = forgotten[claim.name] {
            guard mark.claim.precedence < claim.precedence, !claim.status.isDeparted || mark.claim.epoch < claim.epoch
            else { return }
        }
        // Whoever is refused stays forgotten: else an older word would find neither the member nor the memory of it.
        guard table.count < settings.membersMax else {
            counters.newcomersRefused &+= 1
            return
        }
        forgotten[claim.name] = nil
        heardNews(at: turn.now, &turn)
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
        case .alive, .restarting, .draining:
            tell(.joined, claim, previous: nil, heardFrom: teller, &turn)
            noteLife(of: claim, heardFrom: teller, &turn)
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
        heardNews(at: turn.now, &turn)
        explain(claim, after: known, at: place, from: teller, &turn)
        table.setClaim(claim, at: place, now: turn.now)
        news.add(place)
        if claim.epoch != known.epoch {
            // A new life knows nothing of what the old one knew.
            notIntroduced(to: place)
        }
        if claim.epoch != known.epoch || claim.endpoint != known.endpoint {
            table[place].roundTrip = nil
            table[place].coordinate = nil
        }
        if claim.status == .suspect { beginSuspicion(at: place, &turn) } else { endSuspicion(at: place) }
        if claim.status == .crashed { lineUpForReconnection(place, &turn) }
        if known.status.isDeparted, !claim.status.isDeparted { welcome(place, &turn) }
        if !known.status.isDeparted, claim.status.isDeparted { sayGoodbye(to: claim.name) }
        if let kind = Self.event(from: known, to: claim) {
            let isPartOfZone = kind == .crashed && noteCrash(in: claim, heardFrom: teller, &turn)
            tell(kind, claim, previous: known.status, heardFrom: teller, isPartOfZone: isPartOfZone, &turn)
        }
        noteLife(of: claim, heardFrom: teller, &turn)
        if known.status == .crashed, !claim.status.isDeparted, teller == claim.name {
            if settings.isCautious { tellOfVerdict(known, at: claim.endpoint, &turn) }
            // It was away, perhaps with its whole side of a partition: compare everything, not only this. Who has it by
            // hearsay leaves that to those who spoke with it, or a thousand would call one that has just come back.
            exchangeOutOfTurn(with: claim.name, at: claim.endpoint, &turn)
        }
    }

    /// One that refuted before the verdict fell does not know that nobody heard it, and would be in and out for ever.
    private mutating func tellOfVerdict(
        _ verdict: Claim, at endpoint: Endpoint, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let packet = Packet(from: identity, message: .gossip, claims: [verdict])
        turn.effects.append(.send(packet, to: endpoint))
    }

    /// Somebody may have missed it: the exchanges come at their full pace again.
    private mutating func heardNews(at now: Instant, _ turn: inout Turn<some RandomNumberGenerator>) {
        adoptedAt = now
        if let due = nextExchange, due - now > settings.pushPullInterval {
            nextExchange = now + turn.part(of: settings.pushPullInterval)
        }
    }

    /// What a change means to those who watch; `nil`: nothing that they could see.
    static func event(from known: Claim, to claim: Claim) -> MemberEvent.Kind? {
        let isNewLife = claim.epoch > known.epoch
        switch claim.status {
        case .crashed: return known.status == .crashed && !isNewLife ? nil : .crashed
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
        by speaker: NodeName? = nil, isPartOfZone: Bool = false, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        turn.effects.append(
            .event(
                MemberEvent(
                    kind: kind, claim: claim, previous: previous, by: speaker ?? claim.accuser ?? claim.name,
                    heardFrom: heardFrom, at: turn.now, isPartOfZone: isPartOfZone,
                    findings: findings(about: claim.name))))
    }

    /// Keeps how a suspicion, a verdict or its end came about.
    private mutating func explain(
        _ claim: Claim, after known: Claim, at place: MemberTable.Place, from teller: NodeName,
        _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        switch claim.status {
        case .suspect where teller != identity:
            for (index, accuser) in claim.accusers.enumerated() {
                table[place].note(
                    index == 0 ? .accused(by: accuser, heardFrom: teller) : .confirmed(by: accuser), at: turn.now)
            }
        case .crashed where teller != identity:
            counters.verdictsHeard &+= 1
            table[place].note(.condemned(by: claim.accuser ?? teller, heardFrom: teller), at: turn.now)
        case .alive, .draining, .restarting:
            if known.status == .suspect {
                table[place].note(.refuted(claim.incarnation, heardFrom: teller), at: turn.now)
            } else if known.status.isDeparted {
                table[place].note(.returned(claim.incarnation, heardFrom: teller), at: turn.now)
            }
        case .suspect, .crashed, .left: break
        }
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
        if nextExchange == nil { nextExchange = turn.now + turn.part(of: exchangeInterval(at: turn.now)) }
    }

    /// What was under way with one that is gone is of no use any more.
    private mutating func sayGoodbye(to name: NodeName) {
        probes.removeAll { $0.target == name }
    }
}
