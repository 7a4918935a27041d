import Vocabulary

/// One change in this node's view of one member, told exactly once.
public struct MemberEvent: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
        /// Seen for the first time (or again after it was forgotten), and not departed.
        case joined
        /// It did not answer somebody.
        case suspected
        /// It refuted a suspicion. With this node's own name: this node refuted what was said of it.
        case refuted
        /// It was suspected and did not refute in time.
        case crashed
        /// It said farewell.
        case left
        /// It is back: from crashed or left, or under a greater boot epoch before anybody missed it.
        case returned
        /// It told of another address, other metadata, draining, restarting, or serving again.
        case updated
        /// It lives, as others say or TLS shows, but its datagrams and this node's do not pass: seen from here alone.
        case unreachable
        /// Datagrams pass again.
        case reachable
        /// All members of a zone are gone at once: the one event of it, in place of a crash of each. `claim` is that of
        /// the first who was judged.
        case zoneUnreachable = "zone_unreachable"
        /// One of that zone is back.
        case zoneReachable = "zone_reachable"
        /// Another host claims this node's name. Told to both holders.
        case conflict
    }

    public let kind: Kind
    /// What is now believed of the member; for a conflict what the other holder claims.
    public let claim: Claim
    /// What was believed before; `nil` at first sight.
    public let previous: Status?
    /// Who said it: the accuser, or the member itself, or this node when it is its own finding.
    public let by: NodeName
    /// From whom this node heard it (its own name when it is its own finding).
    public let heardFrom: NodeName
    public let at: Instant
    /// A crash that is part of its zone's, and told by that event.
    public var isPartOfZone = false
    /// How it came about, as far as this node saw; the latest last.
    public var findings: [Finding] = []

    public var name: NodeName { claim.name }
    public var endpoint: Endpoint { claim.endpoint }
    public var epoch: UInt64 { claim.epoch }
    public var incarnation: Incarnation { claim.incarnation }
    public var status: Status { claim.status }
}
