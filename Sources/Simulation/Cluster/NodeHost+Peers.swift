import Node
import Relocation
import Resources
import SWIM
import Vocabulary

// What other nodes ask: the counterpart of the agent's PeerRoutes.

extension NodeHost {
    mutating func serve(_ request: Request, _ id: CallID, from peer: NodeName, _ context: inout Context) {
        switch request {
        case .members(let claims):
            feed(.membership(.merge(heard(claims), from: peer)), &context)
            tellMembers(machine.membership.claims, id, &context)
        case .probe(let claims):
            feed(.membership(.merge(heard(claims), from: peer)), &context)
            tellMembers(machine.membership.answer(to: peer), id, &context)
        case .compare(let request):
            let reply = machine.answer(request, from: peer)
            context.answer(id, .compared(reply), bytes: 500 + 60 * reply.groups.count)
        case .compareSums(let request):
            let reply = machine.answer(request, from: peer)
            context.answer(id, .comparedSums(reply), bytes: 500 + 22 * reply.groups.count)
        case .exchange(let request): exchange(request, id, from: peer, &context)
        case .tombstones(let request): confirm(request, id, &context)
        case .offer(let offer): accept(offer, id, from: peer, &context)
        case .write(let order):
            obtain(order.request.content, from: [peer], &context) { host, end, context in
                guard end == .durable else { return context.answer(id, .no) }
                host.take(order, from: peer, &context) { host, result, context in
                    host.release(order.request.digest, &context)
                    context.answer(id, .wrote(result))
                }
            }
        case .begin(let order, let attempt):
            context.answer(id, .begins(orders.begin(order, by: peer, as: attempt)))
        case .blob(let digest):
            if mayRead(digest, &context), let size = context.disk.durable.blobs[digest] {
                context.answer(id, .blob, bytes: 500 + Int(clamping: size))
            } else {
                context.answer(id, .no)
            }
        case .versions(let name):
            let outlook = machine.outlook(on: name, at: context.now)
            context.answer(id, .versions(outlook.testimony(holding: context.disk.durable.sets[name])))
        case .read(let name, let visited, let unsure, let vouched, let hops):
            hopsMost = max(hopsMost, hops)
            if hops > NodeMachine.hopsMax { context.observe(.strayed(name, hops: hops)) }
            read(name, visited: visited, unsure: unsure, vouched: vouched, hops: hops, &context) {
                _, result, answerer, context in
                if case .busy = result { return context.answer(id, .busy) }
                var bytes = 500
                if case .found(let version) = result { bytes += Int(clamping: version.size) }
                context.answer(id, .read(result, by: answerer), bytes: bytes)
            }
        }
    }

    private func tellMembers(_ claims: [Claim], _ id: CallID, _ context: inout Context) {
        let absences = machine.absences(at: context.now)
        let answer = Response.members(name, claims, isJoining: machine.isJoining, isBlank: isBlank, absences)
        context.answer(id, answer, bytes: SwimTraffic.exchangeBytes(claims))
    }

    private mutating func exchange(
        _ ask: ExchangeRequest, _ id: CallID, from peer: NodeName, _ context: inout Context
    ) {
        var mine: [ResourceName: VersionSet] = [:]
        for group in ask.groups {
            for set in context.disk.durable.sets(in: group.key, cluster) { mine[set.name] = set }
            for set in group.sets where mine[set.name] == nil { mine[set.name] = context.disk.durable.sets[set.name] }
        }
        let sets = mine.values.sorted { $0.name < $1.name }
        let reply = machine.convergence.answer(
            ask, from: peer, mine: sets, before: machine.convergence.kept(of: ask, for: peer))
        context.answer(id, .exchanged(spoiled(reply, to: ask)), bytes: 2_000)
        let heard = has(.keepsInWordOnly) ? ask.groups.filter { !$0.toStandIn } : ask.groups
        feed(.convergence(.offered(by: peer, heard, mine: sets)), &context)
    }

    /// Makes an offered version durable here, then says so.
    private mutating func accept(_ offer: OfferRequest, _ id: CallID, from peer: NodeName, _ context: inout Context) {
        guard !machine.isDraining else { return context.answer(id, .no) }
        let version = offer.version
        if has(.ignoresTombstones), version.isTombstone {
            return context.answer(id, .offered(OfferReply(status: offer.status)))
        }
        obtain(version.content, from: [peer], &context) { host, end, context in
            guard end == .durable, !host.machine.isDraining else {
                host.release(end == .durable ? version.digest : nil, &context)
                host.feed(.convergence(.declined(version, from: peer, byDisk: end == .refused)), &context)
                // What was judged before this node knew of it is to be seen by whoever asks next.
                return host.transact(.merge([]), &context) { _, _, context in
                    context.answer(id, end == .refused ? .noRoom : .no)
                }
            }
            if host.has(.confirmsUnsynced) {
                context.answer(id, .offered(OfferReply(status: offer.status)))
            }
            host.transact(.merge([version]), &context) { host, done, context in
                host.release(version.digest, &context)
                guard case .merged(let groups) = done else {
                    host.feed(.convergence(.declined(version, from: peer, byDisk: true)), &context)
                    return context.answer(id, .noRoom)
                }
                host.feed(.convergence(.wrote(groups, version)), &context)
                host.feed(.convergence(.told(by: peer, offer.status)), &context)
                let status = host.machine.convergence.status(of: offer.status.key)
                let held = context.disk.durable.sets[version.name]
                context.answer(id, .offered(OfferReply(status: status, offered: version, held: held)))
            }
        }
    }
}

extension WriteRequest {
    var digest: ContentDigest? {
        if case .blob(let digest, _, _) = content { digest } else { nil }
    }

    var size: UInt64 {
        if case .blob(_, let size, _) = content { size } else { 0 }
    }
}
