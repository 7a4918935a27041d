import Relocation
import Resources
import SWIM
import Vocabulary

/// Forgetting deleted names: what `TombstoneCollection` decides, under this node's membership.
extension NodeMachine {
    mutating func feed(_ input: TombstoneCollection.Input, at now: Instant, into effects: inout [Effect]) {
        collect(into: &effects) { $0.handle(input, at: now, by: $1, into: &$2) }
    }

    mutating func lookForTombstones(at now: Instant, into effects: inout [Effect]) {
        collect(into: &effects) { $0.tick(at: now, by: $1, into: &$2) }
    }

    mutating func meet(_ members: [Member], into effects: inout [Effect]) {
        let me = identity.name
        let others = members.lazy.filter { $0.name != me }.map { member in
            (name: member.name, life: Life(of: member), isPresent: !member.status.isDeparted)
        }
        collect(into: &effects) { collection, _, out in collection.met(others, into: &out) }
    }

    mutating func forget(met name: NodeName, in life: Life?, into effects: inout [Effect]) {
        collect(into: &effects) { collection, _, out in collection.forget(name, in: life, into: &out) }
    }

    private mutating func collect(
        into effects: inout [Effect],
        _ body: (inout TombstoneCollection, Convergence, inout [TombstoneCollection.Effect]) -> Void
    ) {
        var out: [TombstoneCollection.Effect] = []
        body(&tombstones, convergence, &out)
        for effect in out { effects.append(.tombstones(effect)) }
    }

    /// Of what another node would have forgotten, that of which this one expects nothing else: the disk has to be asked then what
    /// it holds, and not before, for what is expected may come meanwhile.
    ///
    /// Whom operators had forgotten, as the request tells, is to be fed before (`TombstoneCollection.Input.struck`).
    ///
    /// - Returns: whom the asker does not ask; nothing may be confirmed then.
    public func consider(
        _ request: TombstoneRequest, at now: Instant
    ) -> (sets: [VersionSet], unlisted: [NodeName: Life]) {
        let listed = Set(request.members)
        let unlisted = tombstones.acquaintances.lives.filter { !listed.contains($0.key) }
        guard unlisted.isEmpty, listed.contains(identity.name) else { return ([], unlisted) }
        // Others may have gone on without this node, which is about to be told.
        guard !stoodStill(at: now), !isDeaf(at: now), !isJoining else { return ([], [:]) }
        return (request.sets.filter { !convergence.isExpecting(moreThan: $0) }, [:])
    }

    /// The members that are here, this node among them.
    public var presentNames: Set<NodeName> {
        Set(membership.members.lazy.filter { !$0.status.isDeparted }.map(\.name))
    }

    /// Who is away, so that deleted names that are due are kept; sorted.
    public var tombstonesWaitFor: [NodeName] { tombstones.waitsFor.filter { !convergence.view.canCall($0) } }
}

extension Life {
    init(of member: Member) { self.init(epoch: member.epoch, incarnation: member.incarnation.number) }
}
