import Placement
import Relocation
import Resources
import Vocabulary

/// Writes on their way to their copies: each has a `WriteTracker`, which follows the membership as it changes.
extension NodeMachine {
    mutating func beginWrite(
        _ id: WriteID, _ version: Version, leaving former: GroupKey?, at now: Instant, into effects: inout [Effect]
    ) {
        let key = version.group(in: identity.cluster)
        let owners = convergence.owners(of: key)
        let left =
            former.map { former in
                (convergence.owners(of: former) + convergence.heirs(of: former)).filter { !owners.contains($0) }
            } ?? []
        let late = convergence.lateOwners(of: key, at: now).filter { !left.contains($0) }
        writes[id] = WriteTracker(me: identity.name, version: version, former: left + late)
        adoptView(for: id, at: now, into: &effects)
    }

    mutating func adoptView(for id: WriteID, at now: Instant, into effects: inout [Effect]) {
        guard let version = writes[id]?.version else { return }
        let key = version.group(in: identity.cluster)
        writes[id]?.adopt(
            owners: convergence.owners(of: key), heirs: convergence.heirs(of: key),
            ranked: convergence.view.ring.ranked(key.slot),
            view: convergence.view)
        continueWrite(id, at: now, into: &effects)
    }

    mutating func offerAnswered(
        _ id: WriteID, by node: NodeName, _ outcome: OfferOutcome, at now: Instant, into effects: inout [Effect]
    ) {
        switch outcome {
        case .stored(let reply):
            feed(.told(by: node, reply.status), at: now, into: &effects)
            writes[id]?.note(reply, by: node)
            writes[id]?.answered(by: node, .durable, at: now)
        case .declined: writes[id]?.answered(by: node, .declined, at: now)
        case .failed: writes[id]?.answered(by: node, .failed, at: now)
        case .busy: writes[id]?.answered(by: node, .busy, at: now)
        }
        continueWrite(id, at: now, into: &effects)
    }

    mutating func continueWrite(_ id: WriteID, at now: Instant, into effects: inout [Effect]) {
        guard var write = writes[id] else { return }
        for node in write.nextOffers(at: now) { effects.append(.offer(id, to: node, write.version)) }
        writes[id] = write
        if write.isComplete { endWrite(id, into: &effects) }
    }

    mutating func endWrite(_ id: WriteID, into effects: inout [Effect]) {
        guard let write = writes.removeValue(forKey: id) else { return }
        effects.append(.acknowledge(id, WriteEnd(write)))
    }
}
