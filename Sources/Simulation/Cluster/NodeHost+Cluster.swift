import Node
import Relocation
import SWIM
import Vocabulary

// The way in and the way out: the counterparts of the agent's JoinLoop, LeaveService and rememberMembers.

extension NodeHost {
    /// One call to a seed: five seconds to connect, ten to answer.
    private static var joinLimit: Duration { .seconds(5) }
    private static var roundsBeforeAlone: Int { 3 }

    mutating func beginJoining(_ context: inout Context) {
        var seeds = configuration.join
        for claim in context.disk.durable.claims where claim.name != name && claim.status != .left {
            if !seeds.contains(claim.endpoint) { seeds.append(claim.endpoint) }
        }
        seeds.removeAll { $0 == machine.identity.endpoint }
        guard !seeds.isEmpty else { return }
        if !has(.newcomerVouches) { feed(.lifecycle(.joining), &context) }
        join(seeds, next: 0, round: 1, pause: .milliseconds(500), &context)
    }

    private mutating func join(
        _ seeds: [Endpoint], next: Int, round: Int, pause: Duration, _ context: inout Context
    ) {
        guard next < seeds.count else {
            if round == Self.roundsBeforeAlone { feed(.lifecycle(.alone), &context) }
            after(pause, &context) { host, context in
                // Somebody may have joined us meanwhile.
                guard host.machine.membership.presentCount == 1 else { return host.feed(.lifecycle(.alone), &context) }
                host.join(seeds, next: 0, round: round + 1, pause: min(pause * 2, .seconds(30)), &context)
            }
            return
        }
        let claims = machine.membership.claims
        call(
            seeds[next], expecting: nil, .members(claims), bytes: SwimTraffic.exchangeBytes(claims),
            within: Self.joinLimit, &context
        ) { host, response, context in
            guard case .members(let teller, let claims, false) = response, teller != host.name else {
                return host.join(seeds, next: next + 1, round: round, pause: pause, &context)
            }
            if host.has(.newcomerVouches) {
                host.feed(.membership(.merge(claims, from: teller)), &context)
            } else {
                host.feed(.lifecycle(.joined(claims, from: teller)), &context)
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
            let remaining = machine.convergence.resourcesUnsettled
            feed(.lifecycle(.leave), &context)
            return waitForFarewell(until: context.now + .seconds(3), remaining: remaining, &context)
        }
        after(.milliseconds(50), &context) { host, context in host.waitForDrain(until: end, &context) }
    }

    private mutating func waitForFarewell(until end: Instant, remaining: Int, _ context: inout Context) {
        guard !machine.membership.farewellComplete, context.now < end else {
            remember(&context)
            context.observe(.left(remaining: remaining))
            return context.exit()
        }
        after(.milliseconds(50), &context) { host, context in
            host.waitForFarewell(until: end, remaining: remaining, &context)
        }
    }

    // MARK: Remembering

    mutating func rememberLater(_ context: inout Context) {
        after(.seconds(5), &context) { host, context in
            if host.hasNews { host.remember(&context) }
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
