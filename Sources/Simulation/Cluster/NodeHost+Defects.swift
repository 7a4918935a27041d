import Node
import Placement
import Relocation
import Resources
import SWIM
import Vocabulary

// Where planted defects need more than a word at the place where they take hold.

extension NodeHost {
    /// What this host hears of a packet or an exchange.
    func heard(_ claims: [Claim]) -> [Claim] {
        has(.neverRefutes) ? claims.filter { $0.name != name } : claims
    }

    /// After the cores have been told of a change of the membership.
    mutating func spoilView(_ context: inout Context) {
        if has(.dropsUnconfirmed) { dropUnowned(&context) }
        guard has(.leftStaysInRing) else { return }
        let view = machine.convergence.view
        let left = machine.membership.members.filter { $0.status == .left }
            .map { Candidate($0.name, $0.metadata) }
        guard !left.isEmpty else { return }
        let ring = Ring(view.ring.candidates + left)
        feed(
            .convergence(
                .view(
                    View(
                        ring: ring, contactable: view.contactable, doubtful: view.doubtful, restarting: view.restarting),
                    hear: .asOwnersChange,
                    restarted: [])), &context)
    }

    private mutating func dropUnowned(_ context: inout Context) {
        for group in context.disk.durable.groups(cluster) where !machine.convergence.isOwner(group.key) {
            drop(group.key, group.digest, &context)
        }
    }

    /// What a comparison with another node brought.
    func spoiled(_ reply: CompareReply, to request: CompareRequest) -> CompareReply {
        guard has(.comparesHalf) else { return reply }
        let seen = reply.groups.filter { $0.key.slot.number % 2 == 1 }
        return CompareReply(groups: seen + equal(request).groups.filter { $0.key.slot.number % 2 == 0 })
    }

    func spoiled(_ reply: SumsReply, to request: SumsRequest) -> SumsReply {
        guard has(.comparesHalf) else { return reply }
        var same = reply.same
        same.formUnion(SlotSet(request.slots.filter { $0.number % 2 == 0 }))
        return SumsReply(
            same: same, groups: reply.groups, counted: reply.counted, newer: reply.newer, noRoom: reply.noRoom)
    }

    /// What another node is answered that told what it holds.
    func spoiled(_ reply: ExchangeReply, to request: ExchangeRequest) -> ExchangeReply {
        guard has(.keepsInWordOnly) else { return reply }
        let asked = request.groups.filter(\.toStandIn)
        let kept = asked.map { ExchangeFinding(asked: $0, mine: $0.sets, owner: false, copies: 1, keeps: true) }
        let keys = Set(asked.map(\.key))
        return ExchangeReply(full: reply.full, findings: reply.findings.filter { !keys.contains($0.key) } + kept)
    }

    /// The answer of an owner that holds the same.
    func equal(_ request: CompareRequest) -> CompareReply {
        CompareReply(groups: request.groups.map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) })
    }

    /// What some owner said of all that is asked about, which passes for the word of the one that is asked.
    func wordOfAnother(_ request: CompareRequest) -> CompareReply? {
        guard has(.oneConfirmsForAll), !request.groups.isEmpty else { return nil }
        let known = request.groups.compactMap { asked in
            said[asked.key].flatMap { $0.digest == asked.digest ? $0 : nil }
        }
        return known.count == request.groups.count ? CompareReply(groups: known) : nil
    }

    mutating func keepWord(of reply: CompareReply) {
        guard has(.oneConfirmsForAll) else { return }
        for status in reply.groups where status.owner { said[status.key] = status }
    }

    mutating func countForAll(_ id: NodeMachine.WriteID, _ reply: OfferReply, _ context: inout Context) {
        guard has(.countsOneForAll) else { return }
        for node in offers.removeValue(forKey: id) ?? [] {
            feed(.offerAnswered(id, by: node, .stored(reply)), &context)
        }
    }

    mutating func forgetTombstones(_ context: inout Context) {
        guard has(.forgetsTombstones) else { return }
        let deleted = context.disk.durable.sets.values.filter(\.head.isTombstone).sorted { $0.name < $1.name }
        guard !deleted.isEmpty else { return }
        try? context.disk.write(.sets(changed: [], removed: deleted.map(\.name)))
        context.disk.syncNow()
        let groups = Set(deleted.map { $0.group(in: cluster) }).sorted()
        feed(.convergence(.stored(groups.map { context.disk.durable.summary(of: $0, cluster) })), &context)
    }

    /// The version that a write becomes.
    func spoiled(_ version: Version, wallMilliseconds: UInt64) -> Version {
        guard has(.losesContext) || has(.clockGoesBack) else { return version }
        var context = version.context
        var time = version.time
        if has(.losesContext) { context = CausalContext() }
        if has(.clockGoesBack) {
            let counter = UInt16(truncatingIfNeeded: version.dot.counter)
            time = HybridTime(wallMilliseconds: wallMilliseconds, counter: counter)
        }
        return Version(
            name: version.name, dot: version.dot, context: context, time: time, content: version.content,
            home: version.home)
    }

    /// A write that is given to another node since the one before may have made it.
    func blinded(_ request: WriteRequest) -> WriteRequest {
        guard has(.makesAgain) else { return request }
        var request = request
        request.attempts = request.attempts.map { attempt in
            WriteAttempt(
                after: Dot(node: attempt.after.node, epoch: .max, counter: .max), until: attempt.until)
        }
        return request
    }

    /// What is kept of a name when a version comes.
    func merge(_ old: VersionSet?, _ version: Version) -> VersionSet {
        if has(.keepsWhatCameLast) { return VersionSet(version) }
        let merged = old?.merged(with: [version]) ?? VersionSet(version)
        return has(.losesConflicts) ? VersionSet(merged.head) : merged
    }
}
