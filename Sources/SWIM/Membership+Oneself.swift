import HeapModule
import Vocabulary

// What this node says of itself: announcements, refutations, its farewell, and what it does when another host uses its
// name. Only here does an incarnation rise.

extension Membership {
    /// This node said farewell, or is saying it.
    public var isLeaving: Bool { table[ownPlace].claim.status == .left }

    /// The farewell was told as often as it will be: the process may go.
    public var farewellComplete: Bool { isLeaving && farewellWavesLeft == 0 }

    /// What this node said of itself last was told as often as it will be by itself, or there is nobody to hear it.
    public var announcementIsTold: Bool { presentPeerCount == 0 || !news.contains(ownPlace) }

    mutating func announce(_ announcement: Announcement, _ turn: inout Turn<some RandomNumberGenerator>) {
        let own = table[ownPlace].claim
        let intent: Intent
        switch announcement {
        case .serving: intent = .serving
        case .draining: intent = .draining
        case .restarting: intent = .restarting
        case .leaving: return leave(&turn)
        }
        guard own.status != intent.status else { return }
        restate(own.renewed(own.incarnation.next, status: intent.status, intent: intent))
        if own.status == .left { resume(&turn) }
    }

    mutating func describeOneself(_ metadata: Metadata, _ turn: inout Turn<some RandomNumberGenerator>) {
        let own = table[ownPlace].claim
        guard own.metadata != metadata else { return }
        restate(own.described(by: metadata), &turn)
    }

    mutating func moveOneself(_ endpoint: Endpoint, _ turn: inout Turn<some RandomNumberGenerator>) {
        let own = table[ownPlace].claim
        guard own.endpoint != endpoint else { return }
        restate(own.moved(to: endpoint), &turn)
        // Where this node is now, nobody can ask it: until the news has gone round, every packet says it.
        for place in table.allPlaces { notIntroduced(to: place) }
    }

    /// This node says the same state anew: its signature is by another key, or what it describes has changed.
    mutating func restate(_ turn: inout Turn<some RandomNumberGenerator>) {
        restate(table[ownPlace].claim, &turn)
    }

    private mutating func restate(_ claim: Claim, _ turn: inout Turn<some RandomNumberGenerator>) {
        // Who lets a verdict stand would tell it of itself; the refutation that ends it tells what is new besides.
        guard claim.status != .crashed else { return table.setClaim(claim, at: ownPlace, now: turn.now) }
        restate(claim.renewed(claim.incarnation.next, status: claim.status, intent: claim.intent))
    }

    private mutating func restate(_ claim: Claim) {
        table.setClaim(claim, at: ownPlace, now: clock)
        news.add(ownPlace)
        restatedAt = clock
    }

    private mutating func leave(_ turn: inout Turn<some RandomNumberGenerator>) {
        let own = table[ownPlace].claim
        guard own.status != .left else { return }
        farewellWavesLeft = presentPeerCount > 0 ? settings.farewellWaves : 0
        restate(own.renewed(own.incarnation.next, status: .left, intent: own.intent))
        // A leaver judges nobody: what it has under way would end after it.
        probes = []
        nextProbe = nil
        nextExchange = nil
        nextReconnect = nil
        suspicionTimers = .init()
        nextGossip = turn.now
    }

    /// Back from a farewell, in the same life.
    private mutating func resume(_ turn: inout Turn<some RandomNumberGenerator>) {
        farewellWavesLeft = 0
        for place in table.allPlaces where place != ownPlace && table[place].isPresent {
            if table[place].claim.status == .suspect { beginSuspicion(at: place, &turn) }
        }
        if presentPeerCount > 0 { nextProbe = turn.now + turn.part(of: settings.probeInterval) }
        if presentPeerCount > 0 || !crashedPlaces.isEmpty {
            nextExchange = turn.now + turn.part(of: settings.pushPullInterval)
        }
        if !crashedPlaces.isEmpty || !forgottenToCall.isEmpty {
            nextReconnect = nextCall(&turn)
        }
    }

    /// Somebody speaks of this node.
    mutating func hearOfOneself(
        _ claim: Claim, from teller: NodeName, by channel: Channel, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let own = table[ownPlace].claim
        if claim.precedence == own.precedence { unheardBy.removeAll { $0 == teller } }
        guard claim.epoch <= own.epoch else { return reportConflict(claim, from: teller, &turn) }
        guard isPlausible(claim, after: own) else {
            counters.jumpsRefused &+= 1
            return
        }
        guard claim.supersedes(own) || own.status == .crashed && claim.epoch == own.epoch else {
            if own.supersedes(claim), let place = table.place(of: teller) { notIntroduced(to: place) }
            // A list that comes over TLS may be from before: a cut holds a request back for as long as it lasts, and it is
            // read when its sender has long heard better.
            if channel == .packet, claim.status == .crashed, claim.epoch == own.epoch {
                hearUnheardRefutation(of: claim, from: teller, &turn)
            }
            return
        }
        // One that lets a verdict stand does so whatever else is told of it: an older word is no end of its probation.
        let verdict = own.status == .crashed ? .crashed : claim.status
        guard !isAnsweredAlready(at: turn.now), mayContradict(verdict, at: turn.now) else {
            counters.refutationsWithheld &+= 1
            return
        }
        // Whoever says more than this node itself has said is answered by a greater incarnation of what is true.
        let incarnation = Incarnation(max(own.incarnation.number, claim.incarnation.number)).next
        let status = own.status == .left ? Status.left : own.intent.status
        restate(own.renewed(incarnation, status: status, intent: own.intent))
        refutedAt = turn.now
        unheardBy = []
        guard verdict.isAccusation else { return }
        counters.refutations &+= 1
        if settings.isHealthAware, verdict == .suspect || !settings.isCautious { health.refuted() }
        if verdict == .crashed { _ = isCondemnedAnew(by: claim, at: turn.now) }
        tell(
            .refuted, table[ownPlace].claim, previous: verdict, heardFrom: teller, by: claim.accuser ?? teller,
            &turn)
    }

    /// This node has spoken up, and is taken for crashed all the same: by one who missed it, or, when several say so long
    /// after, since nothing that it sends arrives. Then it lets the verdict stand, or it would be back in everybody's list
    /// the moment that its line lets a packet through, and out again with the next failure.
    private mutating func hearUnheardRefutation(
        of claim: Claim, from teller: NodeName, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        guard settings.isCautious, presentPeerCount > 1, !isLeaving, let refutedAt,
            // Its own probes fail, too; and those that say so are heard by the others. Two that send and do not hear would
            // bring down whoever is well, else.
            health.isUnwell(at: turn.now), let place = table.place(of: teller), table[place].isPresent
        else { return }
        // A verdict that several agreed on, soon after another: its line comes and goes, and so would it.
        let isRepeated =
            claim.accusers.count >= Self.unheardByMin && isCondemnedAnew(by: claim, at: turn.now)
            && !table[place].claim.status.isAccusation
        if !isRepeated {
            guard health.failedOfLate(at: turn.now), turn.now - refutedAt >= settings.probeInterval * 3 else { return }
            if unheardBy.count < Self.unheardByMin, !unheardBy.contains(teller) { unheardBy.append(teller) }
            guard unheardBy.count >= Self.unheardByMin else { return }
        }
        health.wasNotHeard(at: turn.now)
        guard !mayReturn(at: turn.now) else { return }
        counters.refutationsWithheld &+= 1
        table.setClaim(table[ownPlace].claim.accused(.crashed, by: claim.accusers), at: ownPlace, now: turn.now)
        news.remove(ownPlace)
    }

    private static var unheardByMin: Int { 2 }

    /// Counts each verdict once, however many tell it, and whether this node had contradicted it already or does so now.
    ///
    /// - Returns: whether it follows another too soon.
    private mutating func isCondemnedAnew(by verdict: Claim, at now: Instant) -> Bool {
        guard condemnedIncarnation.map({ $0 < verdict.incarnation }) ?? true else { return false }
        condemnedIncarnation = verdict.incarnation
        defer { health.condemned(at: now) }
        return health.wasCondemnedOfLate(at: now)
    }

    /// The answer to the accusation before is on its way still. Whoever accuses each incarnation the moment that it is
    /// told would have this node use them all up; an honest accuser lets seconds pass, and says it again.
    private func isAnsweredAlready(at now: Instant) -> Bool {
        refutedAt.map { now - $0 < settings.gossipInterval } ?? false
    }

    /// A node whose own probes nearly all fail is at fault itself, most likely, and is no use to the others: it lets their
    /// verdict stand, and comes back when it has been well for a while. It would be in and out again and again, else. A
    /// suspicion from the time of a cut it contradicts as soon as it hears anybody again, when that was too short for it to
    /// have condemned others.
    private mutating func mayContradict(_ verdict: Status, at now: Instant) -> Bool {
        guard settings.isCautious, !isLeaving, presentPeerCount > 1 || verdict == .crashed else { return true }
        switch verdict {
        case .suspect: return !health.isDoubtful(at: now) || health.cut.map { $0 < suspicionTimeoutMax } ?? false
        case .crashed: return mayReturn(at: now)
        case .alive, .draining, .restarting, .left: return true
        }
    }

    private mutating func mayReturn(at now: Instant) -> Bool {
        let isMutual = health.wantsToKnowWhetherMutual(at: now).map { hasGivenUpMost(since: $0) } ?? false
        return health.mayReturn(isMutual: isMutual, at: now)
    }

    /// Of those there when it began, half or more are suspects here or worse. Whoever crashed before has no part in it.
    private func hasGivenUpMost(since began: Instant) -> Bool {
        let crashed = Set(crashedPlaces).count { place in
            let record = table[place]
            return !record.isVacant && record.claim.status == .crashed && record.since >= began
        }
        return (table.suspectCount + crashed) * 2 >= presentPeerCount + crashed
    }

    /// Another life under this name. This node goes on, says so once for each such life, and lets the other know.
    mutating func reportConflict(
        _ claim: Claim, from teller: NodeName, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        if let reported = reportedConflict, reported.epoch == claim.epoch, reported.endpoint == claim.endpoint {
            return
        }
        // One that invents lives and addresses for this name makes this node write to each of them, and fills its log.
        guard conflictPace.passes(at: turn.now, every: settings.probeInterval) else { return }
        reportedConflict = claim
        let own = table[ownPlace].claim
        tell(.conflict, claim, previous: own.status, heardFrom: teller, by: teller, &turn)
        guard claim.endpoint != own.endpoint else { return }
        turn.effects.append(.send(Packet(from: identity, message: .gossip, claims: [own]), to: claim.endpoint))
    }

    /// A datagram under this node's own name: its own, come back by a mistaken address, or another holder's.
    mutating func receiveUnderOwnName(_ packet: Packet, _ turn: inout Turn<some RandomNumberGenerator>) {
        let own = table[ownPlace].claim
        for claim in packet.claims where claim.name == identity && claim.epoch != own.epoch {
            reportConflict(claim, from: packet.from, &turn)
        }
    }
}
