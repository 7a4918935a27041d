import Logging
import Node
import Relocation
import SWIM
import Vocabulary

/// The way in: tries the configured addresses and the remembered ones, some at a time, again and again with growing
/// pauses, until a member answers that is in itself. Until then nothing here is vouched for.
///
/// It goes on for as long as the agent runs, if ever more slowly: of a cluster that started in two halves, each has found
/// a partner, and nobody but this loop knows of the other half.
struct JoinLoop: Sendable {
    let core: AgentCore
    let members: MembersService
    let notifier: SystemdNotifier
    let pace: Pace

    /// The pauses between rounds; each grows to double.
    struct Pace: Sendable {
        var first = Duration.milliseconds(500)
        /// While on the way in.
        var max = Duration.seconds(5)
        /// Between two looks for others; of a node that is alone at first as long as its last pause.
        var lookFirst = Duration.seconds(30)
        var lookMax = Duration.seconds(300)
        var lookAloneMax = Duration.seconds(30)
    }

    /// Rounds before a node that remembers nobody goes on alone; the first nodes of a new cluster wait as long.
    private static let roundsBeforeAlone = 3
    /// A silent address costs the 5 s of a connection's attempt: of so many at once, others need not wait for it.
    private static let attemptsAtOnceMax = 8
    /// Of more addresses the next round takes the next ones.
    private static let roundAddressesMax = 32
    private static let roundMax = Duration.seconds(25)

    /// Whether there is anybody to find: then this node begins as `joining`.
    var hasAddresses: Bool { !addresses(besidesPresent: false).isEmpty }

    /// Runs until it is cancelled, or has nobody to look for.
    ///
    /// - Parameter settled: called once, when this node is a member or goes on alone; or has to wait for somebody who may
    ///   come at any time, or never.
    func run(settled: @Sendable () -> Void) async {
        guard hasAddresses || core.driver.read({ $0.isJoining }) else {
            await createKey()
            return settled()
        }
        var isSettled = false
        let pause = await enter {
            isSettled = true
            settled()
        }
        guard let pause else { return }
        if !isSettled { settled() }
        await lookForOthers(after: pause)
    }

    // MARK: Getting in

    /// - Parameter waits: called once, when nobody answers and this node does not go on alone, or another has its name.
    /// - Returns: how long to wait before looking for others; `nil` when cancelled.
    private func enter(waits: () -> Void) async -> Duration? {
        let began = ContinuousClock.now
        let isBlank = isBlank
        // Somebody waits for this start, and was not told yet that it may take for ever.
        var isAwaited = true
        // It was said that those who answer are too few, and nothing else since.
        var saidTooFew = false
        func tellWaiting() {
            guard isAwaited else { return }
            isAwaited = false
            waits()
        }
        var pause = pace.first
        var rounds = 0
        var way = WayIn()
        var saidRefusal: ContinuousClock.Instant?
        while !Task.isCancelled {
            // systemd's TimeoutStartSec is for a start that hangs; this one waits for others, and says so.
            if isAwaited { notifier.extendTimeout(by: Self.roundMax + pace.max + .seconds(60)) }
            await look(&way, isWoken: false, asksAll: !isAwaited)
            if way.hasJoined { return joined() }
            if let refusal = way.refusal {
                // Not alone either: two of one name would both take writes as the same node. When the other has gone,
                // the next round gets in, and so it goes on for as long as somebody lets it run. Who waits for its start is
                // told the second time: a name may be free as soon as the others notice that its last holder is dead.
                if saidRefusal != nil { tellWaiting() }
                let said = sayRefused(refusal, lastSaid: saidRefusal)
                if said != saidRefusal { saidTooFew = false }
                saidRefusal = said
                do { try await Task.sleep(for: pace.max) } catch { return nil }
                continue
            }
            rounds += 1
            let roundsOfAll = (way.addressCount + Self.roundAddressesMax - 1) / Self.roundAddressesMax
            let isTime = rounds >= max(Self.roundsBeforeAlone, roundsOfAll)
            let mayBeFirst = {
                !isBlank || Self.mayFound(joiners: way.joiners, addresses: way.addressCount - way.ownCount)
            }
            if isTime, !mayBeFirst() {
                if !saidTooFew { sayTooFew() }
                saidTooFew = true
                tellWaiting()
            }
            let due = ContinuousClock.now + pause
            while way.refusal == nil {
                if isTime && mayBeFirst() || isFounder(way),
                    mayGoAlone(after: ContinuousClock.now - began, joiners: way.joiners)
                {
                    await goAlone()
                    return pause
                }
                // Who comes meanwhile may have got in, or be the last one to wait for.
                guard await wait(until: due) else { break }
                await look(&way, isWoken: true, asksAll: !isAwaited)
                if way.hasJoined { return joined() }
            }
            if way.refusal == nil { pause = min(pause * 2, pace.max) }
        }
        return nil
    }

    private func joined() -> Duration {
        members.tellJoinersSoon()
        return pace.lookFirst
    }

    /// Those who come together are one occasion.
    private static let wakePause = Duration.milliseconds(20)

    /// - Returns: whether somebody came before that time; `false` when cancelled, too.
    private func wait(until due: ContinuousClock.Instant) async -> Bool {
        await members.arrivals.wait(atMost: due - ContinuousClock.now)
        guard !Task.isCancelled, ContinuousClock.now < due else { return false }
        return (try? await Task.sleep(for: Self.wakePause)) != nil
    }

    /// How far the search has come.
    private struct WayIn {
        var hasJoined = false
        /// A live node has this node's name.
        var refusal: String?
        /// Nodes that are on their way in themselves, each with those that it remembers.
        var joiners: [NodeName: [NodeName]] = [:]
        /// Whether each address that was configured or remembered led to one of those.
        var leadsToJoinersOnly = false
        var addressCount = 0
        /// Of those, how many led to this node itself.
        var ownCount = 0
        /// Where the next round begins, of more addresses than it asks.
        var position = 0
        /// The same of whom gossip made known.
        var positionOfMet = 0
    }

    /// One round: first those of whom an operator or an earlier life knows; then whom they made known, as far as it matters.
    /// Many that start together hear of each other from the first one they ask: if each then asked each other, who are all
    /// on their way in like itself, they would do nothing else for seconds.
    ///
    /// - Parameters:
    ///   - isWoken: between two rounds, since somebody came. Those who just said that they are on their way in are not
    ///     asked again.
    ///   - asksAll: those to join are not enough to go on by: all whom gossip made known are asked, too.
    private func look(_ way: inout WayIn, isWoken: Bool, asksAll: Bool) async {
        let present = members.others
        let fresh = members.arrivals.joiners
        let freshAt = Set(present.filter { fresh[$0.name] != nil }.map(\.endpoint))
        let known = addresses(besidesPresent: false)
        let first = isWoken ? known.filter { !freshAt.contains($0) } : known
        way.joiners.merge(fresh) { $1 }
        way.addressCount = known.count
        let insiders = members.arrivals.inside
        let inside = present.filter { insiders.contains($0.name) }.map(\.endpoint)
        var outcome = await round(inside + Self.next(&way.position, of: first), endsAtFirst: true)
        way.joiners.merge(outcome.joiners) { $1 }
        if !isWoken { way.ownCount = outcome.ownCount }
        way.leadsToJoinersOnly = !known.isEmpty && outcome.joiners.count >= first.count
        if !outcome.hasJoined, outcome.refusal == nil {
            let missed = Self.missed(remembered: members.saved.atStart, joiners: way.joiners, me: core.name)
            let nobodyAnswered = way.joiners.isEmpty
            let second = present.filter { member in
                fresh[member.name] == nil && outcome.joiners[member.name] == nil
                    && (nobodyAnswered || asksAll || missed.contains(member.name))
            }
            if !second.isEmpty {
                let next = Self.next(&way.positionOfMet, of: second.map(\.endpoint))
                outcome = await round(next, endsAtFirst: true)
                way.joiners.merge(outcome.joiners) { $1 }
            }
        }
        way.hasJoined = outcome.hasJoined
        way.refusal = outcome.refusal
    }

    private static let refusalSaidEvery = Duration.seconds(60)

    /// - Returns: when it was last said.
    private func sayRefused(_ refusal: String, lastSaid: ContinuousClock.Instant?) -> ContinuousClock.Instant {
        let now = ContinuousClock.now
        notifier.status("not let in: \(refusal)")
        if let lastSaid, now - lastSaid < Self.refusalSaidEvery { return lastSaid }
        core.log.error("this node is not let in; it tries again", metadata: ["reason": "\(refusal)"])
        return now
    }

    /// Whether this node has nothing of the cluster that its configuration names: it is new, or its disk is. Alone it would
    /// deny every name that there is, and to wait costs it nothing that it has.
    private var isBlank: Bool {
        core.keys.current == nil && members.saved.atStart.isEmpty
            && core.driver.read { $0.convergence.totals.held } == 0
    }

    /// Whether a node with nothing of its own may be the first of a new cluster: none of those on their way in with it knows
    /// of one, and they are most of those to join. Then at most a few hosts of a new cluster are down; of one that there is,
    /// most would have to be unreachable, and the others have lost their disks.
    static func mayFound(joiners: [NodeName: [NodeName]], addresses: Int) -> Bool {
        joiners.values.allSatisfy(\.isEmpty) && 2 * (joiners.count + 1) > addresses + 1
    }

    private func sayTooFew() {
        core.log.warning(
            "too few answer of those to join; a node with nothing of its own waits for one that is in the cluster",
            metadata: [
                "addresses": "\(configured)",
                "remedy":
                    "start the others, more than half of a new cluster; or take join out of its first node's settings",
            ])
    }

    private var configured: String { core.settings.join.prefix(8).map(\.description).joined(separator: ",") }

    /// The first nodes of a new cluster, all of whom name one another: every address answered, each is on its way in, and
    /// nobody remembers anybody. Then nobody can have gone on without them, and the first by name need not wait.
    private func isFounder(_ way: WayIn) -> Bool {
        way.leadsToJoinersOnly && members.saved.atStart.isEmpty && members.others.allSatisfy { core.name < $0.name }
            && way.joiners.allSatisfy { name, remembered in core.name < name && remembered.isEmpty }
    }

    /// Members of an earlier life are still owners for `relocation.delay`, and may hold what this node does not: before
    /// that nothing is answered or acknowledged without them. When all of them are back and on their way in like this
    /// node, nobody went on without it, and somebody has to be the first.
    private func mayGoAlone(after elapsed: Duration, joiners: [NodeName: [NodeName]]) -> Bool {
        if elapsed >= core.settings.relocation.delay { return true }
        let missed = Self.missed(remembered: members.saved.atStart, joiners: joiners, me: core.name)
        return missed.allSatisfy { core.revoked.contains(node: $0) }
    }

    /// Those remembered here or by one of the joiners who did not answer that they are joining, too.
    ///
    /// - Parameter joiners: each with those that it remembers.
    static func missed(remembered: [NodeName], joiners: [NodeName: [NodeName]], me: NodeName) -> Set<NodeName> {
        Set(remembered).union(joiners.values.joined()).subtracting(joiners.keys).subtracting([me])
    }

    private func goAlone() async {
        core.log.warning(
            "no member of the cluster answers that is in it; going on and trying again",
            metadata: ["addresses": "\(configured)"])
        await createKey()
        core.driver.feed(.lifecycle(.alone))
        // Others on their way in have met this one meanwhile: they must know its key.
        members.tellEveryoneSoon()
    }

    private func createKey() async {
        do { _ = try await core.keys.createIfNeeded(revocations: core.revoked.nodesIfAny.count) } catch {
            core.log.error("could not make a cluster key", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Looking for others

    private func lookForOthers(after first: Duration) async {
        var pause = first
        var position = 0
        while !Task.isCancelled {
            do { try await Task.sleep(for: pause) } catch { return }
            let absent = addresses(besidesPresent: true)
            if !absent.isEmpty { _ = await round(Self.next(&position, of: absent), endsAtFirst: false) }
            let isAlone = core.driver.read { $0.membership.presentCount == 1 }
            pause = min(pause * 2, isAlone ? pace.lookAloneMax : pace.lookMax)
        }
    }

    // MARK: Rounds

    /// Whom to ask: the configured, and those remembered and not met. Names are resolved at each attempt.
    private func addresses(besidesPresent: Bool) -> [Endpoint] {
        let (own, present, known) = core.driver.read { machine in
            let members = machine.membership.members
            return (
                machine.membership.oneself.endpoint,
                members.filter { !$0.status.isDeparted && $0.name != core.name }.map(\.endpoint),
                Set(members.map(\.name))
            )
        }
        let unmet = core.revoked.admitted(members.saved.unmet).filter { !known.contains($0.name) }.map(\.endpoint)
        var seen: Set<Endpoint> = [own]
        if besidesPresent { seen.formUnion(present) }
        return (core.settings.join + unmet).filter { seen.insert($0).inserted }
    }

    /// The next addresses in turn.
    static func next(_ position: inout Int, of all: [Endpoint]) -> [Endpoint] {
        guard all.count > roundAddressesMax else { return all }
        let start = position % all.count
        position = start + roundAddressesMax
        return (0..<roundAddressesMax).map { all[(start + $0) % all.count] }
    }

    private struct Outcome {
        var hasJoined = false
        /// Nodes that answered and are on their way in themselves, each with those that it remembers.
        var joiners: [NodeName: [NodeName]] = [:]
        /// A live node has this node's name.
        var refusal: String?
        /// Addresses of this node itself.
        var ownCount = 0
    }

    private enum Attempt: Sendable {
        case joined, joining(NodeName, remembering: [NodeName]), refused(String), oneself, failed, timeIsUp
    }

    private func round(_ addresses: [Endpoint], endsAtFirst: Bool) async -> Outcome {
        await withTaskGroup(of: Attempt.self) { group in
            group.addTask {
                do { try await Task.sleep(for: Self.roundMax) } catch { return .failed }
                return .timeIsUp
            }
            var waiting = addresses[...]
            var underWay = 0
            var outcome = Outcome()
            func start() {
                guard underWay < Self.attemptsAtOnceMax, let address = waiting.popFirst() else { return }
                underWay += 1
                group.addTask { await attempt(address) }
            }
            for _ in 0..<Self.attemptsAtOnceMax { start() }
            rounds: while underWay > 0, let attempt = await group.next() {
                switch attempt {
                case .timeIsUp: break rounds
                case .joined: outcome.hasJoined = true
                case .joining(let node, let remembered): outcome.joiners[node] = remembered
                case .refused(let reason): outcome.refusal = reason
                case .oneself: outcome.ownCount += 1
                case .failed: break
                }
                underWay -= 1
                if outcome.hasJoined, endsAtFirst { break }
                start()
            }
            group.cancelAll()
            return outcome
        }
    }

    private func attempt(_ address: Endpoint) async -> Attempt {
        do {
            let node = try await members.join(through: address)
            core.log.info("joined the cluster", metadata: ["through": "\(node)", "at": "\(address)"])
            return .joined
        } catch JoinError.joiningItself(let node, let remembered) {
            core.log.debug("\(node) is on its way in itself", metadata: ["at": "\(address)"])
            return .joining(node, remembering: remembered)
        } catch JoinError.oneself {
            // The usual case where all hosts have one list.
            return .oneself
        } catch JoinError.nameInUse(_, let reason) {
            return .refused(reason)
        } catch {
            if !Task.isCancelled { core.log.info("could not join through \(address)", metadata: ["error": "\(error)"]) }
            return .failed
        }
    }
}
