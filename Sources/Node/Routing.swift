import Placement
import Relocation
import Resources
import SWIM
import Vocabulary

/// Where a request goes from here (DESIGN §7). The shell tries the nodes in order; the first that answers at all has
/// answered, for it walked on itself where it could not know.
public enum Route: Hashable, Sendable {
    /// This node's own copy, or its own knowledge that there is none, is the answer.
    case here
    /// When this node itself stands at the end, its own answer counts once none of the others gave one.
    case forward([NodeName])
    /// This node may not answer, and knows nobody left to ask.
    case nobody
}

// Reads. A write takes the way of WriteRouting.swift.
extension NodeMachine {
    /// A request visits at most this many nodes; a ring that needs more is not one that a client can wait for.
    public static let hopsMax = 8

    /// Where a read of the name is answered.
    ///
    /// - Parameters:
    ///   - held: what this node holds of the name.
    ///   - visited: the nodes that the request has been at, this one excluded.
    ///   - unsure: those of them that may hold something that they could not vouch for (`isBehind`).
    ///   - vouched: an owner says that this is the newest version (`vouched(reading:held:at:)`).
    public func route(
        reading name: ResourceName, held: VersionSet?, visited: [NodeName], unsure: [NodeName] = [],
        vouched: Dot? = nil, at now: Instant
    ) -> Route {
        let slot = Slot(ofName: name.text, in: identity.cluster)
        let isSure = isSure(of: name, held: held, at: now)
        if let held, mayAnswer(held, at: now) { return .here }
        if let vouched {
            if let held, held.context.covers(vouched), !convergence.knowsNewer(than: held, of: name) { return .here }
            // It was passed back here for that.
            if visited.contains(identity.name) { return .nobody }
        }
        let owners = convergence.owners(of: slot)
        let knowsSlot = isSure && owners.contains(identity.name)
        let fellows = owners.filter { $0 != identity.name && !visited.contains($0) }
        // An owner of the slot that is in step needs to ask only its fellow owners: each group of the slot has an
        // owner among them. That is not so with a single copy, which may be at its home, nor right after the owners
        // changed, for a home has yet to hand its share of the slot to the new one. And a fellow that is not in step
        // may hold what it could not answer with: then nobody can say that there is none.
        let isSettled = knowsSlot && !owners.contains { unsure.contains($0) }
        if isSettled, fellows.isEmpty, settings.replicas > 1, !convergence.isUnsettled(slot), !isContested(slot) {
            return .here
        }
        var order = nearestFirst(fellows, at: now)
        // The others come after them, for when none of those answers: what a dead owner shares with a home is there.
        // Only the node asked first and the owners turn to everybody, so that a search stays linear in the members.
        if visited.isEmpty || knowsSlot {
            order += nearestFirst(convergence.view.ring.ranked(slot).filter { !owners.contains($0) }, at: now)
            order += convergence.view.contactable.filter { !order.contains($0) }
        }
        let next = order.filter { $0 != identity.name && !visited.contains($0) && convergence.view.canCall($0) }
        guard !next.isEmpty, visited.count + 1 < Self.hopsMax else {
            return isSettled && hasHeardEnough(of: slot, besides: next + unsure) ? .here : .nobody
        }
        return .forward(isSettled ? next + [identity.name] : next)
    }

    /// What this node, an owner that may not answer with what it has, can say of a name all the same: whoever holds that
    /// version may answer.
    public func vouched(reading name: ResourceName, held: VersionSet?, at now: Instant) -> Convergence.Vouched? {
        stoodStill(at: now) ? nil : convergence.vouched(newerThan: held, of: name)
    }

    private func mayAnswer(_ held: VersionSet, at now: Instant) -> Bool {
        !stoodStill(at: now) && !convergence.knowsNewer(than: held, of: held.name)
            && convergence.vouches(for: held.group(in: identity.cluster))
    }

    /// Whether the word of these is all that can be known of the slot's names: they are this node's fellow owners, it is in
    /// step itself, and none of those names is with those alone who were lost together.
    public func knowsAll(of slot: Slot, by heard: [NodeName]) -> Bool {
        let owners = convergence.owners(of: slot)
        return settings.replicas > 1 && owners.contains(identity.name) && convergence.isSynced(slot)
            && !convergence.isUnsettled(slot) && owners.allSatisfy { $0 == identity.name || heard.contains($0) }
            && !isContested(slot)
    }

    /// Whether what has been heard of a slot is enough to say of a name that there is none, or to judge what it is now,
    /// when these gave no answer. Silence is no answer: a name is on as many nodes as there are to be copies, so fewer
    /// silent ones than that can not hide it, and neither can those who own nothing of the slot.
    ///
    /// - Parameters:
    ///   - behind: those who answered, and may have held what is not on their disks now. Where nobody is silent that is on
    ///     another one, who told of it.
    ///   - asked: all who had a say, those silent ones among them; nil for everybody who can be asked now. Who has come
    ///     back since the others were asked was not, and may hold what all those lack.
    public func hasHeardEnough(
        of slot: Slot, besides silent: [NodeName], behind: [NodeName] = [], asked: [NodeName]? = nil
    ) -> Bool {
        let ring = convergence.view.ring
        let owners = convergence.owners(of: slot)
        let asked = asked.map(Set.init)
        var unheard = Set(silent).union(
            ring.candidates.map(\.name).filter { name in
                name != identity.name && !(convergence.view.canCall(name) && asked?.contains(name) ?? true)
            }
        ).union(hidden(slot))
        if unheard.isEmpty { return true }
        unheard.formUnion(behind)
        if knowsAll(of: slot, by: owners.filter { !unheard.contains($0) }) { return true }
        unheard.formUnion(lostTogether.missed(with: unheard))
        return !convergence.isHalfHeard(slot) && unheard.count < min(settings.replicas, max(1, ring.candidates.count))
    }

    /// Whether names of the slot may be with those alone who were lost together, some of whom may be back.
    private func isContested(_ slot: Slot) -> Bool { lostTogether.isContested(slot, replicas: settings.replicas) }

    /// Members with whom alone names of the slot may be, and who are gone.
    private func hidden(_ slot: Slot) -> Set<NodeName> {
        lostTogether.mayHide(slot, replicas: settings.replicas) ? lostTogether.names : []
    }

    /// Whether this node, as far as it owns the name's slot, is in step with those who know it.
    public func isSure(of name: ResourceName, held: VersionSet?, at now: Instant) -> Bool {
        !stoodStill(at: now) && convergence.isSynced(Slot(ofName: name.text, in: identity.cluster))
            && !convergence.knowsNewer(than: held, of: name)
    }

    /// Whether this node may hold something of the name that it may not vouch for yet. One that is merely no owner, and
    /// has nothing of the name, is not behind: that it can not answer keeps no other from saying that there is none.
    public func isBehind(on name: ResourceName, held: VersionSet?, at now: Instant) -> Bool {
        held != nil || !isSure(of: name, held: held, at: now)
    }

    /// Whom to fetch bytes from, by what was measured; those that nothing is known of last.
    public func nearestFirst(holders: [NodeName]) -> [NodeName] {
        holders.map { ($0, membership.member($0)?.rtt ?? .seconds(3600)) }.sorted { $0.1 < $1.1 }.map(\.0)
    }

    /// Suspects last; among the others the nearest first, in steps of 5 ms so that noise does not shuffle a LAN; of those
    /// at one distance last who passes queries on.
    private func nearestFirst(_ names: [NodeName], at now: Instant) -> [NodeName] {
        func distance(_ name: NodeName) -> Int64 {
            if convergence.view.doubts(name) { return .max }
            guard let rtt = membership.member(name)?.rtt else { return 0 }
            return rtt.saturatingNanoseconds / 5_000_000
        }
        // The sort is stable, so the rank decides among equals.
        return names.map { (name: $0, key: (distance($0), detours.isLikely(by: $0, at: now) ? 1 : 0)) }
            .sorted { $0.key < $1.key }.map(\.name)
    }
}
