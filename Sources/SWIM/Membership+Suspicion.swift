import HeapModule
import Vocabulary

/// When a suspicion ends in a verdict, unless it was refuted.
struct SuspicionTimer: Comparable, Sendable {
    let deadline: Instant
    let place: MemberTable.Place
    let stamp: UInt64

    static func < (a: SuspicionTimer, b: SuspicionTimer) -> Bool {
        a.deadline != b.deadline ? a.deadline < b.deadline : a.stamp < b.stamp
    }
}

extension Membership {
    /// How long a suspect has to refute: suspicionMultiplier · max(1, log10 n) · probeInterval.
    public var suspicionTimeout: Duration {
        let thousandths = max(1_000, Logarithm.thousandths(table.presentCount))
        return settings.probeInterval * settings.suspicionMultiplier * thousandths / 1_000
    }

    /// This node's own finding: the member answered neither it nor its helpers.
    mutating func suspect(_ place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        let known = table[place].claim
        guard known.status != .suspect else { return confirmSuspicion(at: place, by: identity) }
        let claim = known.accused(.suspect, by: identity)
        adopt(claim, at: place, from: identity, &turn)
        // The suspect is told first (Lifeguard's buddy): it alone can clear this up.
        send(.gossip, to: claim.endpoint, of: place, &turn)
    }

    /// Starts the clock for the suspect's present incarnation.
    mutating func beginSuspicion(at place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        lastSuspicionStamp &+= 1
        let deadline = turn.now + suspicionTimeout
        table[place].suspicion = Suspicion(
            deadline: deadline, stamp: lastSuspicionStamp, accusers: table[place].claim.accuser.map { [$0] } ?? [])
        // A leaver passes no verdicts.
        guard !isLeaving else { return }
        suspicionTimers.insert(SuspicionTimer(deadline: deadline, place: place, stamp: lastSuspicionStamp))
    }

    /// The timer stays in the heap for the seconds until it is due, and then finds that it means nothing.
    mutating func endSuspicion(at place: MemberTable.Place) {
        table[place].suspicion = nil
    }

    /// Another member accuses it of the same incarnation.
    mutating func confirmSuspicion(at place: MemberTable.Place, by accuser: NodeName?) {
        guard let accuser, let accusers = table[place].suspicion?.accusers, !accusers.contains(accuser),
            accusers.count < Suspicion.accusersMax
        else { return }
        table[place].suspicion?.accusers.append(accuser)
    }

    /// Half of the time that the suspect has to refute is over: another's verdict may end the other half, which is where
    /// all that heard of the suspicion in time are when the first of them passes it.
    func isTried(_ place: MemberTable.Place, at now: Instant) -> Bool {
        guard let suspicion = table[place].suspicion else { return false }
        return suspicion.deadline - now <= suspicionTimeout / 2
    }

    mutating func expireSuspicions(_ turn: inout Turn<some RandomNumberGenerator>) {
        while let timer = suspicionTimers.min, timer.deadline <= turn.now {
            suspicionTimers.removeMin()
            guard table[timer.place].suspicion?.stamp == timer.stamp else { continue }
            let claim = table[timer.place].claim.accused(.crashed, by: identity)
            adopt(claim, at: timer.place, from: identity, &turn)
        }
    }
}
