import Node
import Relocation
import Resources
import SWIM
import Vocabulary

// Deleted names that are forgotten: the counterpart of the agent's TombstoneService.

extension NodeHost {
    mutating func carryOut(_ effect: TombstoneCollection.Effect, _ context: inout Context) {
        switch effect {
        case .remember(let acquaintances):
            guard configuration.collectsTombstones else { return }
            try? context.disk.write(.acquaintances(acquaintances))
        case .load(let after, let keep, let limit):
            let due = context.disk.durable.sets.values.filter { set in
                after.map { $0 < set.name } ?? true
                    && set.isDeletedFor(keep, wallMilliseconds: context.wallMilliseconds)
            }
            if has(.collectsUnasked) {
                feed(.tombstones(.loaded([], next: nil)), &context)
                return forget(due.sorted { $0.name < $1.name }, &context) { _, _ in }
            }
            let sets = due.sorted { $0.name < $1.name }.prefix(limit)
            feed(.tombstones(.loaded(Array(sets), next: sets.count < due.count ? sets.last?.name : nil)), &context)
        case .ask(let id, let node, let request):
            let bytes = 100 + 150 * request.sets.count
            call(node, .tombstones(request), bytes: bytes, within: .seconds(30), &context) { host, response, context in
                let reply: TombstoneReply? = if case .tombstones(let reply) = response { reply } else { nil }
                host.feed(.tombstones(.answered(id, reply)), &context)
            }
        case .forget(let sets): forget(sets, &context) { _, _ in }
        }
    }

    /// Answers who wants to forget deleted names.
    mutating func confirm(_ request: TombstoneRequest, _ id: CallID, _ context: inout Context) {
        feed(.tombstones(.struck(request.struck, present: machine.presentNames)), &context)
        let (sets, unlisted) = machine.consider(request, at: context.now)
        let considered = TombstoneRequest(members: request.members, sets: sets, isLast: request.isLast)
        let confirmed = considered.confirmed(by: context.disk.durable.sets)
        let reply = TombstoneReply(confirmed: confirmed.map(\.name), unlisted: unlisted)
        guard request.isLast else { return context.answer(id, .tombstones(reply), bytes: 500) }
        forget(confirmed, &context) { _, context in context.answer(id, .tombstones(reply), bytes: 500) }
    }

    private mutating func forget(_ sets: [VersionSet], _ context: inout Context, then: @escaping Step) {
        feed(.convergence(.forgot(sets)), &context)
        transact(.forget(sets), &context) { host, done, context in
            if case .merged(let groups) = done { host.feed(.convergence(.stored(groups)), &context) }
            then(&host, &context)
        }
    }
}
