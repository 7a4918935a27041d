import HeapModule
import Vocabulary

// What this node says of itself: announcements, refutations, its farewell, and what it does when another host uses its
// name. Only here does an incarnation rise.

extension Membership {
    /// This node said farewell, or is saying it.
    public var isLeaving: Bool { table[ownPlace].claim.status == .left }

    /// The farewell was told as often as it will be: the process may go.
    public var farewellComplete: Bool { isLeaving && farewellWavesLeft == 0 }

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
        restate(own.described(by: metadata).renewed(own.incarnation.next, status: own.status, intent: own.intent))
    }

    mutating func moveOneself(_ endpoint: Endpoint, _ turn: inout Turn<some RandomNumberGenerator>) {
        let own = table[ownPlace].claim
        guard own.endpoint != endpoint else { return }
        restate(own.moved(to: endpoint).renewed(own.incarnation.next, status: own.status, intent: own.intent))
        // Where this node is now, nobody can ask it: until the news has gone round, every packet says it.
        for place in table.allPlaces { notIntroduced(to: place) }
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
        if !crashedPlaces.isEmpty { nextReconnect = turn.now + settings.reconnectInterval }
    }

    /// Somebody speaks of this node.
    mutating func hearOfOneself(
        _ claim: Claim, from teller: NodeName, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let own = table[ownPlace].claim
        guard claim.epoch <= own.epoch else { return reportConflict(claim, from: teller, &turn) }
        guard isPlausible(claim, after: own) else {
            counters.jumpsRefused &+= 1
            return
        }
        guard claim.supersedes(own) || own.status == .crashed && claim.epoch == own.epoch else {
            if own.supersedes(claim), let place = table.place(of: teller) { notIntroduced(to: place) }
            if claim.status == .crashed, claim.epoch == own.epoch {
                hearUnheardRefutation(of: claim, from: teller, &turn)
            }
            return
        }
        guard !isAnsweredAlready(at: turn.now), mayContradict(claim, at: turn.now) else {
            counters.refutationsWithheld &+= 1
            return
        }
        // Whoever says more than this node itself has said is answered by a greater incarnation of what is true.
        let incarnation = Incarnation(max(own.incarnation.number, claim.incarnation.number)).next
        let status = own.status == .left ? Status.left : own.intent.status
        restate(own.renewed(incarnation, status: status, intent: own.intent))
        guard claim.status.isAccusation else { return }
        counters.refutations &+= 1
        refutedAt = turn.now
        unheardBy = []
        if settings.isHealthAware, claim.status == .suspect || !settings.isCautious { health.refuted() }
        if claim.status == .crashed { health.returned(at: turn.now) }
        tell(
            .refuted, table[ownPlace].claim, previous: claim.status, heardFrom: teller, by: claim.accuser ?? teller,
            &turn)
    }

    /// This node has spoken up, and is taken for crashed all the same: by one who missed it, or, when several say so long
    /// after, since nothing that it sends arrives. Then it lets the verdict stand, or it would be back in everybody's list
    /// the moment that its line lets a packet through, and out again with the next failure.
    private mutating func hearUnheardRefutation(
        of claim: Claim, from teller: NodeName, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        guard settings.isCautious, presentPeerCount > 1, !isLeaving, let refutedAt,
            turn.now - refutedAt >= settings.probeInterval * 3
        else { return }
        if unheardBy.count < Self.unheardByMin, !unheardBy.contains(teller) { unheardBy.append(teller) }
        guard unheardBy.count >= Self.unheardByMin else { return }
        health.wasNotHeard(at: turn.now)
        guard !health.mayReturn(isMutual: hasGivenUpMost, at: turn.now) else { return }
        counters.refutationsWithheld &+= 1
        table.setClaim(table[ownPlace].claim.accused(.crashed, by: claim.accusers), at: ownPlace, now: turn.now)
        news.remove(ownPlace)
    }

    private static var unheardByMin: Int { 2 }

    /// The answer to the accusation before is on its way still. Whoever accuses each incarnation the moment that it is
    /// told would have this node use them all up; an honest accuser lets seconds pass, and says it again.
    private func isAnsweredAlready(at now: Instant) -> Bool {
        refutedAt.map { now - $0 < settings.gossipInterval } ?? false
    }

    /// A node whose own probes nearly all fail is at fault itself, most likely, and is no use to the others: it lets their
    /// verdict stand, and comes back when it has been well for a while. It would be in and out again and again, else.
    private mutating func mayContradict(_ claim: Claim, at now: Instant) -> Bool {
        // One that lets a verdict stand does so whatever else is told of it: an older word is no end of its probation.
        let verdict = table[ownPlace].claim.status == .crashed ? .crashed : claim.status
        guard settings.isCautious, !isLeaving, presentPeerCount > 1 || verdict == .crashed else { return true }
        switch verdict {
        case .suspect: return !health.isDoubtful(at: now)
        case .crashed: return health.mayReturn(isMutual: hasGivenUpMost, at: now)
        case .alive, .draining, .restarting, .left: return true
        }
    }

    /// Of those known, half or more are suspects here or worse.
    private var hasGivenUpMost: Bool {
        let crashed = table.crashedCount - (table[ownPlace].claim.status == .crashed ? 1 : 0)
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
        guard conflictAllowedFrom <= turn.now else { return }
        conflictAllowedFrom = turn.now + settings.probeInterval
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
