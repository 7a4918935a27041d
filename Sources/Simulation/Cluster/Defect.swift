/// Faults planted on purpose, in the simulation only, to show that the laws can be broken and that the harness sees it.
///
/// Each takes hold where the host carries out what the cores decide, or where it tells them of the world: the cores know
/// nothing of them, so what is checked is what ships.
public enum Defect: String, Hashable, Sendable, CaseIterable {
    // Copies.
    case dropsUnconfirmed
    case oneConfirmsForAll
    case silenceConfirms
    case comparesHalf
    case leavesEarly
    case keepsInWordOnly
    case leftStaysInRing
    case neverReplaces
    case replacesAtOnce
    case losesFailedPulls
    case collectsShared
    // Acknowledgements.
    case acknowledgesAlone
    case countsSilence
    case countsOneForAll
    case confirmsUnsynced
    case writesUnsynced
    case pullsNoBytes
    case ignoresFullDisk
    // Rot.
    case trustsItsDisk
    case vouchesForWhatItLacks
    // Versions.
    case ignoresTombstones
    case forgetsTombstones
    case collectsUnasked
    case keepsWhatCameLast
    case losesConflicts
    case losesContext
    case clockGoesBack
    case reusesDots
    // Who may answer and judge.
    case newcomerVouches
    case servesWhateverIsHeld
    case deniesWhatItLacks
    case judgesAlone
    case judgesTooEarly
    case beginsUnasked
    case makesAgain
    case forwardsInCircles
    case neverRefutes

    /// What is wrong, in a line.
    public var story: String {
        switch self {
        case .dropsUnconfirmed: "what is not one's own is dropped at once, whoever may hold it"
        case .oneConfirmsForAll: "one owner's confirmation is taken for that of all"
        case .silenceConfirms: "a comparison without an answer counts as equal"
        case .comparesHalf: "every other slot is taken for equal, unseen"
        case .leavesEarly: "a drain ends before the copies are made"
        case .keepsInWordOnly: "who is asked to stand in for an owner says that it does, and fetches nothing"
        case .leftStaysInRing: "who left keeps its place as an owner"
        case .neverReplaces: "a crashed member keeps its place as an owner for an hour"
        case .replacesAtOnce: "a crashed member loses its place as an owner at once"
        case .losesFailedPulls: "a pull that fails is not reported"
        case .collectsShared: "bytes go with the first of the versions that need them"
        case .acknowledgesAlone: "a write is acknowledged when it is durable on its first node"
        case .countsSilence: "an offer without an answer counts as a copy"
        case .countsOneForAll: "one node's copy counts for each node that was asked"
        case .confirmsUnsynced: "an offered version is confirmed before the disk has it"
        case .writesUnsynced: "a transaction counts as done when it is written, not when it is synced"
        case .pullsNoBytes: "a record is kept without its bytes"
        case .ignoresFullDisk: "what a full disk refused counts as written"
        case .trustsItsDisk: "bytes are served as they lie on the disk"
        case .vouchesForWhatItLacks: "what was set aside is not fetched again, and vouched for as before"
        case .ignoresTombstones: "a merge leaves tombstones out"
        case .forgetsTombstones: "tombstones go after five seconds, whoever has heard of them"
        case .collectsUnasked: "a deleted name is forgotten when it is old enough, whoever has not heard of it"
        case .keepsWhatCameLast: "of two versions the one that came last is kept, be it the older one"
        case .losesConflicts: "a concurrent version goes without a trace"
        case .losesContext: "a version does not tell what its writer had seen"
        case .clockGoesBack: "versions are stamped with the wall clock alone"
        case .reusesDots: "the boot epoch does not grow from start to start"
        case .newcomerVouches: "a newcomer vouches for its slots before it has heard anybody"
        case .servesWhateverIsHeld: "a read is answered from whatever is held"
        case .deniesWhatItLacks: "whoever has nothing of a name says that there is none"
        case .judgesAlone: "a stand-in judges a write by its own copies"
        case .judgesTooEarly: "a precondition is checked before the writes ahead in line are made"
        case .beginsUnasked: "a write that was passed on is carried out, whether anybody still waits for it or not"
        case .makesAgain: "a put that may have been made is made again, whoever has built on it"
        case .forwardsInCircles: "a request forgets where it has been"
        case .neverRefutes: "a node does not hear what is said of itself"
        }
    }

    /// The numbers in DESIGN §2 of the laws that it breaks: one of them must be the first that is seen broken.
    public var laws: [Int] {
        switch self {
        case .dropsUnconfirmed, .ignoresTombstones: [1, 2, 3, 5, 6]
        case .oneConfirmsForAll, .silenceConfirms, .comparesHalf: [1, 2, 5, 6]
        case .leavesEarly, .keepsInWordOnly: [2]
        case .leftStaysInRing: [2, 5]
        case .neverReplaces, .losesFailedPulls, .neverRefutes: [5]
        case .replacesAtOnce: [7]
        case .collectsShared: [1, 2]
        case .acknowledgesAlone, .countsSilence, .countsOneForAll, .writesUnsynced: [1, 2]
        case .confirmsUnsynced: [1, 2, 6]
        case .pullsNoBytes: [1, 2, 5, 6]
        case .ignoresFullDisk: [1, 2]
        case .trustsItsDisk: [6]
        case .vouchesForWhatItLacks: [1, 2, 5]
        case .forgetsTombstones: [2, 3]
        case .collectsUnasked: [3, 5]
        case .keepsWhatCameLast: [1, 2, 3, 6]
        case .losesConflicts: [1, 2, 4, 5]
        case .losesContext, .judgesTooEarly: [4]
        case .beginsUnasked: [3, 4, 6]
        case .makesAgain: [3]
        case .clockGoesBack: [1, 2, 3, 4, 6]
        case .reusesDots: [1, 2, 4, 5, 6]
        case .newcomerVouches: [1, 3, 6]
        case .servesWhateverIsHeld: [3, 6]
        case .deniesWhatItLacks, .judgesAlone: [3, 4, 6]
        case .forwardsInCircles: [9]
        }
    }

    /// The faults in whose course it does harm. Some need none.
    public var faults: [FaultKind] {
        switch self {
        case .acknowledgesAlone, .writesUnsynced, .collectsShared, .ignoresTombstones, .forgetsTombstones,
            .losesContext, .judgesTooEarly, .deniesWhatItLacks, .forwardsInCircles:
            []
        case .confirmsUnsynced, .pullsNoBytes: [.kill, .powerCut, .slowDisk]
        case .ignoresFullDisk: [.fullDisk]
        case .trustsItsDisk, .vouchesForWhatItLacks: [.rot]
        case .countsSilence, .countsOneForAll, .reusesDots, .silenceConfirms: [.kill, .powerCut, .flap]
        case .neverReplaces, .judgesAlone, .collectsUnasked: [.kill, .powerCut]
        case .replacesAtOnce: [.kill, .flap, .restart, .slowDisk, .delay]
        case .dropsUnconfirmed, .oneConfirmsForAll, .comparesHalf, .servesWhateverIsHeld, .keepsWhatCameLast:
            [.kill, .leave, .join, .flap]
        case .leavesEarly, .leftStaysInRing: [.leave, .join]
        case .losesFailedPulls: [.kill, .flap, .fullDisk]
        case .keepsInWordOnly: [.leave, .fullDisk]
        case .losesConflicts: [.partition]
        case .clockGoesBack: [.clockJump]
        case .newcomerVouches: [.kill, .emptyDisk, .join, .flap]
        case .neverRefutes: [.pause]
        case .beginsUnasked: [.pause, .partition]
        case .makesAgain: [.pause, .kill]
        }
    }

    /// Within so many seeds, from 1 on, of `trial`: at least twice what it took when this was written.
    public var seeds: UInt64 {
        switch self {
        case .makesAgain: 80
        case .judgesAlone: 56
        case .countsOneForAll: 48
        case .oneConfirmsForAll: 24
        case .neverReplaces, .trustsItsDisk, .newcomerVouches, .silenceConfirms, .collectsUnasked: 16
        case .servesWhateverIsHeld: 8
        case .dropsUnconfirmed, .comparesHalf, .leavesEarly, .leftStaysInRing,
            .losesFailedPulls, .collectsShared, .acknowledgesAlone, .countsSilence, .confirmsUnsynced, .writesUnsynced,
            .pullsNoBytes, .ignoresFullDisk, .vouchesForWhatItLacks, .ignoresTombstones,
            .forgetsTombstones, .keepsWhatCameLast, .losesConflicts, .losesContext, .clockGoesBack, .reusesDots,
            .deniesWhatItLacks,
            .judgesTooEarly, .beginsUnasked, .forwardsInCircles, .neverRefutes, .replacesAtOnce, .keepsInWordOnly:
            4
        }
    }

    /// The schedule that shows it: a minute of `faults`, or four.
    public var trial: ClusterPlan {
        var plan = honestTrial
        plan.defects = [self]
        return plan
    }

    /// The same without the defect: it breaks no law.
    public var honestTrial: ClusterPlan {
        var plan = ClusterPlan()
        plan.minutes = 1...1
        plan.faults = .drawn(faults)
        // The seeds that show it are of such.
        plan.areAlike = true
        plan.features.keepsPlaces = self == .replacesAtOnce
        if self == .collectsUnasked {
            plan.features.tombstoneKeep = .seconds(20)
            plan.minutes = 4...4
        }
        // More would soon have overwritten what rots; fewer seldom build on what may have been made.
        if self == .vouchesForWhatItLacks { plan.clients = 1 }
        if self == .makesAgain { plan.clients = 16 }
        return plan
    }

    /// - Returns: the first seed that shows it, and what was seen first; `nil` when none of `seeds` does.
    public func find() throws -> (seed: UInt64, violation: Violation)? {
        for seed in 1...seeds {
            if let violation = try ClusterExperiment.run(seed: seed, trial).violations.first {
                return (seed, violation)
            }
        }
        return nil
    }
}
