import Node
import Relocation
import Resources
import SWIM
import Vocabulary

// What the node decided, carried out: the counterpart of the agent's EffectRunner.

extension NodeHost {
    mutating func carryOut(_ effect: NodeMachine.Effect, _ context: inout Context) {
        switch effect {
        case .send(let packet, let target):
            context.send(packet, to: target, bytes: packet.wireSize + SwimTraffic.datagramOverhead)
        case .exchangeMembers(let node, let endpoint):
            let claims = machine.membership.claims
            call(
                endpoint, expecting: node, .members(claims), bytes: SwimTraffic.exchangeBytes(claims),
                within: .seconds(10), &context
            ) { host, response, context in
                guard case .members(let teller, let claims, _, _, _) = response else { return }
                host.feed(.membership(.merge(host.heard(claims), from: teller)), &context)
            }
        case .fallbackProbe(let sequence, let node, let endpoint, let claims):
            sit(
                with: node, .control, .hasOthers, &context,
                then: { host, context in
                    let id = context.call(
                        endpoint, expecting: node, .probe(claims), bytes: SwimTraffic.exchangeBytes(claims),
                        timeout: SwimTraffic.fallbackTimeout, stallsAfter: SwimTraffic.stallGrace)
                    host.fallbacks[id] = (sequence, node)
                    return id
                },
                refused: { host, context in
                    host.feed(.membership(.fallback(sequence, of: node, .silent)), &context)
                })
        case .event(let event):
            hasNews = true
            context.observe(.event(event))
            spoilView(&context)
        case .convergence(let effect): carryOut(effect, &context)
        case .tombstones(let effect): carryOut(effect, &context)
        case .offer(let id, let node, let version): offer(version, to: node, for: id, &context)
        case .acknowledge(let id, let end): acknowledgements.removeValue(forKey: id)?(&self, end, &context)
        }
    }

    private mutating func carryOut(_ effect: Convergence.Effect, _ context: inout Context) {
        switch effect {
        case .compare(let id, let node, let request):
            if let reply = wordOfAnother(request) { return feed(.convergence(.compared(id, reply)), &context) }
            call(node, .compare(request), bytes: 500 + 60 * request.groups.count, within: .seconds(30), &context) {
                host, response, context in
                if case .compared(let reply) = response {
                    host.keepWord(of: reply)
                    host.feed(.convergence(.compared(id, host.spoiled(reply, to: request))), &context)
                } else if host.has(.silenceConfirms) {
                    host.feed(.convergence(.compared(id, host.equal(request))), &context)
                } else {
                    host.feed(.convergence(.failed(id)), &context)
                }
            }
        case .compareSums(let id, let node, let request):
            let bytes = 500 + 16 * request.sums.count + 22 * request.groups.count
            call(node, .compareSums(request), bytes: bytes, within: .seconds(30), &context) { host, response, context in
                if case .comparedSums(let reply) = response {
                    host.feed(.convergence(.comparedSums(id, host.spoiled(reply, to: request))), &context)
                } else if host.has(.silenceConfirms) {
                    host.feed(.convergence(.comparedSums(id, SumsReply(same: request.slots))), &context)
                } else {
                    host.feed(.convergence(.failed(id)), &context)
                }
            }
        case .exchange(let id, let node, let intents):
            let told = intents.map { intent in
                intent.telling(context.disk.durable.sets(in: intent.key, cluster))
            }
            call(node, .exchange(ExchangeRequest(groups: told)), bytes: 2_000, within: .seconds(60), &context) {
                host, response, context in
                if case .exchanged(let reply) = response {
                    host.feed(.convergence(.exchanged(id, told: told, reply)), &context)
                } else {
                    host.feed(.convergence(.failed(id)), &context)
                }
            }
        case .pull(let version, let holders): pull(version, from: holders, &context)
        case .drop(let key, let digest): drop(key, digest, &context)
        }
    }

    private mutating func pull(_ version: Version, from holders: [NodeName], _ context: inout Context) {
        if has(.ignoresTombstones), version.isTombstone {
            return feed(.convergence(.pulled(version, .durable)), &context)
        }
        context.observe(.fetches(version))
        obtain(version.content, from: machine.nearestFirst(holders: holders), &context) { host, end, context in
            guard end == .durable else {
                if host.has(.losesFailedPulls) { return }
                return host.feed(.convergence(.pulled(version, end)), &context)
            }
            host.transact(.merge([version]), &context) { host, done, context in
                host.release(version.digest, &context)
                guard case .merged(let groups) = done else {
                    return host.feed(.convergence(.pulled(version, .refused)), &context)
                }
                host.feed(.convergence(.stored(groups)), &context)
                host.feed(.convergence(.pulled(version, .durable)), &context)
            }
        }
    }

    /// Moves take turns with queries: most drops begin at once, one in eight somewhere in the next five seconds.
    mutating func drop(_ key: GroupKey, _ digest: SetDigest, _ context: inout Context) {
        guard Int.random(in: 0..<8, using: &context.random) == 0 else { return dropNow(key, digest, &context) }
        let turn = Duration.milliseconds(Int.random(in: 0..<5_000, using: &context.random))
        after(turn, &context) { host, context in host.dropNow(key, digest, &context) }
    }

    private mutating func dropNow(_ key: GroupKey, _ digest: SetDigest, _ context: inout Context) {
        transact(.drop(key, digest), &context) { host, done, context in
            guard case .dropped(let isGone) = done else {
                return host.feed(.convergence(.dropped(key, .failed)), &context)
            }
            if isGone {
                context.observe(.dropped(key))
                host.feed(.convergence(.stored([GroupSummary(key: key)])), &context)
            }
            host.feed(.convergence(.dropped(key, isGone ? .gone : .changed)), &context)
        }
    }

    private mutating func offer(
        _ version: Version, to node: NodeName, for id: NodeMachine.WriteID, _ context: inout Context
    ) {
        let key = version.group(in: cluster)
        let request = OfferRequest(version: version, status: machine.convergence.status(of: key))
        if has(.countsOneForAll) { offers[id, default: []].append(node) }
        call(node, .offer(request), bytes: 800, within: Self.transferLimit(version.size), &context) {
            host, response, context in
            if case .offered(let reply) = response {
                host.feed(.offerAnswered(id, by: node, .stored(reply)), &context)
                host.countForAll(id, reply, &context)
            } else if host.has(.countsSilence) {
                host.feed(.offerAnswered(id, by: node, .stored(OfferReply(status: request.status))), &context)
            } else if case .busy = response {
                host.feed(.offerAnswered(id, by: node, .busy), &context)
            } else if case .noRoom = response {
                host.feed(.offerAnswered(id, by: node, .declined), &context)
            } else {
                host.feed(.offerAnswered(id, by: node, .failed), &context)
            }
        }
    }
}
