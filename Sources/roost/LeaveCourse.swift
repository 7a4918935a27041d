import Client

/// How far a leave is, by what the agent says of itself again and again.
struct LeaveCourse {
    /// The most that was left at any look: the first ones may come before the agent has begun.
    private var total = API.Handover(resources: 0, bytes: 0)
    private var movedBefore: UInt64?

    mutating func look(at status: API.Status, _ bar: ProgressBar) {
        let moved = status.moves.bytes &- (movedBefore ?? status.moves.bytes)
        movedBefore = movedBefore ?? status.moves.bytes
        // An agent that is older tells no bytes; what it has not dropped yet counts as left.
        var left = status.handover ?? API.Handover(resources: 0, bytes: 0)
        if status.handover == nil, status.phase == .draining {
            left.resources = status.resources.misplaced &+ status.resources.underReplicated
        }
        left.resources = max(0, left.resources)
        if left.resources > total.resources { total.resources = left.resources }
        if left.bytes > total.bytes { total.bytes = left.bytes }
        guard total.resources > 0 else { return bar.update(text: "\(HumanUnits.bytes(moved)) moved") }
        bar.update(
            total.resources - left.resources, of: total.resources, unit: "resources",
            detail: total.bytes > 0
                ? "\(HumanUnits.bytes(total.bytes - left.bytes)) of \(HumanUnits.bytes(total.bytes))"
                : "\(HumanUnits.bytes(moved)) moved")
    }
}
