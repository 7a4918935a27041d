import Placement
import Resources
import Vocabulary

/// What a change of the membership would make convergence move, worked out beforehand by the rule that convergence
/// itself keeps (DESIGN §6): each new owner of a group fetches what it does not hold of it.
///
/// The cost is one look at the owners, before and after, for each group that is held.
public struct MovePlan: Hashable, Sendable {
    public enum Change: Hashable, Sendable {
        /// A member drains and leaves: it goes when the others have the copies.
        case leave(NodeName)
        /// A member is gone, with its disk.
        case fail(NodeName)
        case join(Candidate)
    }

    /// Resources (names whose head is live) and the bytes of all their versions.
    public struct Amount: Hashable, Sendable {
        public var resources = 0
        public var bytes: UInt64 = 0

        public init(resources: Int = 0, bytes: UInt64 = 0) {
            self.resources = resources
            self.bytes = bytes
        }

        mutating func add(_ resources: Int, _ bytes: UInt64) {
            self.resources &+= resources
            self.bytes &+= bytes
        }
    }

    /// What each member would fetch; those that would fetch nothing are not in it.
    public private(set) var fetched: [NodeName: Amount] = [:]
    /// What each member would drop once its new owners have it. Who leaves or fails drops nothing.
    public private(set) var dropped: [NodeName: Amount] = [:]
    /// What would be on fewer nodes than there are to be copies, as there would not be enough members.
    public private(set) var short = Amount()

    public var total: Amount {
        fetched.values.reduce(into: Amount()) { $0.add($1.resources, $1.bytes) }
    }

    /// - Parameters:
    ///   - ring: the eligible members now.
    ///   - replicas: how many owners a group has.
    ///   - holdings: what each member holds, as far as it could be asked; of members that hold different parts of a
    ///     group the one that holds most counts.
    public init(_ change: Change, ring: Ring, replicas: Int, holdings: [NodeName: [GroupSummary]]) {
        let after = Self.ring(after: change, ring)
        var gone: NodeName?
        switch change {
        case .leave(let name), .fail(let name): gone = name
        case .join: break
        }
        for (key, held) in Self.byGroup(holdings) {
            guard let whole = held.values.max(by: { ($0.bytes, $0.resources) < ($1.bytes, $1.resources) }) else {
                continue
            }
            let owners = after.owners(of: key.slot, home: key.home, count: replicas)
            for owner in owners {
                // What is there already, as on a node that owned it before, is recognised by its digest.
                let there = held[owner] ?? GroupSummary(key: key)
                let bytes = whole.bytes - min(whole.bytes, there.bytes)
                let resources = max(0, whole.resources &- there.resources)
                if bytes > 0 || resources > 0 { fetched[owner, default: Amount()].add(resources, bytes) }
            }
            for (holder, part) in held where holder != gone && !owners.contains(holder) {
                dropped[holder, default: Amount()].add(part.resources, part.bytes)
            }
            if owners.count < replicas { short.add(whole.resources, whole.bytes) }
        }
    }

    public static func ring(after change: Change, _ ring: Ring) -> Ring {
        switch change {
        case .leave(let name), .fail(let name): Ring(ring.candidates.filter { $0.name != name })
        case .join(let candidate): Ring(ring.candidates.filter { $0.name != candidate.name } + [candidate])
        }
    }

    private static func byGroup(_ holdings: [NodeName: [GroupSummary]]) -> [GroupKey: [NodeName: GroupSummary]] {
        var groups: [GroupKey: [NodeName: GroupSummary]] = [:]
        for (node, summaries) in holdings {
            for summary in summaries where !summary.isEmpty { groups[summary.key, default: [:]][node] = summary }
        }
        return groups
    }
}
