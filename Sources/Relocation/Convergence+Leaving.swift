import Placement
import Resources
import Vocabulary

/// What a node that leaves has still to hand over, and what goes with its disk when it does not wait for that.
extension Convergence {
    /// Whether all that is held here is with every owner there is, or with who stands in for it: a drain may end. With nobody
    /// to take over, there is nothing to wait for; while the others are still looked for, there is.
    public var isDrained: Bool { groups.isEmpty || !isJoining && groups.shortCount == 0 }

    /// Resources that would be left here only: what a drain has still to hand over.
    public var resourcesShort: Int { isJoining ? groups.sums.weight : groups.sums.short }

    /// The bytes of all versions of those.
    public var bytesShort: UInt64 { isJoining ? groups.sums.bytes : groups.sums.shortBytes }

    /// How many copies of each resource this node leaves behind when it goes: as many as there are to be, or as others are
    /// there to own.
    public var copiesOfOthers: Int { min(settings.replicas, view.ring.candidates.count { $0.name != me }) }

    public struct LeftBehind: Hashable, Sendable {
        /// Those that have a live name, sorted.
        public var groups: [GroupKey] = []
        public var resources = 0
        /// Names that are deleted, where others do not know of it.
        public var deleted = 0
        /// Of all versions.
        public var bytes: UInt64 = 0
        /// Resources, where a group of nothing but deleted names is one, too: 0 when nothing is left behind.
        public var weight = 0
    }

    /// What fewer others hold than there are owners, or, where there is no owner but this node, nobody else. Looks at all
    /// groups that are held.
    public var leftBehind: LeftBehind {
        var left = LeftBehind()
        groups.forEach { key, group in
            let summary = group.summary
            let isShort = isJoining || groups.isShort(group)
            let isOnlyHere = group.confirmed.isEmpty && group.standIns.isEmpty && summary.resources > 0
            guard isShort || isOnlyHere else { return }
            if summary.resources > 0 { left.groups.append(key) }
            // Wrapping, as the counts of a damaged catalogue may be anything.
            left.resources &+= summary.resources
            if isShort { left.deleted &+= summary.names &- summary.resources }
            left.bytes &+= summary.bytes
            left.weight &+= group.weight
        }
        left.groups.sort()
        return left
    }
}
