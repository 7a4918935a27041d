import Resources
import Vocabulary

/// What this node answers to the comparisons and exchanges of others.
extension Convergence {
    /// Answers another node's comparison, and learns from it.
    public mutating func answer(_ request: CompareRequest, from peer: NodeName) -> CompareReply {
        for theirs in request.groups { noteTold(by: peer, theirs) }
        let counted = view.canCall(peer)
        if let shared = request.shared, shared == sharedDigest(of: request.slots, with: peer) {
            return CompareReply(groups: [], same: true, counted: counted)
        }
        return CompareReply(
            groups: groups(in: request.slots).map { status(of: $0) }, counted: counted,
            newer: whatIsNewer(in: request.slots, for: peer), noRoom: refused.slots(of: request.slots))
    }

    /// What this node says of the groups that it owns together with the other one.
    mutating func sharedDigest(of slots: SlotSet, with peer: NodeName) -> SetDigest {
        if let known = groups.sharedSums.sum(of: slots, with: peer) { return known }
        var sum = SetDigest.empty
        for key in groups(in: slots) {
            guard let owners = groups[key]?.owners, owners.contains(me), owners.contains(peer) else { continue }
            sum = sum + SharedDigest.of(status(of: key))
        }
        groups.sharedSums.keep(sum, of: slots, with: peer)
        return sum
    }

    /// Answers another node's exchange with what this node holds of the same names and groups.
    ///
    /// - Parameters:
    ///   - mine: all sets of the names told, and all sets of the groups.
    ///   - before: what this node kept before it read `mine` (`kept(of:for:)`): a group that it keeps only since may have
    ///     been dropped and read as gone, or read before a drop that ended since.
    public func answer(
        _ request: ExchangeRequest, from asker: NodeName, mine: [VersionSet], before: Kept
    ) -> ExchangeReply {
        var byName: [ResourceName: VersionSet] = [:]
        var byGroup: [GroupKey: [VersionSet]] = [:]
        for set in mine {
            byName[set.name] = set
            byGroup[set.group(in: cluster), default: []].append(set)
        }
        let names = request.groups.reduce(0) { $0 + $1.sets.count }
        return ExchangeReply(
            full: !knowsRing || pulls.count + names > settings.pullsQueuedMax,
            findings: request.groups.map { asked in
                var held = byGroup[asked.key] ?? []
                let listed = Set(held.map(\.name))
                held += asked.sets.compactMap { listed.contains($0.name) ? nil : byName[$0.name] }
                let isOwner = before.owned.contains(asked.key) && status(of: asked.key).owner
                let keeps =
                    before.held[asked.key].map { $0 == groups[asked.key]?.summary.digest } == true
                    && willKeep(asked.key, for: asker)
                return ExchangeFinding(
                    asked: asked, mine: held, owner: isOwner, copies: copies(of: asked.key), keeps: keeps)
            })
    }

    /// Those of the groups asked for that this node will keep.
    public struct Kept: Sendable {
        let owned: Set<GroupKey>
        /// Of what it is to stand in for, all that it holds.
        let held: [GroupKey: SetDigest]
    }

    public func kept(of request: ExchangeRequest, for asker: NodeName) -> Kept {
        var held: [GroupKey: SetDigest] = [:]
        for group in request.groups where group.toStandIn && willKeep(group.key, for: asker) {
            held[group.key] = groups[group.key]?.summary.digest
        }
        return Kept(owned: Set(request.groups.map(\.key).filter { status(of: $0).owner }), held: held)
    }
}
