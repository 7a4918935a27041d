import Placement
import Relocation
import SWIM
import Vocabulary

/// Who counts for what, given the member list: the bridge from membership to placement (DESIGN §5).
///
/// Eligible to own: alive, suspect, restarting, or crashed for less than `relocation.delay` (longer for one that comes and
/// goes: `Flaps`; and where more are missing than are here: `PlacesKept`); not draining; weight above 0. Worth a call:
/// alive, suspect or draining.
///
/// A node that heard of a crash otherwise than by seeing it, or by whoever let it in, does not count the member as an
/// owner: the others may have given its place away long ago, and while they have not, it can not be called all the same.
struct Standing {
    let view: View
    /// When the next crashed member stops being eligible.
    let eligibilityEnds: Instant?

    init(
        members: [Member], me: NodeMachine.Identity, isDraining: Bool, placesKept: PlacesKept, now: Instant
    ) {
        var candidates: [Candidate] = []
        var contactable: [NodeName] = []
        var doubtful: [NodeName] = []
        var restarting: [NodeName] = []
        var ends: Instant?
        if !isDraining {
            candidates.append(Candidate(me.name, me.metadata))
        }
        for member in members where member.name != me.name {
            let eligible: Bool
            switch member.status {
            case .alive, .restarting: eligible = true
            case .draining, .left: eligible = false
            case .suspect: eligible = member.intent != .draining
            case .crashed:
                let end = placesKept.end(of: member.name) ?? now
                eligible = now < end && member.intent != .draining
                if eligible { ends = ends.map { min($0, end) } ?? end }
            }
            if eligible {
                candidates.append(Candidate(member.name, member.metadata))
            }
            switch member.status {
            case .alive, .draining: contactable.append(member.name)
            case .suspect:
                contactable.append(member.name)
                doubtful.append(member.name)
            case .restarting: restarting.append(member.name)
            case .crashed, .left: break
            }
        }
        view = View(
            ring: Ring(candidates), contactable: contactable, doubtful: doubtful, restarting: restarting)
        eligibilityEnds = ends
    }
}

extension Candidate {
    /// What a member says of itself decides what it is to own.
    public init(_ name: NodeName, _ metadata: Metadata) {
        self.init(name: name, weight: metadata.weight, zone: metadata.zone)
    }
}
