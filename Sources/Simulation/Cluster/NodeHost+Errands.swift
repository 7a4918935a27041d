import Node
import Vocabulary

// Queries that were passed on, and whom they went to: the counterpart of the agent's NodeDriver+Loss.

/// A query whose answer is waited for.
struct Errand: Sendable {
    let id: CallID
    let node: NodeName
    /// When it was asked.
    let trust: Trust
    /// Of a write.
    let order: WriteOrders.ID?
}

extension NodeHost {
    mutating func noteErrand(_ id: CallID, _ request: Request, to node: NodeName) {
        switch request {
        case .read: errands.append(Errand(id: id, node: node, trust: machine.trust(in: node), order: nil))
        case .write(let order):
            errands.append(Errand(id: id, node: node, trust: machine.trust(in: node), order: order.id))
        case .members, .probe, .compare, .compareSums, .exchange, .tombstones, .offer, .begin, .blob, .versions: break
        }
    }

    /// As when the time for an answer is up.
    mutating func giveUpErrands(_ context: inout Context) {
        while let index = errands.firstIndex(where: { errand in
            machine.isLost(
                errand.node, since: errand.trust, isCommitted: errand.order.map { orders.hasBegun($0) } ?? false)
        }) {
            let errand = errands.remove(at: index)
            leave(errand.id, &context)
            replies.removeValue(forKey: errand.id)?(&self, nil, &context)
        }
    }
}
