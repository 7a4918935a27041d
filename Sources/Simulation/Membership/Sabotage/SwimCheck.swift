import SWIM
import Vocabulary

/// A law of the membership, or a bound on it, with a scenario in which it must hold. Each is there to catch some
/// `SwimDefect`, and holds where none is planted.
public enum SwimCheck: String, Sendable, Hashable, CaseIterable {
    case knownInTime = "known-in-time"
    case confirmationsShorten = "confirmations-shorten"
    case promptOnAverage = "prompt-on-average"
    case noFalseAlarm = "no-false-alarm"
    case helpersVouch = "helpers-vouch"
    case helpersAnswer = "helpers-answer"
    case pausedIsNotCondemned = "paused-is-not-condemned"
    case stalledIsTolerated = "stalled-is-tolerated"
    case deafAccusesNobody = "deaf-accuses-nobody"
    case healthComesBack = "health-comes-back"
    case leftIsLeft = "left-is-left"
    case leftMayReturn = "left-may-return"
    case crashedMayReturn = "crashed-may-return"
    case movedIsFound = "moved-is-found"
    case addressIsNotIdentity = "address-is-not-identity"
    case namesakeIsNoticed = "namesake-is-noticed"
    case updateReachesAll = "update-reaches-all"
    case restartIsTolerated = "restart-is-tolerated"
    case newcomerKnowsAll = "newcomer-knows-all"
    case cutHeals = "cut-heals"
    case quietAgain = "quiet-again"
    case datagramsFit = "datagrams-fit"
    case incarnationIsOwn = "incarnation-is-own"
    case neverBack = "never-back"
    case accuserIsReal = "accuser-is-real"

    /// What must hold.
    public var law: String {
        switch self {
        case .knownInTime: "16 members: a power loss is suspected within 5 s and known by all within 15 s"
        case .confirmationsShorten: "16 members: who is gone for all of them is so within 7 s of the first suspicion"
        case .promptOnAverage: "16 members: over 8 power losses, the first suspicion comes after 3 s on the average"
        case .noFalseAlarm: "without loss, nobody is suspected, and datagrams reach everybody"
        case .helpersVouch: "two members that do not reach each other are not even suspected"
        case .helpersAnswer: "without loss, a helper says in time what it found, 9 times of 10"
        case .pausedIsNotCondemned: "a pause of 3.5 s brings no verdict, also where datagrams are all that passes"
        case .stalledIsTolerated:
            "a process that stands still for 20 s is not condemned while its host takes connections"
        case .deafAccusesNobody: "who blocks on its messages for 10 s accuses nobody of that silence"
        case .healthComesBack: "and a minute later its health score is 0 again"
        case .leftIsLeft: "a farewell is known by all within 3 s, and nobody takes it for a crash"
        case .leftMayReturn: "who left and came back is not called left again"
        case .crashedMayReturn: "who crashed and starts again is present in every view within 30 s"
        case .movedIsFound: "who comes back elsewhere is known by all to be there within 30 s"
        case .addressIsNotIdentity: "who is dead is known to be, though another has its address"
        case .namesakeIsNoticed: "a second host of the same name is reported within 30 s"
        case .updateReachesAll: "that a member drains is known by all within 5 s"
        case .restartIsTolerated: "who announced a restart is not suspected for its silence of 20 s"
        case .newcomerKnowsAll: "a newcomer knows all 16 within 3 s"
        case .cutHeals: "halves that were apart for a minute are one within 60 s"
        case .quietAgain: "news goes round and ends: a member sends at most 3 datagrams a second in the 30 s after it"
        case .datagramsFit: "no datagram is larger than 1,400 bytes when sealed"
        case .incarnationIsOwn: "nobody is said to have an incarnation that it has not reached itself"
        case .neverBack: "what a member says of another never goes back"
        case .accuserIsReal: "who is said to accuse has itself found so"
        }
    }

    /// Some defects show only where chance helps.
    public static let seeds: ClosedRange<UInt64> = 1...4

    /// The first violation in any of the seeds; `nil`: it held.
    public func violation(with defect: SwimDefect?) throws -> String? {
        for seed in Self.seeds {
            if let violation = try violation(with: defect, seed: seed) { return "seed \(seed): \(violation)" }
        }
        return nil
    }

    private func violation(with defect: SwimDefect?, seed: UInt64) throws -> String? {
        var trial = try SwimTrial(defect, seed: seed)
        switch self {
        case .knownInTime: return trial.knownInTime()
        case .confirmationsShorten: return trial.confirmationsShorten()
        case .promptOnAverage: return try SwimTrial.promptOnAverage(defect, seed: seed)
        case .noFalseAlarm: return trial.noFalseAlarm()
        case .helpersVouch: return trial.helpersVouch()
        case .helpersAnswer: return trial.helpersAnswer()
        case .pausedIsNotCondemned: return trial.pausedIsNotCondemned()
        case .stalledIsTolerated: return trial.stalledIsTolerated()
        case .deafAccusesNobody: return trial.deafAccusesNobody()
        case .healthComesBack: return trial.healthComesBack()
        case .leftIsLeft: return trial.leftIsLeft()
        case .leftMayReturn: return trial.leftMayReturn()
        case .crashedMayReturn: return trial.crashedMayReturn()
        case .movedIsFound: return try trial.movedIsFound()
        case .addressIsNotIdentity: return trial.addressIsNotIdentity()
        case .namesakeIsNoticed: return try trial.namesakeIsNoticed()
        case .updateReachesAll: return trial.updateReachesAll()
        case .restartIsTolerated: return trial.restartIsTolerated()
        case .newcomerKnowsAll: return try trial.newcomerKnowsAll()
        case .cutHeals: return trial.cutHeals()
        case .quietAgain: return try trial.quietAgain()
        case .datagramsFit: return trial.datagramsFit()
        case .incarnationIsOwn: return trial.incarnationIsOwn()
        case .neverBack: return trial.neverBack()
        case .accuserIsReal: return trial.accuserIsReal()
        }
    }
}
