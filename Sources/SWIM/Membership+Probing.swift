import Vocabulary

/// One question to one member, from the ping to the verdict (SWIM §3.1).
struct Probe: Sendable {
    enum Phase: Sendable {
        /// Waiting for the member itself.
        case direct(until: Instant)
        /// Waiting for the member or one of the helpers that were asked, until the deadline.
        case indirect(helpers: [NodeName])
    }

    let sequence: SequenceNumber
    let target: NodeName
    /// The life and incarnation that are put to the test: silence says nothing about a later one.
    let precedence: Precedence
    let sentAt: Instant
    let deadline: Instant
    /// The ping carried this node's own claim, so an answer shows that the member knows it.
    let introducesOneself: Bool
    var phase: Phase
    /// Helpers that are there, but had no answer either: the fault is not this node's own.
    var nacks = 0

    var nextStep: Instant {
        switch phase {
        case .direct(let until): until
        case .indirect: deadline
        }
    }

    /// Probes under way at once; a period lasts longer than a probe, so that it is one or two.
    static let countMax = 8
}

extension Membership {
    /// Probes the next member of the round, and begins a new round when this one is done.
    mutating func probeNext(_ turn: inout Turn<some RandomNumberGenerator>) {
        nextProbe = turn.now + settings.probeInterval
        var place = nextInRound()
        if place == nil {
            beginRound(&turn)
            place = nextInRound()
        }
        guard let place else {
            nextProbe = nil
            return
        }
        guard probes.count < Probe.countMax else { return }
        probe(place, &turn)
    }

    private mutating func nextInRound() -> MemberTable.Place? {
        while roundPosition < round.count {
            let place = round[roundPosition]
            roundPosition += 1
            if place != ownPlace, table[place].isPresent { return place }
        }
        return nil
    }

    /// The only steps that look at every member: once a round, which has as many periods as there are members.
    private mutating func beginRound(_ turn: inout Turn<some RandomNumberGenerator>) {
        forgetLongDeparted(&turn)
        round.removeAll(keepingCapacity: true)
        for place in table.allPlaces {
            let isIn = place != ownPlace && table[place].isPresent
            table[place].isInRound = isIn
            if isIn { round.append(place) }
        }
        round.shuffle(using: &turn.random)
        roundPosition = 0
    }

    private mutating func probe(_ place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        let claim = table[place].claim
        lastSequence = lastSequence.next
        probes.append(
            Probe(
                sequence: lastSequence, target: claim.name, precedence: claim.precedence, sentAt: turn.now,
                deadline: turn.now + settings.probeInterval, introducesOneself: !table[place].isIntroduced,
                phase: .direct(until: turn.now + settings.probeTimeout)))
        send(.ping(lastSequence, target: claim.name), to: claim.endpoint, of: place, &turn)
    }

    /// Asks helpers for those that did not answer in time, and judges those that nobody reached.
    mutating func advanceProbes(_ turn: inout Turn<some RandomNumberGenerator>) {
        var index = 0
        while index < probes.count {
            let probe = probes[index]
            if probe.deadline <= turn.now {
                probes.remove(at: index)
                conclude(probe, &turn)
                continue
            }
            if case .direct(let until) = probe.phase, until <= turn.now {
                probes[index].phase = .indirect(helpers: askHelpers(for: probe, &turn))
            }
            index += 1
        }
    }

    private mutating func askHelpers(
        for probe: Probe, _ turn: inout Turn<some RandomNumberGenerator>
    ) -> [NodeName] {
        guard let target = table.place(of: probe.target) else { return [] }
        let endpoint = table[target].claim.endpoint
        let helpers = randomPeers(settings.indirectProbes, besides: target, &turn) { $0.claim.status != .suspect }
        for helper in helpers {
            let request = Message.pingRequest(
                probe.sequence, target: probe.target, at: endpoint, within: probe.deadline - turn.now)
            send(request, to: table[helper].claim.endpoint, of: helper, &turn)
        }
        return helpers.map { table[$0].claim.name }
    }

    private mutating func conclude(_ probe: Probe, _ turn: inout Turn<some RandomNumberGenerator>) {
        guard let place = table.place(of: probe.target) else { return }
        let record = table[place]
        // What it said since then shows that it lives.
        guard record.claim.epoch == probe.precedence.epoch, record.claim.incarnation == probe.precedence.incarnation
        else { return }
        switch record.claim.status {
        case .crashed, .left: return
        case .restarting where turn.now < record.since + settings.restartTolerance: return
        case .alive, .draining, .restarting, .suspect: suspect(place, &turn)
        }
    }

    /// An answer, from the member itself or by way of a helper.
    mutating func receiveAck(
        _ sequence: SequenceNumber, from sender: NodeName, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        if passOn(sequence, from: sender, &turn) { return }
        guard let index = probes.firstIndex(where: { $0.sequence == sequence }) else { return }
        let probe = probes[index]
        if sender == probe.target {
            probes.remove(at: index)
            guard let place = table.place(of: sender) else { return }
            table[place].rtt = Self.smoothed(table[place].rtt, with: turn.now - probe.sentAt)
            if probe.introducesOneself { table[place].isIntroduced = true }
        } else if case .indirect(let helpers) = probe.phase, helpers.contains(sender) {
            probes.remove(at: index)
        }
    }

    mutating func receiveNack(_ sequence: SequenceNumber, from sender: NodeName) {
        guard let index = probes.firstIndex(where: { $0.sequence == sequence }),
            case .indirect(let helpers) = probes[index].phase, helpers.contains(sender),
            probes[index].nacks < helpers.count
        else { return }
        probes[index].nacks += 1
    }

    /// An eighth of the new to seven of the old (RFC 6298 §2's gain).
    static func smoothed(_ old: Duration?, with sample: Duration) -> Duration {
        guard let old else { return sample }
        return old + (sample - old) / 8
    }

    /// Up to `count` different present members at random. A bounded number of draws: among many departed ones it may
    /// find fewer, but never looks at everybody.
    mutating func randomPeers(
        _ count: Int, besides excluded: MemberTable.Place?, _ turn: inout Turn<some RandomNumberGenerator>,
        where isWanted: (MemberRecord) -> Bool = { _ in true }
    ) -> [MemberTable.Place] {
        var found: [MemberTable.Place] = []
        guard !round.isEmpty, count > 0 else { return found }
        if round.count <= 2 * count {
            // So few that drawing would miss some: take all, in random order.
            for place in round.shuffled(using: &turn.random)
            where place != excluded && place != ownPlace && table[place].isPresent && isWanted(table[place]) {
                if !found.contains(place) { found.append(place) }
                if found.count == count { break }
            }
            return found
        }
        for _ in 0..<(4 * count + 8) where found.count < count {
            let place = round[Int.random(in: 0..<round.count, using: &turn.random)]
            guard place != excluded, place != ownPlace, table[place].isPresent, !found.contains(place),
                isWanted(table[place])
            else { continue }
            found.append(place)
        }
        return found
    }
}
