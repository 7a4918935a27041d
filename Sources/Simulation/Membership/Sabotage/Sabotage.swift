import SWIM
import Vocabulary

/// One member's planted defect, and beside it what was seen on the wire: it sits between the core and the network.
struct Sabotage: Interference {
    let defect: SwimDefect?
    private(set) var watch = WireWatch()

    /// Nacks on their way out, for `nackLate`.
    private var held: [(until: Instant, wish: HostContext<SwimHost>.Wish)] = []
    /// Pings that came in and must be answered; other acks are relayed ones.
    private var asked: Set<Question> = []
    /// For whom such a ping was meant, for `answersForOthers`.
    private var meant: [Question: NodeName] = [:]
    /// Probes over TLS that were never sent, for `fallbackVouches`.
    private var vouched: [(since: Instant, call: CallID, target: NodeName)] = []
    /// Farewells that were heard, by name, each with the last claim that was spoilt by it.
    private var farewells: [NodeName: Claim] = [:]
    /// The epoch of the first life.
    private var firstEpoch: UInt64?

    private struct Question: Hashable {
        let sequence: SequenceNumber
        let from: Endpoint
    }

    init(_ defect: SwimDefect?) { self.defect = defect }

    var deadline: Instant? { (held.map(\.until) + vouched.map(\.since)).min() }

    // MARK: In

    mutating func take(
        _ input: HostInput<SwimHost>, for machine: SwimHost, in context: inout HostContext<SwimHost>
    ) -> [HostInput<SwimHost>] {
        if defect == .sameOrderEverywhere { context.random = SeededGenerator(seed: 1) }
        return vouch(machine) + spoil(input, machine, at: context.now)
    }

    /// What those would have answered who are not even asked.
    private mutating func vouch(_ machine: SwimHost) -> [HostInput<SwimHost>] {
        defer { vouched = [] }
        return vouched.map { _, call, target in
            let known = machine.membership.member(target)?.claim
            return .response(.success(known.map { [$0.told(status: .alive)] } ?? []), call)
        }
    }

    private mutating func spoil(
        _ input: HostInput<SwimHost>, _ machine: SwimHost, at now: Instant
    ) -> [HostInput<SwimHost>] {
        switch input {
        case .datagram(let packet, let source):
            watch.heard(packet, at: now)
            let heard = hear(packet, from: source, machine).map { HostInput<SwimHost>.datagram($0, from: source) }
            return (heard.map { [$0] } ?? []) + accusation(after: packet, from: source, machine)
        case .request(.exchange(let claims), let id, let peer):
            return [.request(.exchange(claims.compactMap { hear($0, machine) }), id, from: peer)]
        case .request(.fallback(let claims), let id, let peer):
            return [.request(.fallback(claims.compactMap { hear($0, machine) }), id, from: peer)]
        case .response(.success(let claims), let id):
            return [.response(.success(claims.compactMap { hear($0, machine) }), id)]
        case .stalled: return defect == .stallUntold ? [] : [input]
        case .request(.compare, _, _), .tick, .response(.failure, _), .synced, .command: return [input]
        }
    }

    private func accusation(
        after packet: Packet, from source: Endpoint, _ machine: SwimHost
    ) -> [HostInput<SwimHost>] {
        guard defect == .healthNeverFalls, machine.membership.healthScore > 0, case .ack = packet.message else {
            return []
        }
        let accused = machine.membership.oneself.claim.told(status: .suspect, accuser: packet.from)
        return [.datagram(Packet(from: packet.from, message: .gossip, claims: [accused]), from: source)]
    }

    private mutating func hear(_ packet: Packet, from source: Endpoint, _ machine: SwimHost) -> Packet? {
        var message = packet.message
        let identity = machine.membership.identity
        if defect == .relayRefused, case .pingRequest = message { return nil }
        if defect == .namesakeHidden, packet.from == identity { return nil }
        if case .ping(let sequence, let target) = message {
            let question = Question(sequence: sequence, from: source)
            if defect == .relayedAckKept { asked.insert(question) }
            if defect == .answersForOthers, target != identity {
                meant[question] = target
                message = .ping(sequence, target: identity)
            }
        }
        return Packet(
            from: packet.from, message: message, claims: packet.claims.compactMap { hear($0, machine) },
            coordinate: packet.coordinate)
    }

    private mutating func hear(_ claim: Claim, _ machine: SwimHost) -> Claim? {
        let isOwn = claim.name == machine.membership.identity
        if defect == .buddyForgotten, isOwn, claim.status.isAccusation { return nil }
        if defect == .namesakeHidden, isOwn, claim.epoch > machine.membership.oneself.epoch { return nil }
        if defect == .hearsayInflates, !isOwn, claim.status == .alive { return claim.told(claim.incarnation.next) }
        if defect == .addressKept, !isOwn, let known = machine.membership.member(claim.name) {
            return claim.told(endpoint: known.endpoint)
        }
        if defect == .oldLeaveReplayed, claim.status == .left, farewells[claim.name] == nil {
            farewells[claim.name] = claim
        }
        return claim
    }

    // MARK: Out

    mutating func give(
        _ wishes: [HostContext<SwimHost>.Wish], of machine: SwimHost, at now: Instant
    ) -> [HostContext<SwimHost>.Wish] {
        if firstEpoch == nil { firstEpoch = machine.membership.oneself.epoch }
        var given: [HostContext<SwimHost>.Wish] = []
        for wish in wishes { give(wish, machine, now, &given) }
        while let index = held.firstIndex(where: { $0.until <= now }) { given.append(held.remove(at: index).wish) }
        for wish in given {
            if case .send(let packet, _, _) = wish { watch.said(packet, at: now) }
        }
        return given
    }

    private mutating func give(
        _ wish: HostContext<SwimHost>.Wish, _ machine: SwimHost, _ now: Instant,
        _ given: inout [HostContext<SwimHost>.Wish]
    ) {
        switch wish {
        case .send(let packet, let target, _):
            guard defect != .departedGivenUp || !isCrashed(target, machine) else { return }
            guard let spoilt = say(packet, to: target, machine) else { return }
            let send = Self.send(spoilt, to: target)
            if defect == .nackLate, case .nack = spoilt.message {
                held.append((now + .milliseconds(400), send))
                return
            }
            given.append(send)
            if defect == .gossipWithoutNews, case .ping = spoilt.message { given += gossipToAll(machine) }
        case .call(let id, let request, let target, let expecting, let bytes, let timeout, let grace):
            guard defect != .departedGivenUp || !isCrashed(target, machine) else { return }
            if defect == .fallbackVouches, case .fallback = request, let expecting {
                return vouched.append((now, id, expecting))
            }
            let spoilt: SwimHost.Request =
                switch request {
                case .compare: request
                case .exchange(let claims): .exchange(exchange(claims, machine))
                case .fallback(let claims): .fallback(claims.map { say($0, machine) })
                }
            given.append(
                .call(
                    id, spoilt, to: target, expecting: expecting, bytes: bytes, timeout: timeout, stallsAfter: grace))
        case .answer(let id, let claims, let bytes):
            given.append(.answer(id, exchange(claims, machine), bytes: bytes))
        case .sync, .observe, .exit: given.append(wish)
        }
    }

    private static func send(_ packet: Packet, to target: Endpoint) -> HostContext<SwimHost>.Wish {
        .send(packet, to: target, bytes: packet.wireSize + SwimTraffic.datagramOverhead)
    }

    private func isCrashed(_ target: Endpoint, _ machine: SwimHost) -> Bool {
        machine.membership.claims.contains { $0.endpoint == target && $0.status == .crashed }
    }

    private func gossipToAll(_ machine: SwimHost) -> [HostContext<SwimHost>.Wish] {
        let own = machine.membership.oneself.claim
        return machine.membership.claims.filter { $0.name != own.name && !$0.status.isDeparted }.map {
            Self.send(Packet(from: own.name, message: .gossip, claims: [own]), to: $0.endpoint)
        }
    }

    private func exchange(_ claims: [Claim], _ machine: SwimHost) -> [Claim] {
        let own = machine.membership.identity
        let told = defect == .exchangeOfOneself ? claims.filter { $0.name == own } : claims
        return told.map { say($0, machine) }
    }

    private mutating func say(_ packet: Packet, to target: Endpoint, _ machine: SwimHost) -> Packet? {
        var (from, message) = (packet.from, packet.message)
        var claims = packet.claims.map { say($0, machine) }
        if defect == .nackNever, case .nack = message { return nil }
        if case .ack(let sequence) = message {
            let question = Question(sequence: sequence, from: target)
            if defect == .noAck { return nil }
            if defect == .wrongSequence { message = .ack(SequenceNumber(sequence.number &+ 1)) }
            if defect == .relayedAckKept, asked.remove(question) == nil { return nil }
            if defect == .answersForOthers { from = meant.removeValue(forKey: question) ?? from }
        }
        if defect == .newsUntold { claims = [] }
        if defect == .oneselfUntold { claims.removeAll { $0.name == from } }
        if defect == .farewellUntold { claims.removeAll { $0.name == from && $0.status == .left } }
        if defect == .datagramOverfull { for _ in 0..<3 { claims += machine.membership.claims } }
        if defect == .oldLeaveReplayed { claims += replays(machine) }
        return Packet(from: from, message: message, claims: claims, coordinate: packet.coordinate)
    }

    /// Each farewell of somebody who is back, once for each of its incarnations.
    private mutating func replays(_ machine: SwimHost) -> [Claim] {
        var replays: [Claim] = []
        for claim in machine.membership.claims where !claim.status.isDeparted {
            guard let last = farewells[claim.name], last.precedence < claim.precedence else { continue }
            let replay = claim.told(status: .left)
            farewells[claim.name] = replay
            replays.append(replay)
        }
        return replays
    }

    private func say(_ claim: Claim, _ machine: SwimHost) -> Claim {
        let identity = machine.membership.identity
        if claim.name == identity {
            if defect == .refutationUnnumbered { return claim.told(.zero) }
            if defect == .drainingUntold, claim.status == .draining { return claim.told(status: .alive) }
            if defect == .restartUntold, claim.status == .restarting { return claim.told(status: .alive) }
            if defect == .epochKept { return claim.told(epoch: firstEpoch) }
        }
        if defect == .suspicionOutranks, claim.status == .suspect { return claim.told(claim.incarnation.next) }
        if defect == .verdictOfOldIncarnation, claim.status == .crashed, claim.incarnation > .zero {
            return claim.told(Incarnation(claim.incarnation.number - 1))
        }
        if defect == .accuserForged, claim.accuser != nil { return claim.told(accuser: identity) }
        return claim
    }
}

extension Claim {
    /// The same claim, falsified.
    fileprivate func told(
        _ incarnation: Incarnation? = nil, epoch: UInt64? = nil, status: Status? = nil, endpoint: Endpoint? = nil,
        accuser: NodeName? = nil
    ) -> Claim {
        Claim(
            name: name, endpoint: endpoint ?? self.endpoint, epoch: epoch ?? self.epoch,
            incarnation: incarnation ?? self.incarnation, status: status ?? self.status, intent: intent,
            metadata: metadata, accusers: accuser.map { [$0] } ?? accusers)
    }
}
