import Gossip
import Logging
import NIOConcurrencyHelpers
import SWIM
import TLS
import Vocabulary

/// Why a claim was not believed; the raw texts are the labels of the metric.
enum ClaimRefusal: String, Sendable, CaseIterable {
    /// A member's statement without its signature.
    case unsigned
    /// Signed with a certificate that is not known here (yet).
    case unknownCertificate = "unknown_certificate"
    /// The certificate is past its end, or before its beginning.
    case expiredCertificate = "expired_certificate"
    case forged
    /// The boot epoch lies further ahead than clocks can differ.
    case epochAhead = "epoch_ahead"
    case incarnationJump = "incarnation_jump"
    /// Somebody else's word that a member has left: only its own counts. (A revocation has its own way.)
    case foreignFarewell = "foreign_farewell"
    /// A claim about this node with an incarnation that it has not reached.
    case ownIncarnation = "own_incarnation"
    /// Not looked at: its teller has told too many forged ones, or too many came by datagrams.
    case tooMany = "too_many"
}

/// The way in of every claim, by datagram or by exchange: what a member says of itself counts only with the signature of
/// its certificate. So others can accuse a member, and it can answer; nobody can speak for it, move it or make it leave.
///
/// Each statement is verified once: what SWIM's own table has comes from here, so a claim that repeats a statement of the
/// table, with whatever accusation, is compared and no more (that is nearly all that arrives). What the table's claim
/// supersedes changes nothing there, and is not verified either.
final class ClaimVerifier: Sendable {
    /// Clocks of hosts differ by less; a boot epoch beyond it would outlast every later start of its name.
    static let epochAheadMax: UInt64 = 24 * 3600 * 1000

    struct Judgement {
        /// To be believed.
        var admitted: [Claim] = []
        /// Signed with certificates that are not known here: they may be admitted once those are.
        var unknown: [Claim] = []
        /// Another address for the name of a member that is present: whose it is has to be asked there.
        var contested: [Claim] = []
        /// Suspects about whom something new came that was not looked at, since there is too much to verify: it may be a
        /// refutation, and a suspect without one is condemned.
        var unheard: Set<NodeName> = []
    }

    struct Counts: Sendable {
        var verified: UInt64 = 0
        var refused: [ClaimRefusal: UInt64] = [:]
    }

    private struct State {
        var budget: VerificationBudget
        var counts = Counts()
        var warned: [ClaimRefusal: Instant] = [:]
    }

    private let me: NodeName
    private let cluster: ClusterName
    private let book: CertificateBook
    private let log: Logger
    private let wallMilliseconds: @Sendable () -> UInt64
    private let clock: @Sendable () -> Instant
    private let state: NIOLockedValueBox<State>

    init(
        me: NodeName, cluster: ClusterName, book: CertificateBook, log: Logger,
        wallMilliseconds: @escaping @Sendable () -> UInt64 = { WallClock.milliseconds },
        clock: @escaping @Sendable () -> Instant = { NodeDriver.now }
    ) {
        self.me = me
        self.cluster = cluster
        self.book = book
        self.log = log
        self.wallMilliseconds = wallMilliseconds
        self.clock = clock
        state = NIOLockedValueBox(State(budget: VerificationBudget(at: clock())))
    }

    var counts: Counts { state.withLockedValue { $0.counts } }

    /// - Parameters:
    ///   - known: what the membership has of these names now, this node included.
    ///   - isProven: the teller showed its certificate; on a datagram its name is only what the datagram says.
    func judge(
        _ claims: [Claim], from teller: NodeName, isProven: Bool = false, known: [NodeName: Claim]
    ) -> Judgement {
        let teller = VerificationBudget.Teller(name: teller, isProven: isProven)
        var judgement = Judgement()
        for claim in claims { judge(claim, from: teller, known[claim.name], into: &judgement) }
        return judgement
    }

    private func judge(
        _ claim: Claim, from teller: VerificationBudget.Teller, _ known: Claim?, into judgement: inout Judgement
    ) {
        if let known, claim.precedence < known.precedence, claim.name != me {
            // Nothing of it counts; but who still tells an accusation that was refuted is told the refutation.
            if claim.status.isAccusation { judgement.admitted.append(claim) }
            return
        }
        if let refusal = bounds(claim, from: teller, known) { return refuse(claim, from: teller, refusal) }
        if !needsSignature(claim, from: teller, known) { return judgement.admitted.append(claim) }
        switch verify(claim, from: teller) {
        case .none: break
        case .unknownCertificate:
            refuse(claim, from: teller, .unknownCertificate)
            return judgement.unknown.append(claim)
        case .some(let refusal):
            if refusal == .tooMany, claim.name != me, known?.status == .suspect { judgement.unheard.insert(claim.name) }
            return refuse(claim, from: teller, refusal)
        }
        let isContested =
            claim.name != me && known.map { Self.isContested(claim, against: $0) } ?? false
        if isContested { judgement.contested.append(claim) } else { judgement.admitted.append(claim) }
    }

    /// Two hosts under one name, or one that has moved.
    static func isContested(_ claim: Claim, against known: Claim) -> Bool {
        !known.status.isDeparted && claim.epoch > known.epoch && claim.endpoint != known.endpoint
    }

    /// What no signature would make good.
    private func bounds(_ claim: Claim, from teller: VerificationBudget.Teller, _ known: Claim?) -> ClaimRefusal? {
        let latest = wallMilliseconds().addingReportingOverflow(Self.epochAheadMax)
        if !latest.overflow, claim.epoch > latest.partialValue { return .epochAhead }
        if claim.isVerdictOfFarewell, claim.name != me { return .foreignFarewell }
        guard let known, claim.epoch == known.epoch else { return nil }
        if claim.name == me {
            // Only this node raises its incarnation: one that is ahead is made up, and the greatest of all could never
            // be answered by a greater one.
            return claim.incarnation > known.incarnation ? .ownIncarnation : nil
        }
        // One that was out of reach for days, and accused all the while, may be as far: what it then says itself, on its
        // own connection, ends that. Else the two sides of a healed partition would never agree on it.
        if teller.isProven, teller.name == claim.name, known.status.isAccusation { return nil }
        let (bound, isBeyond) = known.incarnation.number.addingReportingOverflow(Membership.incarnationJumpMax)
        return !isBeyond && claim.incarnation.number > bound ? .incarnationJump : nil
    }

    private func needsSignature(_ claim: Claim, from teller: VerificationBudget.Teller, _ known: Claim?) -> Bool {
        guard let known else { return true }
        if claim.name == me {
            // Accusations may come from anybody, and what is behind the present life is answered by it. Another life
            // under this name, told of as a conflict, has to be one.
            if claim.epoch == known.epoch { return !claim.status.isAccusation && claim.precedence > known.precedence }
            return claim.epoch > known.epoch || teller.name == me
        }
        return known.signature == nil || claim.statement != known.statement
    }

    private func verify(_ claim: Claim, from teller: VerificationBudget.Teller) -> ClaimRefusal? {
        guard let signature = claim.signature else { return .unsigned }
        guard let (id, raw) = ClaimStatement.parts(of: signature) else { return .forged }
        guard let certificate = book.certificate(id, of: claim.name) else { return .unknownCertificate }
        let seconds = Int64(clamping: wallMilliseconds() / 1000)
        guard certificate.notBefore <= seconds, seconds <= certificate.notAfter else { return .expiredCertificate }
        let now = clock()
        guard state.withLockedValue({ $0.budget.take(teller, at: now) }) else { return .tooMany }
        guard certificate.verifies(raw, of: ClaimStatement.text(of: claim, in: cluster)) else {
            state.withLockedValue { $0.budget.wasWrong(teller, at: now) }
            return .forged
        }
        state.withLockedValue { $0.counts.verified &+= 1 }
        return nil
    }

    /// At most one line in the log for each reason in this time: who forges must not fill the disk.
    private static let warningPause = Duration.seconds(60)

    private func refuse(_ claim: Claim, from teller: VerificationBudget.Teller, _ refusal: ClaimRefusal) {
        let now = clock()
        let isTimeToSay = state.withLockedValue { state in
            state.counts.refused[refusal, default: 0] &+= 1
            // What is only not known yet is asked for, and no reason to worry.
            guard refusal != .unknownCertificate else { return false }
            if let last = state.warned[refusal], now - last < Self.warningPause { return false }
            state.warned[refusal] = now
            return true
        }
        guard isTimeToSay else { return }
        log.warning(
            "did not believe a claim",
            metadata: ["claim": "\(claim)", "from": "\(teller.name)", "reason": "\(refusal.rawValue)"])
    }
}
