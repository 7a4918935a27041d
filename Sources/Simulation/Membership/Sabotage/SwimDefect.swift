import SWIM
import Vocabulary

/// A mistake that an implementation of the protocol could make. It is planted from outside: into the settings, into what
/// a member hears, or into what it says. The core knows nothing of it, so what is checked is what ships.
public enum SwimDefect: String, Sendable, Hashable, CaseIterable {
    // The clockwork.
    case suspicionNeverEnds = "suspicion-never-ends"
    case suspicionTooShort = "suspicion-too-short"
    case suspicionNeverShrinks = "suspicion-never-shrinks"
    case sameOrderEverywhere = "same-order-everywhere"
    // Probing.
    case noAck = "no-ack"
    case wrongSequence = "wrong-sequence"
    case relayRefused = "relay-refused"
    case relayedAckKept = "relayed-ack-kept"
    case nackLate = "nack-late"
    case nackNever = "nack-never"
    case answersForOthers = "answers-for-others"
    case stallUntold = "stall-untold"
    case fallbackVouches = "fallback-vouches"
    // The judge's own health.
    case healthIgnored = "health-ignored"
    case healthNeverFalls = "health-never-falls"
    // News.
    case newsUntold = "news-untold"
    case newsWithoutEnd = "news-without-end"
    case gossipWithoutNews = "gossip-without-news"
    case datagramOverfull = "datagram-overfull"
    case oneselfUntold = "oneself-untold"
    case drainingUntold = "draining-untold"
    case restartUntold = "restart-untold"
    case farewellUntold = "farewell-untold"
    // Accusation and refutation.
    case buddyForgotten = "buddy-forgotten"
    case refutationUnnumbered = "refutation-unnumbered"
    case accuserForged = "accuser-forged"
    // Precedence.
    case suspicionOutranks = "suspicion-outranks"
    case hearsayInflates = "hearsay-inflates"
    case verdictOfOldIncarnation = "verdict-of-old-incarnation"
    case oldLeaveReplayed = "old-leave-replayed"
    case epochKept = "epoch-kept"
    // Who and where.
    case addressKept = "address-kept"
    case namesakeHidden = "namesake-hidden"
    // Reconciling.
    case exchangeOfOneself = "exchange-of-oneself"
    case departedGivenUp = "departed-given-up"

    /// What is wrong, in a line.
    public var story: String {
        switch self {
        case .suspicionNeverEnds: "a suspicion lasts a hundred times log n periods"
        case .suspicionTooShort: "a suspicion lasts one period"
        case .suspicionNeverShrinks: "a suspicion lasts its longest, however many confirm it"
        case .sameOrderEverywhere: "every draw comes out the same: nobody's list is shuffled"
        case .noAck: "no ping is answered"
        case .wrongSequence: "an ack carries the next number"
        case .relayRefused: "nobody pings for another"
        case .relayedAckKept: "who pinged for another keeps the answer"
        case .nackLate: "a nack goes out 400 ms late"
        case .nackNever: "a nack never goes out"
        case .answersForOthers: "whoever has the address answers, under the name that was asked for"
        case .stallUntold: "that a host takes connections goes unheard"
        case .fallbackVouches: "whoever is asked for over TLS is said to have answered"
        case .healthIgnored: "a node that hears nobody judges like any other"
        case .healthNeverFalls: "an accusation makes up for each probe that would better one's health score"
        case .newsUntold: "datagrams carry no claims"
        case .newsWithoutEnd: "each piece of news is told 25 times as often as it should be"
        case .gossipWithoutNews: "with each ping, everybody is told what all know"
        case .datagramOverfull: "datagrams carry the whole list, three times"
        case .oneselfUntold: "datagrams never carry their sender's own claim"
        case .drainingUntold: "a draining member goes on saying that it serves"
        case .restartUntold: "a restarting member goes on saying that it serves"
        case .farewellUntold: "a leaver says nothing"
        case .buddyForgotten: "what a member is accused of never reaches it"
        case .refutationUnnumbered: "a refutation does not raise the incarnation"
        case .accuserForged: "who passes an accusation on signs it"
        case .suspicionOutranks: "an accusation is passed on under the next incarnation"
        case .hearsayInflates: "each retelling of an alive member raises its incarnation"
        case .verdictOfOldIncarnation: "a verdict is told under the incarnation before"
        case .oldLeaveReplayed: "an old farewell is told again under the present incarnation"
        case .epochKept: "a new life says that it is the first one"
        case .addressKept: "a member that moved is still looked for where it was"
        case .namesakeHidden: "another holder of one's own name goes unheard"
        case .exchangeOfOneself: "an exchange tells of oneself only"
        case .departedGivenUp: "nobody calls the crashed"
        }
    }

    /// What must catch it.
    public var check: SwimCheck {
        switch self {
        case .suspicionNeverEnds, .newsUntold, .fallbackVouches: .knownInTime
        case .suspicionNeverShrinks: .confirmationsShorten
        case .healthIgnored: .deafAccusesNobody
        case .healthNeverFalls: .healthComesBack
        case .sameOrderEverywhere: .promptOnAverage
        case .noAck, .wrongSequence: .noFalseAlarm
        case .relayRefused, .relayedAckKept: .helpersVouch
        case .nackLate, .nackNever: .helpersAnswer
        case .suspicionTooShort, .buddyForgotten, .refutationUnnumbered: .pausedIsNotCondemned
        case .stallUntold: .stalledIsTolerated
        case .answersForOthers: .addressIsNotIdentity
        case .newsWithoutEnd, .gossipWithoutNews: .quietAgain
        case .datagramOverfull: .datagramsFit
        case .oneselfUntold, .drainingUntold: .updateReachesAll
        case .restartUntold: .restartIsTolerated
        case .farewellUntold: .leftIsLeft
        case .accuserForged: .accuserIsReal
        case .suspicionOutranks, .hearsayInflates: .incarnationIsOwn
        case .verdictOfOldIncarnation: .neverBack
        case .oldLeaveReplayed: .leftMayReturn
        case .epochKept: .crashedMayReturn
        case .addressKept: .movedIsFound
        case .namesakeHidden: .namesakeIsNoticed
        case .exchangeOfOneself: .newcomerKnowsAll
        case .departedGivenUp: .cutHeals
        }
    }

    func spoil(_ settings: inout Membership.Settings) {
        if self == .suspicionNeverEnds { settings.suspicionMultiplier = 100 }
        if self == .suspicionTooShort { settings.suspicionMultiplier = 1 }
        if self == .suspicionNeverShrinks {
            settings.suspicionMultiplier *= settings.suspicionMaxMultiplier
            settings.suspicionMaxMultiplier = 1
        }
        if self == .healthIgnored { settings.caution = .none }
        if self == .newsWithoutEnd { settings.retransmitMultiplier = 100 }
    }
}
