import SWIM
import Vocabulary

/// Until when each crashed member keeps its place as an owner.
///
/// How long ago a member crashed only those know who were there, and who comes in hears it from whoever lets it in: were
/// the newcomer to reckon without the member, and that one to come back, two rings would be at work meanwhile, each of
/// which has other owners.
///
/// Where more are missing at once than are left, this is the smaller side of a cut, most likely: places are kept for as
/// long as that is so, since to copy everything onto the few would be in vain. Who goes for good one after the other has
/// lost its place before the next one goes, and does not count; after a true loss of the greater part, an operator who
/// forgets members for good makes the rest whole.
///
/// Verdicts on those who went together may be half a minute apart, since whoever misses most of the others doubts itself
/// first. So the first of them does not lose its place for want of the others' verdicts: who is here must have shown so
/// since (`RollCall`).
struct PlacesKept: Sendable {
    /// Those whose crash this node saw happen.
    private(set) var witnessed: Set<NodeName> = []
    private var flaps = Flaps()
    private var kept: [NodeName: Kept] = [:]
    /// Whether more members are missing, and keep their places, than are here.
    private(set) var isOutnumbered = false

    private struct Kept: Sendable {
        /// When the member was found to have crashed, or this node was told so.
        let since: Instant
        var end: Instant
    }

    /// Until it is looked again whether those who have not shown that they are here have done so.
    static let nextLook = Duration.seconds(1)

    /// - Parameters:
    ///   - delay: what a first crash is waited out for.
    ///   - limit: what none is waited out longer than; less than `delay` counts as equal.
    mutating func crashed(_ name: NodeName, at now: Instant, delay: Duration, limit: Duration) {
        witnessed.insert(name)
        flaps.crashed(name, at: now, delay: delay, limit: limit)
        kept[name] = Kept(since: now, end: now + (flaps.delay(of: name) ?? delay))
    }

    /// Something else happened to the member: it is not as it was when it crashed.
    mutating func changed(_ name: NodeName) {
        witnessed.remove(name)
        kept[name] = nil
    }

    /// Takes another's word for how much longer it keeps the places of members whose crash it saw.
    ///
    /// - Parameter limit: no place is kept for longer, whatever is told.
    mutating func heard(
        _ told: [NodeName: Duration], at now: Instant, limit: Duration, whereCrashed isCrashed: (NodeName) -> Bool
    ) {
        for (name, left) in told where !witnessed.contains(name) && left > .zero && isCrashed(name) {
            kept[name] = Kept(since: now, end: now + min(left, limit))
        }
    }

    /// Who is no member any more has no record either: the tables are bounded as the members are.
    mutating func keep(whereMember isMember: (NodeName) -> Bool, whereCrashed isCrashed: (NodeName) -> Bool) {
        witnessed = witnessed.filter(isCrashed)
        kept = kept.filter { isCrashed($0.key) }
        flaps.keep(where: isMember)
    }

    /// Takes from those whose time is over their places, or keeps them for longer where more are missing than are here, or
    /// may be.
    ///
    /// - Parameters:
    ///   - members: all that are known, this node included.
    ///   - delay: what a first crash is waited out for. With none, who went has lost its place before it is missed.
    mutating func settle(among members: [Member], me: NodeName, at now: Instant, delay: Duration) {
        let wasOutnumbered = isOutnumbered
        isOutnumbered = kept.count > members.count { !$0.status.isDeparted }
        if isOutnumbered {
            for name in due(at: now) { kept[name]?.end = now + delay }
        } else if wasOutnumbered {
            // One is back, and the others are on their way, most likely.
            for (name, place) in kept { kept[name]?.end = max(place.end, now + delay) }
        } else {
            let missing = kept.count
            for name in due(at: now) {
                guard let since = kept[name]?.since, delay > .zero,
                    !RollCall(of: members, me: me, since: since).isAnswered(missing: missing)
                else {
                    kept[name] = nil
                    continue
                }
                kept[name]?.end = now + Self.nextLook
            }
        }
    }

    private func due(at now: Instant) -> [NodeName] { kept.filter { $0.value.end <= now }.map(\.key) }

    /// When the member loses its place; `nil` when it has none to lose.
    func end(of name: NodeName) -> Instant? { kept[name]?.end }

    /// How much longer each keeps its place: what a newcomer is told.
    func left(at now: Instant) -> [NodeName: Duration] {
        kept.compactMapValues { place in place.end > now ? place.end - now : nil }
    }
}
