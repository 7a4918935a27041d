import HeapModule
import Vocabulary

/// When a suspicion is to be looked at again: it ends in a verdict then, unless it was refuted, or its time has changed.
struct SuspicionTimer: Comparable, Sendable {
    let deadline: Instant
    let place: MemberTable.Place
    let stamp: UInt64

    static func < (a: SuspicionTimer, b: SuspicionTimer) -> Bool {
        a.deadline != b.deadline ? a.deadline < b.deadline : a.stamp < b.stamp
    }
}

extension Membership {
    /// How long a suspect whom enough accuse has to refute: α · max(1.5, log10 n) · probeInterval. News takes log n periods;
    /// the floor is for the hiccups of lines, which do not get shorter in small groups.
    public var suspicionTimeout: Duration {
        let thousandths = max(1_500, Logarithm.thousandths(table.presentCount))
        return settings.probeInterval * settings.suspicionMultiplier * thousandths / 1_000
    }

    /// And one whom nobody else accuses.
    public var suspicionTimeoutMax: Duration { suspicionTimeout * settings.suspicionMaxMultiplier }

    /// Lifeguard §3.2: max − (max − min) · log(C + 1) / log(K + 1) with C confirmations of K wanted. No more can be wanted
    /// than there are others to give them: with two of three gone at once nobody is left to confirm.
    private func suspicionTimeout(accusers: Int) -> Duration {
        let shortest = suspicionTimeout
        let wanted = confirmationsPossible
        guard wanted > 0, settings.suspicionMaxMultiplier > 1 else { return shortest }
        let confirmations = min(max(accusers - 1, 0), wanted)
        return suspicionTimeoutMax
            - (suspicionTimeoutMax - shortest) * Self.logarithms[confirmations] / Self.logarithms[wanted]
    }

    private var confirmationsPossible: Int {
        min(settings.confirmationsWanted, max(0, table.presentCount - table.suspectCount - 1))
    }

    /// 1,000 · ln(i + 1).
    private static var logarithms: [Int] { [0, 693, 1_099, 1_386] }

    /// This node's own finding: the member answered neither it nor its helpers.
    ///
    /// - Parameter isGone: its host says that nobody listens there, so there is nobody to tell over TLS.
    mutating func suspect(
        _ place: MemberTable.Place, afterRefusal isGone: Bool, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let known = table[place].claim
        if settings.isCautious, presentPeerCount > 1, let doubt = health.doubt(at: turn.now) {
            guard doubt >= suspicionTimeoutMax else { return }
        }
        if known.status == .suspect {
            addAccusers([identity], at: place, &turn)
        } else {
            counters.suspicionsRaised &+= 1
            table[place].note(.suspectedHere, at: turn.now)
            adopt(known.accused(.suspect, by: [identity]), at: place, from: identity, &turn)
        }
        // The suspect is told first (Lifeguard's buddy): it alone can clear this up.
        guard settings.tellsSuspectFirst else { return }
        send(.gossip, to: known.endpoint, of: place, &turn)
        if settings.usesFallback, !isGone {
            lastSequence = lastSequence.next
            fallBack(on: place, lastSequence, &turn)
        }
    }

    /// Starts the clock for the suspect's present incarnation.
    mutating func beginSuspicion(at place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        table[place].suspicion = Suspicion(startedAt: turn.now, stamp: 0)
        setSuspicionTimer(at: place, &turn)
        probeFellow(of: place, &turn)
        // Where few are left, each that falls out leaves one less to confirm what is said of the others.
        guard table.presentCount - table.suspectCount <= settings.confirmationsWanted + 1, table.suspectCount > 1
        else { return }
        for other in table.allPlaces where other != place && table[other].suspicion != nil {
            setSuspicionTimer(at: other, &turn)
        }
    }

    mutating func setSuspicionTimer(at place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        guard let startedAt = table[place].suspicion?.startedAt else { return }
        lastSuspicionStamp &+= 1
        table[place].suspicion?.stamp = lastSuspicionStamp
        // A leaver passes no verdicts.
        guard !isLeaving else { return }
        var deadline = startedAt + suspicionTimeout(accusers: table[place].claim.accusers.count)
        // Early enough that the verdict is not later for the last look.
        if table[place].suspicion?.lookedAt == nil, wantsLastLook(at: place) {
            deadline = max(turn.now, deadline + (.zero - probeDuration(with: place)))
        }
        suspicionTimers.insert(SuspicionTimer(deadline: deadline, place: place, stamp: lastSuspicionStamp))
        compactSuspicionTimersIfNeeded()
    }

    /// Timers in force, and those that mean nothing any more.
    var suspicionTimerCount: Int { suspicionTimers.count }

    /// A member that accuses and refutes for another as fast as it can must not fill the memory until the first of these
    /// timers is due.
    private mutating func compactSuspicionTimersIfNeeded() {
        guard suspicionTimers.count > 2 * table.count + 64 else { return }
        suspicionTimers = Heap(
            suspicionTimers.unordered.filter { table[$0.place].suspicion?.stamp == $0.stamp })
    }

    /// The timer stays in the heap for the seconds until it is due, and then finds that it means nothing.
    mutating func endSuspicion(at place: MemberTable.Place) {
        table[place].suspicion = nil
    }

    /// Others accuse it of the same incarnation. Who is new among them is told on, as far as it can shorten the suspicion.
    mutating func addAccusers(
        _ accusers: [NodeName], at place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        let known = table[place].claim
        guard known.status == .suspect, !known.accusers.isEmpty else { return }
        let new = accusers.filter { !known.accusers.contains($0) && $0 != known.name }
        let room = settings.confirmationsWanted + 1 - known.accusers.count
        guard !new.isEmpty, room > 0 else { return }
        let all = known.accusers + new.prefix(room)
        table.setClaim(known.accused(.suspect, by: all), at: place, now: turn.now)
        for accuser in new.prefix(room) {
            counters.suspicionsConfirmed &+= 1
            table[place].note(.confirmed(by: accuser), at: turn.now)
        }
        news.add(place)
        setSuspicionTimer(at: place, &turn)
    }

    /// Heard of a suspicion: some of those who do look for themselves at once. If the suspect lives, their pings tell it
    /// what it has to refute; if not, their word shortens the wait.
    mutating func considerConfirming(_ place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        if isDrawnToConfirm(&turn) { probe(place, &turn) }
    }

    /// Each of those who hear of a suspicion draws for itself: `confirmersWanted` of them are meant.
    mutating func isDrawnToConfirm(_ turn: inout Turn<some RandomNumberGenerator>) -> Bool {
        let others = presentPeerCount - 1
        guard settings.confirmersWanted > 0, others > 0, !isLeaving, probes.count < Self.confirmingProbesMax else {
            return false
        }
        return others <= settings.confirmersWanted
            || Int.random(in: 0..<others, using: &turn.random) < settings.confirmersWanted
    }

    /// A storm of accusations must not become a storm of pings.
    private static var confirmingProbesMax: Int { 4 }

    /// Half of the shortest time that a suspect has to refute is over: another's verdict may end the rest, which is where
    /// all that heard of the suspicion in time are when the first of them passes it.
    func isTried(_ place: MemberTable.Place, at now: Instant) -> Bool {
        guard let suspicion = table[place].suspicion else { return false }
        return now - suspicion.startedAt >= suspicionTimeout / 2
    }

    mutating func expireSuspicions(_ turn: inout Turn<some RandomNumberGenerator>) {
        while let timer = suspicionTimers.min, timer.deadline <= turn.now {
            suspicionTimers.removeMin()
            let place = timer.place
            guard let suspicion = table[place].suspicion, suspicion.stamp == timer.stamp else { continue }
            let known = table[place].claim
            var end = suspicion.startedAt + suspicionTimeout(accusers: known.accusers.count)
            // Who may be at fault itself waits as long as if nobody had confirmed.
            if isBadJudge(at: turn.now) { end = suspicion.startedAt + suspicionTimeoutMax }
            if suspicion.lookedAt == nil, wantsLastLook(at: place), let done = lookOnce(more: place, before: end, &turn)
            {
                end = max(end, done)
            }
            guard end <= turn.now else {
                suspicionTimers.insert(SuspicionTimer(deadline: end, place: place, stamp: timer.stamp))
                continue
            }
            counters.verdictsPassed &+= 1
            table[place].note(
                .expired(after: turn.now - suspicion.startedAt, accusers: known.accusers.count), at: turn.now)
            let judges = [identity] + known.accusers.filter { $0 != identity }
            adopt(known.accused(.crashed, by: judges), at: place, from: identity, &turn)
            // It may hear, and not be heard.
            if settings.isCautious { send(.gossip, to: known.endpoint, of: place, &turn) }
        }
    }

    /// Whom enough accuse needs no further proof; the others may have refuted what this node has not heard.
    private func wantsLastLook(at place: MemberTable.Place) -> Bool {
        let wanted = confirmationsPossible
        return settings.isCautious && wanted > 0 && table[place].claim.accusers.count <= wanted
    }

    /// - Returns: when the look is over; nil when there is no room for it.
    private mutating func lookOnce(
        more place: MemberTable.Place, before end: Instant, _ turn: inout Turn<some RandomNumberGenerator>
    ) -> Instant? {
        guard probes.count < Probe.countMax else { return nil }
        table[place].suspicion?.lookedAt = turn.now
        probe(place, &turn)
        // With the moment that a probe may be put off for.
        return probes.last { $0.target == table[place].claim.name }
            .map { $0.deadline + settings.probeDurationMin / 2 + .milliseconds(1) }
    }

    /// A suspect answered: it lives, and its refutation is on its way. The suspicion starts anew, so that one which does
    /// not refute (since it doubts itself) is still judged by those who do not hear it.
    mutating func suspectAnswered(_ place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        guard settings.isCautious, table[place].suspicion != nil else { return }
        table[place].suspicion?.startedAt = turn.now
        table[place].suspicion?.lookedAt = nil
        setSuspicionTimer(at: place, &turn)
    }

    /// The last look found a process that holds its port: it has another while, up to a bound, since a process that is
    /// stopped for good is no use to anybody.
    mutating func suspectStalled(_ place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        guard let suspicion = table[place].suspicion,
            turn.now - table[place].since < settings.stallTolerance, suspicion.lookedAt != nil
        else { return }
        table[place].suspicion?.startedAt = turn.now
        table[place].suspicion?.lookedAt = nil
        setSuspicionTimer(at: place, &turn)
    }

    /// Nothing came in from anybody of late, or nearly all of this node's own probes failed.
    private mutating func isBadJudge(at now: Instant) -> Bool {
        guard settings.isCautious, presentPeerCount > 1 else { return false }
        return now - health.lastHeard > settings.probeInterval * 5 / 2 || health.isDoubtful(at: now)
    }
}
