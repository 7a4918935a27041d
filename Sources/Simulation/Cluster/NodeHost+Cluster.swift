import Node
import Relocation
import SWIM
import Vocabulary

// The way in and the way out: the counterparts of the agent's JoinLoop, LeaveService and rememberMembers.

extension NodeHost {
    /// One call to a seed: five seconds to connect, ten to answer.
    private static var joinLimit: Duration { .seconds(5) }
    private static var roundsBeforeAlone: Int { 3 }

    /// The way in, as far as it has come.
    private struct Search: Sendable {
        /// Configured or remembered; and whoever was met since, while those are not enough.
        var seeds: [Endpoint]
        let addressCount: Int
        /// Members of an earlier life: they are owners still, until the relocation delay is over.
        let remembersOthers: Bool
        let began: Instant
        var round = 1
        /// Met on their way in; false for one that is no blank node.
        var joiners: [NodeName: Bool] = [:]

        /// Whether a node with nothing of its own may be the first of a cluster: most of those it is to join are the same.
        var isFounding: Bool { joiners.values.allSatisfy { $0 } && 2 * (joiners.count + 1) > addressCount + 1 }
        var pause = Duration.milliseconds(500)
    }

    mutating func beginJoining(_ context: inout Context) {
        let others = context.disk.durable.claims.filter { $0.name != name && $0.status != .left }
        var seeds = configuration.join
        for claim in others where !seeds.contains(claim.endpoint) { seeds.append(claim.endpoint) }
        seeds.removeAll { $0 == machine.identity.endpoint }
        guard !seeds.isEmpty else { return }
        if !has(.newcomerVouches) { feed(.lifecycle(.joining), &context) }
        isBlank = others.isEmpty && context.disk.durable.sets.isEmpty
        join(
            Search(
                seeds: seeds, addressCount: seeds.count, remembersOthers: !others.isEmpty, began: context.now),
            next: 0, &context)
    }

    /// The shell asks eight at a time; here one after the other comes to the same, later.
    private mutating func join(_ search: Search, next: Int, _ context: inout Context) {
        guard next < search.seeds.count else {
            let mayBeFirst = !isBlank || search.isFounding
            let isTime = !search.remembersOthers || context.now - search.began >= machine.settings.relocationDelay
            if search.round >= Self.roundsBeforeAlone, isTime, mayBeFirst, machine.isJoining {
                feed(.lifecycle(.alone), &context)
            }
            return after(search.pause, &context) { host, context in
                var search = search
                search.round += 1
                if !mayBeFirst {
                    let met = host.machine.membership.members.filter { member in
                        member.name != host.name && !member.status.isDeparted && search.joiners[member.name] == nil
                    }
                    search.seeds += met.map(\.endpoint).filter { !search.seeds.contains($0) }
                }
                search.pause = min(search.pause * 2, .seconds(5))
                host.join(search, next: 0, &context)
            }
        }
        let claims = machine.membership.claims
        call(
            search.seeds[next], expecting: nil, .members(claims), bytes: SwimTraffic.exchangeBytes(claims),
            within: Self.joinLimit, &context
        ) { host, response, context in
            guard case .members(let teller, let claims, let isJoining, let isBlank, let absences) = response,
                teller != host.name
            else {
                return host.join(search, next: next + 1, &context)
            }
            if isJoining {
                host.feed(.membership(.merge(host.heard(claims), from: teller)), &context)
                var search = search
                search.joiners[teller] = isBlank
                return host.join(search, next: next + 1, &context)
            }
            if host.has(.newcomerVouches) {
                host.feed(.membership(.merge(claims, from: teller)), &context)
            } else {
                host.feed(.lifecycle(.joined(host.heard(claims), from: teller, absences)), &context)
            }
        }
    }

    // MARK: Leaving

    mutating func leave(within timeout: Duration, _ context: inout Context) {
        guard !isLeaving else { return }
        isLeaving = true
        feed(.lifecycle(.drain), &context)
        waitForDrain(until: context.now + timeout, &context)
    }

    private mutating func waitForDrain(until end: Instant, _ context: inout Context) {
        guard !machine.convergence.isDrained, context.now < end, !has(.leavesEarly) else {
            let end = Observation.left(
                remaining: machine.convergence.resourcesShort, copies: machine.convergence.copiesOfOthers)
            feed(.lifecycle(.leave), &context)
            return waitForFarewell(until: context.now + .seconds(3), end, &context)
        }
        after(.milliseconds(50), &context) { host, context in host.waitForDrain(until: end, &context) }
    }

    private mutating func waitForFarewell(until end: Instant, _ observed: Observation, _ context: inout Context) {
        guard !machine.membership.farewellComplete, context.now < end else {
            remember(&context)
            context.observe(observed)
            return context.exit()
        }
        after(.milliseconds(50), &context) { host, context in
            host.waitForFarewell(until: end, observed, &context)
        }
    }

    /// Says that it will be back, and ends when the news has had time to go round.
    mutating func restart(_ context: inout Context) {
        feed(.membership(.announce(.restarting)), &context)
        after(.seconds(1), &context) { host, context in
            host.remember(&context)
            context.exit()
        }
    }

    // MARK: Remembering

    mutating func rememberLater(_ context: inout Context) {
        after(.seconds(5), &context) { host, context in
            if host.hasNews { host.remember(&context) }
            host.forgetTombstones(&context)
            host.hasNews = false
            host.rememberLater(&context)
        }
    }

    private func remember(_ context: inout Context) {
        // A full disk costs the list its freshness and nothing else.
        try? context.disk.write(.claims(machine.membership.claims))
        _ = context.sync()
    }
}
