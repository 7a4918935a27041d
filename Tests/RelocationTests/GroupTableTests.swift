import Placement
import Resources
import Testing
import Vocabulary

@testable import Relocation

/// What a change of the membership costs, and that what is kept beside the groups is what a count would find.
@Suite struct GroupTableTests {
    private let names = ["ada", "bob", "cid", "dan", "eve"]

    /// Summaries of `count` names, every seventh of which has one of the members as its home.
    private func summaries(_ count: Int, homes: Bool = true) -> [GroupSummary] {
        World.summary(
            (0..<count).compactMap { number in
                VersionSet([
                    World.version(
                        "name-\(number)", by: "ada", counter: UInt64(number + 1),
                        home: homes && number % 7 == 0 ? names[number / 7 % names.count] : nil)
                ])
            })
    }

    private func owners(_ key: GroupKey, _ names: [String]) -> [NodeName] {
        World.ring(names).owners(of: key.slot, home: key.home, count: 2)
    }

    /// A node that holds all of these, each confirmed by its owners.
    private func settled(_ me: String, among names: [String], holding held: [GroupSummary]) -> Subject {
        var subject = Subject(me, among: names)
        subject.feed(.loaded(held.filter { owners($0.key, names).contains(World.node(me)) }))
        answerAll(&subject)
        return subject
    }

    /// Every comparison, as one whose peer holds just the same.
    private func answerAll(_ subject: inout Subject) {
        while true {
            var call: (Convergence.CallID, CompareRequest)?
            for case .compare(let id, _, let request) in subject.effects { call = (id, request) }
            guard let (id, request) = call else { return }
            subject.effects.removeAll { if case .compare(id, _, _) = $0 { true } else { false } }
            let groups = request.groups.map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) }
            subject.feed(.compared(id, CompareReply(groups: groups, same: request.shared != nil)))
        }
    }

    @Test("a join makes a node look at the groups whose owners it changes, and at no other")
    func joinCost() {
        let held = summaries(20_000)
        let four = Array(names.prefix(4))
        var subject = settled("ada", among: four, holding: held)
        #expect(subject.core.totals.underReplicated == 0)
        subject.feed(.view(World.view(names, for: "ada"), hear: .asOwnersChange, restarted: []))
        let mine = held.filter { owners($0.key, four).contains(World.node("ada")) }
        let concerned = mine.count { summary in
            let slot = GroupKey(slot: summary.key.slot, home: nil)
            return owners(slot, four) != owners(slot, names) || summary.key.home == World.node("eve")
        }
        let moved = mine.count { owners($0.key, four) != owners($0.key, names) }
        #expect(subject.core.groupsReplanned == UInt64(concerned))
        #expect(moved > 0 && concerned < moved * 3 / 2 && concerned < mine.count / 2)
    }

    @Test("a suspicion, and its end, make a node look at no group at all")
    func suspicionCost() {
        var subject = settled("ada", among: names, holding: summaries(5_000))
        for doubtful in [["bob"], []] {
            subject.feed(
                .view(World.view(names, for: "ada", doubtful: doubtful), hear: .asOwnersChange, restarted: []))
        }
        #expect(subject.core.groupsReplanned == 0)
    }

    @Test("a member that can not be called any more concerns the groups that it owns")
    func crashCost() {
        let held = summaries(20_000)
        var subject = settled("ada", among: names, holding: held)
        let view = View(
            ring: World.ring(names), contactable: ["bob", "cid", "dan"].map { World.node($0) }, doubtful: [])
        subject.feed(.view(view, hear: .asOwnersChange, restarted: []))
        // With its word for them taken back, they are all that is not confirmed.
        let shared = held.filter { Set(["ada", "eve"].map { World.node($0) }).isSubset(of: owners($0.key, names)) }
        #expect(subject.core.totals.underReplicated == shared.reduce(0) { $0 + $1.resources })
        let concerned = held.count { summary in
            let slot = GroupKey(slot: summary.key.slot, home: nil)
            return owners(summary.key, names).contains(World.node("ada"))
                && (owners(slot, names).contains(World.node("eve")) || summary.key.home == World.node("eve"))
        }
        #expect(subject.core.groupsReplanned == UInt64(concerned))
        #expect(concerned < held.count / 4)
    }

    @Test(
        "owners and sums are those of a count over all groups, whatever the membership went through", arguments: 0..<8)
    func sameAsCounted(seed: Int) {
        var rng = SeededGenerator(seed: UInt64(seed))
        let held = summaries(3_000)
        var members: [String: Candidate] = [:]
        func candidate(_ name: String) -> Candidate {
            Candidate(
                name: World.node(name), weight: [1, 2, 5].randomElement(using: &rng) ?? 1,
                zone: seed % 2 == 0 ? nil : ["east", "west"].randomElement(using: &rng))
        }
        for name in names { members[name] = candidate(name) }
        var subject = Subject("ada", among: ["ada"])
        subject.feed(.loaded(held))
        for _ in 0..<30 {
            let name = names.filter { $0 != "ada" }.randomElement(using: &rng) ?? "bob"
            members[name] = members[name] == nil || Bool.random(using: &rng) ? candidate(name) : nil
            let ring = Ring(Array(members.values))
            let reachable = members.keys.sorted().filter { $0 != "ada" && ($0 != "eve" || Bool.random(using: &rng)) }
            subject.feed(
                .view(
                    View(ring: ring, contactable: reachable.map { World.node($0) }, doubtful: []),
                    hear: Int.random(in: 0..<4, using: &rng) == 0 ? .these([World.node(name)]) : .asOwnersChange,
                    restarted: []),
                after: .milliseconds(100))
            if Bool.random(using: &rng) { answerAll(&subject) }
            let core = subject.core
            var sums = GroupTable.Sums()
            var left = Convergence.LeftBehind()
            core.groups.forEach { key, group in
                #expect(group.owners == ring.owners(of: key.slot, home: key.home, count: 2), "\(key)")
                let isMine = group.owners.contains(World.node("ada"))
                let isConfirmed = group.owners.allSatisfy { $0 == core.me || group.confirmed.contains($0) }
                sums.held += group.summary.resources
                sums.bytes += group.summary.bytes
                sums.weight += group.weight
                if isMine { sums.owned += group.summary.resources } else { sums.misplaced += group.weight }
                if isMine, !isConfirmed {
                    sums.unconfirmed += group.weight
                    sums.underReplicated += group.weight
                }
                if !isConfirmed {
                    sums.short += group.weight
                    sums.shortBytes += group.summary.bytes
                    left.deleted += group.summary.names - group.summary.resources
                }
                if !isConfirmed || group.confirmed.isEmpty && group.summary.resources > 0 {
                    if group.summary.resources > 0 { left.groups.append(key) }
                    left.resources += group.summary.resources
                    left.bytes += group.summary.bytes
                    left.weight += group.weight
                }
                #expect(core.groups.unconfirmed.contains(key) == !isConfirmed)
                #expect(core.groups.unvouched.contains(key) == (isMine && !group.vouched))
            }
            #expect(core.groups.sums == sums)
            left.groups.sort()
            #expect(core.leftBehind == left)
            #expect(core.resourcesShort == sums.short && core.bytesShort == sums.shortBytes)
        }
        subject.feed(.stored(held.map { GroupSummary(key: $0.key) }))
        #expect(subject.core.groups.sums == GroupTable.Sums())
        #expect(subject.core.groups.bySlot.isEmpty && subject.core.groups.byHome.isEmpty)
        #expect(subject.core.isDrained)
    }

    @Test("a node that comes back to what it left compares with everybody, and exchanges nothing", arguments: [3, 5])
    func homecoming(count: Int) {
        let members = Array(names.prefix(count))
        // With homes a name may have left for another group of its slot: there it is looked.
        let held = summaries(4_000, homes: false)
        var subject = Subject("ada", among: ["ada"])
        subject.core.isJoining = true
        subject.feed(.loaded(held.filter { owners($0.key, members).contains(World.node("ada")) }))
        subject.feed(.view(World.view(members, for: "ada"), hear: .everyone, restarted: []))
        subject.core.isJoining = false
        subject.feed(.tick)
        var exchanges = 0
        while true {
            var call: (id: Convergence.CallID, node: NodeName, request: CompareRequest)?
            for effect in subject.effects {
                if case .compare(let id, let node, let request) = effect { call = (id, node, request) }
                if case .exchange = effect { exchanges += 1 }
            }
            guard let (id, node, request) = call else { break }
            subject.effects = subject.effects.filter { if case .compare(id, _, _) = $0 { false } else { true } }
            let theirs = held.filter {
                request.slots.contains($0.key.slot) && owners($0.key, members).contains(node)
            }
            subject.feed(
                .compared(
                    id, CompareReply(groups: theirs.map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) })))
        }
        #expect(exchanges == 0)
        #expect(subject.core.slotsUnsynced == 0)
        #expect(subject.core.totals.isConverged)
    }

    // MARK: Looking after what is at rest

    @Test("what is at rest is looked over by one sum for all of its groups, and by all of them where that differs")
    func review() throws {
        let held = summaries(2_000)
        var subject = settled("ada", among: names, holding: held)
        subject.feed(.tick, after: subject.core.settings.antiEntropy)
        var asked = 0
        for case .compare(_, let node, let request) in subject.effects {
            asked += 1
            #expect(request.groups.isEmpty && request.shared != nil)
            var twin = settled(node.text, among: names, holding: held)
            #expect(twin.core.answer(request, from: World.node("ada")) == CompareReply(groups: [], same: true))
            // One that holds something else, and one whose word on a group does not hold.
            let lost = try #require(held.first { request.slots.contains($0.key.slot) && twin.core.isOwner($0.key) })
            var poorer = twin
            poorer.feed(.stored([GroupSummary(key: lost.key)]))
            if owners(lost.key, names).contains(World.node("ada")) {
                let reply = poorer.core.answer(request, from: World.node("ada"))
                #expect(!reply.same && !reply.groups.isEmpty)
                twin.feed(.lacking([lost.key]))
                #expect(twin.core.answer(request, from: World.node("ada")).same == false)
            }
        }
        #expect(asked == 4)
    }

    @Test("a review that finds a difference ends in an exchange")
    func reviewFindsDifference() throws {
        let held = summaries(2_000)
        var subject = settled("ada", among: ["ada", "bob"], holding: held)
        subject.feed(.tick, after: subject.core.settings.antiEntropy)
        var found: (Convergence.CallID, CompareRequest)?
        for case .compare(let id, _, let request) in subject.effects { found = (id, request) }
        let (id, request) = try #require(found)
        #expect(request.shared != nil)
        let key = try #require(held.first { request.slots.contains($0.key.slot) }).key
        let theirs = held.filter { request.slots.contains($0.key.slot) && $0.key != key }
        subject.feed(
            .compared(
                id, CompareReply(groups: theirs.map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) })))
        let exchanged = subject.effects.flatMap { effect -> [GroupKey] in
            if case .exchange(_, _, let intents) = effect { intents.map(\.key) } else { [] }
        }
        #expect(exchanged == [key])
    }
}
