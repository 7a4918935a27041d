import SWIM
import Vocabulary

/// Who of those that nobody has given up has been heard since a moment.
///
/// Until a member's silence becomes a verdict it counts as present, and where most have gone at once that takes long.
struct RollCall: Sendable {
    /// Heard since, and accused of nothing; this node included.
    private(set) var here = 1
    private(set) var suspects = 0
    private(set) var unheard = 0

    /// Of a thousand members one hears from a few dozen in half a minute. Were half of all gone, the first so many of them
    /// to be heard of would all be here once in 256 times, and suspicions tell of those who are not.
    static let unheardMax = 8

    init(of members: [Member], me: NodeName, since moment: Instant) {
        for member in members where member.name != me && !member.status.isDeparted {
            if member.status == .suspect {
                suspects += 1
            } else if member.lastHeard.map({ $0 > moment }) ?? false {
                here += 1
            } else {
                unheard += 1
            }
        }
    }

    /// Whether no more than are here can be missing.
    ///
    /// - Parameter missing: those whose crash is known, and who keep their places.
    func isAnswered(missing: Int) -> Bool { here >= missing + suspects + min(unheard, Self.unheardMax) }
}
