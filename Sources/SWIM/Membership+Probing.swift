import DequeModule
import Vocabulary

/// One question to one member, from the ping to the verdict (SWIM §3.1).
struct Probe: Sendable {
    struct Try: Sendable {
        let sequence: SequenceNumber
        let sentAt: Instant
    }

    let target: NodeName
    /// The life and incarnation that are put to the test: silence says nothing about a later one.
    let precedence: Precedence
    /// How long each step waits.
    let patience: Duration
    var deadline: Instant
    /// The deadline was put off once for an answer over TLS.
    var isExtended = false
    /// A ping carried this node's own claim, so an answer shows that the member knows it.
    let introducesOneself: Bool
    /// Pings to the member itself, each with a number of its own, so that an answer tells the round trip of its own.
    var tries: [Try] = []
    /// Steps taken: pinged; pinged again and helpers asked; pinged again and asked over TLS.
    var steps = 1
    var nextStep: Instant
    /// Who was asked to ping it, and who of them is there, but had no answer either: the fault is not this node's own.
    var helpers: [NodeName] = []
    var nacks: [NodeName] = []
    var fallback = Finding.FallbackOutcome.notTried

    /// Names the probe towards helpers and over TLS.
    var sequence: SequenceNumber { tries.first?.sequence ?? SequenceNumber(0) }
    var sentAt: Instant { tries.first?.sentAt ?? deadline }

    /// Probes under way at once: regular ones overlap when paths are slow, confirmations come on top.
    static let countMax = 16
}

extension Membership {
    /// Probes the next member of the round, and begins a new round when this one is done.
    mutating func probeNext(_ turn: inout Turn<some RandomNumberGenerator>) {
        nextProbe = turn.now + probePeriod
        var place = nextInRound()
        if place == nil {
            beginRound(&turn)
            place = nextInRound()
        }
        guard let place else {
            nextProbe = nil
            return
        }
        probe(place, &turn)
        if let again = followUps.popFirst(), again != place, table[again].isPresent { probe(again, &turn) }
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

    /// How long the member's answer may take before something is wrong: from the round trips measured to it, else from
    /// where both are (Vivaldi), else from the slowest of the paths measured of late; and longer while this node may be
    /// slow itself.
    private func patience(with place: MemberTable.Place) -> Duration {
        let record = table[place]
        let expected =
            record.roundTrip?.patience ?? record.coordinate.flatMap { position.roundTrip(to: $0) }.map { $0 * 3 / 2 }
            ?? slowPath.patience
        let base = expected.map { min(max($0, settings.probeTimeoutMin), Self.patienceMax) } ?? settings.probeTimeout
        return base * (1 + health.score)
    }

    /// From the first ping until the member is suspected.
    func probeDuration(with place: MemberTable.Place) -> Duration {
        max(patience(with: place) * 4, settings.probeDurationMin * (1 + health.score))
    }

    private static var patienceMax: Duration { .seconds(3) }

    mutating func probe(_ place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        let claim = table[place].claim
        guard probes.count < Probe.countMax, !probes.contains(where: { $0.target == claim.name }) else { return }
        let patience = patience(with: place)
        let duration = probeDuration(with: place)
        var probe = Probe(
            target: claim.name, precedence: claim.precedence, patience: patience,
            deadline: turn.now + (settings.probeTries > 1 ? duration : max(probePeriod, patience * 2)),
            introducesOneself: needsIntroduction(table[place], at: turn.now), nextStep: turn.now + patience)
        counters.probes &+= 1
        ping(place, for: &probe, &turn)
        probes.append(probe)
    }

    private mutating func ping(
        _ place: MemberTable.Place, for probe: inout Probe, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        lastSequence = lastSequence.next
        probe.tries.append(Probe.Try(sequence: lastSequence, sentAt: turn.now))
        let claim = table[place].claim
        send(.ping(lastSequence, target: claim.name), to: claim.endpoint, of: place, &turn)
    }

    /// Takes the next step with those that did not answer in time, and judges those that nobody reached.
    mutating func advanceProbes(_ turn: inout Turn<some RandomNumberGenerator>) {
        var index = 0
        while index < probes.count {
            if probes[index].deadline <= turn.now {
                if probes[index].fallback == .pending, !probes[index].isExtended {
                    // The host's own word, that it takes connections or does not, is worth a moment.
                    probes[index].isExtended = true
                    probes[index].deadline = turn.now + settings.probeDurationMin / 2
                    probes[index].nextStep = probes[index].deadline
                    index += 1
                    continue
                }
                conclude(probes.remove(at: index), &turn)
                continue
            }
            if probes[index].nextStep <= turn.now {
                var probe = probes[index]
                takeNextStep(of: &probe, &turn)
                probes[index] = probe
            }
            index += 1
        }
    }

    private mutating func takeNextStep(of probe: inout Probe, _ turn: inout Turn<some RandomNumberGenerator>) {
        guard let place = table.place(of: probe.target) else {
            probe.nextStep = probe.deadline
            return
        }
        if probe.tries.count < settings.probeTries { ping(place, for: &probe, &turn) }
        switch probe.steps {
        case 1:
            probe.helpers = askHelpers(for: probe, at: place, &turn)
            probe.nextStep = min(turn.now + probe.patience, probe.deadline)
        default:
            if settings.usesFallback { fallBack(on: place, probe.sequence, &turn) }
            probe.fallback = settings.usesFallback ? .pending : .notTried
            probe.nextStep = probe.deadline
        }
        probe.steps += 1
    }

    private mutating func askHelpers(
        for probe: Probe, at target: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>
    ) -> [NodeName] {
        let endpoint = table[target].claim.endpoint
        let helpers = randomPeers(settings.indirectProbes, besides: target, &turn) { $0.claim.status != .suspect }
        for helper in helpers {
            counters.pingRequestsSent &+= 1
            let request = Message.pingRequest(
                probe.sequence, target: probe.target, at: endpoint, within: probe.deadline - turn.now)
            send(request, to: table[helper].claim.endpoint, of: helper, &turn)
        }
        return helpers.map { table[$0].claim.name }
    }

    /// The question over TLS carries what the member should know: what is said of it, and who asks.
    mutating func fallBack(
        on place: MemberTable.Place, _ sequence: SequenceNumber, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let claim = table[place].claim
        counters.fallbacks &+= 1
        turn.effects.append(
            .fallback(sequence, with: claim.name, at: claim.endpoint, [claim, table[ownPlace].claim]))
    }

    mutating func fallbackEnded(
        _ sequence: SequenceNumber, of name: NodeName, _ result: FallbackResult,
        _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        func probe() -> Int? { probes.firstIndex { $0.target == name && $0.sequence == sequence } }
        switch result {
        case .answered(let claims):
            health.heard(at: turn.now)
            counters.fallbacksAnswered &+= 1
            merge(claims, from: name, &turn)
            // The answer may have been its farewell, with which the probe has ended.
            guard let place = table.place(of: name) else { return }
            // It was told what it is suspected of, and has answered.
            guard let index = probe() else { return suspectAnswered(place, &turn) }
            probes.remove(at: index)
            counters.probesOverTLS &+= 1
            answered(place, by: .tls, &turn)
        case .refused:
            // It is a word from its host.
            health.heard(at: turn.now)
            counters.fallbacksRefused &+= 1
            if let index = probe() { probes[index].fallback = .refused }
        case .stalled:
            // Its kernel speaks for it.
            health.heard(at: turn.now)
            if let index = probe() { probes[index].fallback = .stalled }
        case .silent:
            counters.fallbacksSilent &+= 1
            if let index = probe(), probes[index].fallback == .pending { probes[index].fallback = .silent }
        }
    }

    private mutating func conclude(_ probe: Probe, _ turn: inout Turn<some RandomNumberGenerator>) {
        guard let place = table.place(of: probe.target) else { return }
        let record = table[place]
        // What it said since then shows that it lives.
        guard record.claim.epoch == probe.precedence.epoch, record.claim.incarnation == probe.precedence.incarnation,
            !record.claim.status.isDeparted
        else { return }
        switch record.claim.status {
        case .restarting where turn.now < record.since + settings.restartTolerance: return
        case .alive, .draining, .restarting, .suspect, .crashed, .left: break
        }
        counters.probesFailed &+= 1
        let isDeaf = health.lastHeard < probe.sentAt && presentPeerCount > 1
        if isDeaf { counters.probesDeaf &+= 1 }
        if settings.isHealthAware {
            // One true crash must not make every prober doubt itself: helpers that have no answer either clear it, or its host.
            let isCleared = !probe.helpers.isEmpty && probe.nacks.count >= probe.helpers.count
            let isOwnFault = probe.fallback != .refused && !isCleared
            if isOwnFault, settings.isCautious, isPastDoubt(at: turn.now) {
                health.acquit()
            } else {
                // Lifeguard counts each helper that keeps silent; here a probe is one failure.
                let points = settings.isCautious ? 1 : max(1, probe.helpers.count - probe.nacks.count)
                health.probeFailed(isOwnFault: isOwnFault, points: points, isDeaf: isDeaf, at: turn.now)
            }
        }
        table[place].note(
            .unanswered(
                tries: probe.tries.count, helpers: probe.helpers, nacks: probe.nacks.count, overTLS: probe.fallback),
            at: turn.now)
        // Who hears nobody at all can not tell who is gone; when that lasts, it is doubt, which has an end.
        if settings.isCautious, isDeaf, !health.isDoubtful(at: turn.now) { return }
        // A process that holds its port is starved or stopped, most likely: it is suspected, but nobody's word but the first
        // shortens the time that it has.
        if probe.fallback == .stalled, record.claim.status == .suspect { return suspectStalled(place, &turn) }
        suspect(place, afterRefusal: probe.fallback == .refused, &turn)
    }

    /// It has doubted itself for as long as a suspect has at most, hears others all the while, and nobody has condemned it:
    /// then it is they who are gone. With most of a cluster down at once no helper is left to clear it sooner.
    private mutating func isPastDoubt(at now: Instant) -> Bool {
        guard table[ownPlace].claim.status != .crashed, now - health.lastHeard <= settings.probeInterval * 5 / 2,
            let doubt = health.doubt(at: now)
        else { return false }
        return doubt >= suspicionTimeoutMax
    }

    /// An answer, from the member itself or by way of a helper.
    mutating func receiveAck(
        _ sequence: SequenceNumber, from sender: NodeName, coordinate: Coordinate,
        _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        if passOn(sequence, from: sender, &turn) { return }
        guard
            let index = probes.firstIndex(where: { probe in
                probe.target == sender
                    ? probe.tries.contains { $0.sequence == sequence }
                    : probe.sequence == sequence && probe.helpers.contains(sender)
            }), let place = table.place(of: probes[index].target)
        else { return }
        let probe = probes.remove(at: index)
        guard sender == probe.target else {
            counters.probesRelayed &+= 1
            return answered(place, by: .relayed, &turn)
        }
        if let sentAt = probe.tries.first(where: { $0.sequence == sequence })?.sentAt {
            measured(turn.now - sentAt, to: place, coordinate, &turn)
        }
        if probe.introducesOneself { introduced(to: place) }
        answered(place, by: .direct, &turn)
    }

    private mutating func measured(
        _ sample: Duration, to place: MemberTable.Place, _ coordinate: Coordinate,
        _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let sample = min(sample, Self.patienceMax)
        if table[place].roundTrip == nil {
            table[place].roundTrip = RoundTrip(first: sample)
        } else {
            table[place].roundTrip?.measured(sample)
        }
        table[place].coordinate = coordinate
        slowPath.measured(sample)
        position.measured(sample, to: coordinate, direction: UInt8.random(in: 0...7, using: &turn.random))
    }

    private mutating func answered(
        _ place: MemberTable.Place, by reach: Member.Reach, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        counters.probesAnswered &+= 1
        if settings.isHealthAware { health.probeSucceeded() }
        suspectAnswered(place, &turn)
        let claim = table[place].claim
        switch reach {
        case .direct:
            table[place].detours = 0
            guard table[place].reach != .direct else { return }
            table[place].reach = .direct
            tell(.reachable, claim, previous: claim.status, heardFrom: identity, by: identity, &turn)
        case .relayed, .tls:
            table[place].detours = min(table[place].detours + 1, Self.detoursUntilTold)
            guard table[place].detours >= Self.detoursUntilTold else {
                // Lost packets, most likely; the next periods will tell.
                if followUps.count < Self.followUpsMax, !followUps.contains(place) { followUps.append(place) }
                return
            }
            let isNew = table[place].reach == .direct
            table[place].reach = reach
            if isNew { tell(.unreachable, claim, previous: claim.status, heardFrom: identity, by: identity, &turn) }
        }
    }

    /// With 30 % loss a healthy path looks blocked in one of 400 such rows.
    private static var detoursUntilTold: Int { 3 }
    private static var followUpsMax: Int { 16 }

    mutating func receiveNack(_ sequence: SequenceNumber, from sender: NodeName) {
        guard let index = probes.firstIndex(where: { $0.sequence == sequence && $0.helpers.contains(sender) }),
            !probes[index].nacks.contains(sender)
        else { return }
        counters.nacksReceived &+= 1
        probes[index].nacks.append(sender)
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
