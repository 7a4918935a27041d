import Placement
import Relocation
import Resources
import SWIM
import Vocabulary

/// Which node takes a write, and whom it asks before it judges it (DESIGN §7).
extension NodeMachine {
    /// Where a write of the name is taken: the first owner of the slot that answers, so that the writes of one name
    /// pass through one node as long as the membership is calm.
    public func route(writing name: ResourceName, visited: [NodeName], at now: Instant) -> Route {
        let slot = Slot(ofName: name.text, in: identity.cluster)
        let ranked = convergence.view.ring.ranked(slot)
        let owners = convergence.owners(of: slot)
        let order = owners + ranked.filter { !owners.contains($0) }
        let view = convergence.view
        let sure = order.filter { $0 == identity.name || view.canCall($0) && !view.doubts($0) }
        let doubtful = order.filter { $0 != identity.name && view.doubts($0) }
        var next: [NodeName] = []
        for node in sure + doubtful where !visited.contains(node) {
            if node == identity.name {
                guard mayTake(writeOf: name, at: now) else { continue }
                return next.isEmpty ? .here : .forward(next + [node])
            }
            next.append(node)
        }
        guard !next.isEmpty, visited.count + 1 < Self.hopsMax else { return .nobody }
        return .forward(next)
    }

    /// Whether somebody who knew the name's slot went before this node had heard it.
    public func isHalfHeard(_ name: ResourceName) -> Bool {
        convergence.isHalfHeard(Slot(ofName: name.text, in: identity.cluster))
    }

    /// The owners of the name's slot.
    public func ownersOfSlot(_ name: ResourceName) -> [NodeName] {
        convergence.owners(of: Slot(ofName: name.text, in: identity.cluster))
    }

    /// Whether this node may judge and order writes of the name now.
    public func mayTake(writeOf name: ResourceName, at now: Instant) -> Bool {
        !isDraining && !stoodStill(at: now) && convergence.isSynced(Slot(ofName: name.text, in: identity.cluster))
    }

    /// Whether a write of the name, judged by what has been seen of it, is to be judged again: others told of one that it would not
    /// have seen, or this node is in step no more, and may have been told of one without taking note of it.
    ///
    /// - Parameter told: what this node had been told of before it was judged.
    public func isOvertaken(writeOf name: ResourceName, seen: VersionSet?, told: Set<Dot>) -> Bool {
        !convergence.isSynced(Slot(ofName: name.text, in: identity.cluster))
            || !convergence.unseen(by: seen, of: name).isSubset(of: told)
    }

    /// Whether those heard are enough to judge a write of the name that depends on its state: all who may know of it, or the most
    /// that can be missed of them is on others, too; and nobody else is known to hold what has not been seen.
    ///
    /// - Parameter everybody: those asked are all that can be.
    public func mayJudge(_ name: ResourceName, by testimonies: Testimonies, everybody: Bool) -> Bool {
        let slot = Slot(ofName: name.text, in: identity.cluster)
        let (answered, behind) = (testimonies.answered, testimonies.behind)
        let unheard = testimonies.silent + testimonies.expecting
        let isHeard =
            everybody
            ? hasHeardEnough(of: slot, besides: unheard, behind: behind, asked: answered + unheard)
            : unheard.isEmpty && behind.isEmpty && knowsAll(of: slot, by: answered)
        return isHeard && convergence.unseen(by: testimonies.seen, of: name, besides: answered).isEmpty
    }

    /// Whether this node's own copies are all that a write of the name is judged by.
    public func judgesAlone(_ name: ResourceName, held: VersionSet?, at now: Instant) -> Bool {
        guard let held, !stoodStill(at: now), !isDeaf(at: now) else { return false }
        let slot = Slot(ofName: name.text, in: identity.cluster)
        let key = held.group(in: identity.cluster)
        // When an owner of the slot goes, the groups of it that are at home elsewhere fall to the next in rank, who is told
        // by the home: until then it may have of such a name only what was written since.
        let isToldLater = key.home != nil && key.home != identity.name && convergence.isUnsettled(slot)
        return convergence.isSynced(slot) && !convergence.knowsUnseen(by: held, of: name)
            && convergence.isOwner(key) && !isToldLater && !halfHeardNames.contains(name, in: slot)
    }

    /// Takes note of whether those heard of the name, before a write of it was made here, were enough to know it.
    mutating func noteJudged(_ name: ResourceName, by testimonies: Testimonies) {
        if mayJudge(name, by: testimonies, everybody: true) {
            halfHeardNames.remove(name)
        } else {
            halfHeardNames.insert(name, in: Slot(ofName: name.text, in: identity.cluster))
        }
    }

    /// Whom to ask what they hold of a name before a write of it is judged and made here: its precondition and what it
    /// has seen must not depend on which node stands in.
    ///
    /// - Returns: `nil` for an owner of the name's group that is in step, whose own copies are all that it is judged by.
    public func witnesses(writing name: ResourceName, held: VersionSet?, at now: Instant) -> [NodeName]? {
        let slot = Slot(ofName: name.text, in: identity.cluster)
        let view = convergence.view
        let vouches = convergence.isSynced(slot) && !convergence.knowsUnseen(by: held, of: name)
        if judgesAlone(name, held: held, at: now) { return nil }
        let owners = convergence.owners(of: slot)
        let fellows = owners.filter { $0 != identity.name }
        if vouches, knowsAll(of: slot, by: fellows.filter { view.canCall($0) && !view.doubts($0) }) { return fellows }
        return view.contactable.filter { !view.doubts($0) }
    }
}
