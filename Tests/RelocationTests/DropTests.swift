import Resources
import Testing
import Vocabulary

@testable import Relocation

/// Law 2: no copy is dropped before R current owners have confirmed.
@Suite struct DropTests {
    private let names = ["ada", "bob", "cid"]

    /// `cid` holds a name that `ada` and `bob` own.
    private func misplaced() -> (Subject, [GroupSummary]) {
        let name = World.nameOwned(by: ["ada", "bob"], among: names)
        let summaries = World.summary([VersionSet(World.version(name, by: "cid"))])
        var subject = Subject("cid", among: names)
        subject.feed(.loaded(summaries))
        return (subject, summaries)
    }

    @Test("what is not ours is dropped once every owner has confirmed it")
    func dropsAfterAll() {
        var (subject, summaries) = misplaced()
        subject.confirm("ada", summaries)
        #expect(subject.drops().isEmpty)
        subject.confirm("bob", summaries)
        #expect(subject.drops() == summaries.map(\.key))
    }

    @Test("what an owner says when it asks lets nothing go: it may have been held back for long; it is asked in turn")
    func toldConfirmsNothing() {
        var (subject, summaries) = misplaced()
        subject.confirm("ada", summaries)
        // It does not see yet that it is an owner, so it is asked again only after a while,
        let bob = World.node("bob")
        subject.confirm("bob", summaries, owner: false)
        subject.feed(.tick)
        #expect(subject.takeCompare(with: "bob") == nil)
        let told = summaries.map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) }
        let slots = SlotSet(summaries.map(\.key.slot))
        _ = subject.core.answer(CompareRequest(slots: slots, groups: told, shared: nil), from: bob)
        // in an offer as well,
        for status in told { subject.feed(.told(by: bob, status)) }
        // or at once, when it tells of itself.
        subject.feed(.tick)
        #expect(subject.effects.allSatisfy { if case .drop = $0 { false } else { true } })
        subject.confirm("bob", summaries)
        #expect(subject.drops() == summaries.map(\.key))
    }

    @Test("an equal digest from a node that does not see itself as an owner confirms nothing")
    func nonOwnerConfirmsNothing() {
        var (subject, summaries) = misplaced()
        subject.confirm("ada", summaries)
        subject.confirm("bob", summaries, owner: false)
        #expect(subject.drops().isEmpty)
        #expect(subject.core.totals.misplaced == 1)
    }

    @Test(
        "an owner that lacks bytes of a group vouches for it to nobody, and tells all of them, until it has them again")
    func lackingOwnerConfirmsNothing() {
        let (_, summaries) = misplaced()
        var owner = Subject("bob", among: names)
        owner.feed(.loaded(summaries))
        let key = summaries[0].key
        #expect(owner.core.status(of: key).owner)
        owner.feed(.lacking([key]))
        #expect(!owner.core.status(of: key).owner)
        guard let id = owner.takeCompare(with: "cid") else {
            Issue.record("cid was not told")
            return
        }
        let theirs = summaries.map { GroupStatus(key: $0.key, digest: $0.digest, owner: false) }
        owner.feed(.compared(id, CompareReply(groups: theirs)))
        owner.feed(.lacking([]))
        #expect(owner.core.status(of: key).owner)
        #expect(owner.takeCompare(with: "cid") != nil)
    }

    @Test("an owner takes its confirmation back by saying that it does not vouch any more")
    func takenBack() {
        var (subject, summaries) = misplaced()
        subject.confirm("ada", summaries)
        let statuses = summaries.map { GroupStatus(key: $0.key, digest: $0.digest, owner: false) }
        let slots = SlotSet(summaries.map(\.key.slot))
        _ = subject.core.answer(CompareRequest(slots: slots, groups: statuses), from: World.node("ada"))
        subject.confirm("bob", summaries)
        #expect(subject.drops().isEmpty)
    }

    @Test("also when it has written something since: what it lacks is of before (seed 354)")
    func takenBackBesideMore() throws {
        let more = SetDigest(high: 1, low: 1)
        var (subject, summaries) = misplaced()
        let (key, digest) = (summaries[0].key, summaries[0].digest)
        subject.confirm("ada", summaries)
        let ada = World.node("ada")
        #expect(subject.core.holders(of: key).contains(ada))
        let told = GroupStatus(key: key, digest: more, owner: false)
        _ = subject.core.answer(CompareRequest(slots: SlotSet([key.slot]), groups: [told]), from: ada)
        #expect(!subject.core.holders(of: key).contains(ada))
        // So does what it says in an exchange, here with its fellow owner.
        let bob = World.node("bob")
        var owner = Subject("ada", among: names)
        owner.feed(.loaded(summaries))
        let compared = owner.takeCompare(with: "bob")
        owner.feed(
            .compared(try #require(compared), CompareReply(groups: [GroupStatus(key: key, digest: more, owner: true)])))
        let exchange = owner.takeExchange(with: "bob")
        let (id, intents) = try #require(exchange)
        owner.feed(.told(by: bob, GroupStatus(key: key, digest: digest, owner: true)))
        #expect(owner.core.holders(of: key).contains(bob))
        let asked = intents.map { $0.telling([]) }
        let findings = asked.map { ExchangeFinding(asked: $0, mine: [], owner: false, copies: 1) }
        owner.feed(.exchanged(id, told: asked, ExchangeReply(findings: findings)))
        #expect(!owner.core.holders(of: key).contains(bob))
    }

    @Test("confirmations of former owners do not count after the owners changed")
    func formerOwnersDoNotCount() {
        var (subject, summaries) = misplaced()
        subject.confirm("ada", summaries)
        subject.feed(.view(World.view(["bob", "cid"], for: "cid"), hear: .asOwnersChange, restarted: []))
        subject.feed(.view(World.view(names, for: "cid"), hear: .asOwnersChange, restarted: []))
        subject.confirm("bob", summaries)
        #expect(subject.drops().isEmpty, "ada's word was given under other owners")
    }

    @Test("a restarted owner's confirmation does not count: its disk may be another")
    func restartedOwnerDoesNotCount() {
        var (subject, summaries) = misplaced()
        subject.confirm("ada", summaries)
        subject.feed(.view(World.view(names, for: "cid"), hear: .asOwnersChange, restarted: [World.node("ada")]))
        subject.confirm("bob", summaries)
        #expect(subject.drops().isEmpty)
    }

    @Test("with fewer owners than copies wanted, a drained node keeps its copy and is still drained")
    func fewerOwnersThanCopies() {
        var subject = Subject("cid", among: ["bob", "cid"])
        let summaries = World.summary([VersionSet(World.version("a", by: "cid"))])
        subject.feed(.loaded(summaries))
        subject.feed(.view(World.view(["bob"], for: "cid"), hear: .asOwnersChange, restarted: []))
        #expect(!subject.core.isDrained)
        // What it answers to a question from before is no word that it will keep it.
        subject.confirm("bob", summaries)
        #expect(!subject.core.isDrained)
        subject.confirm("bob", summaries)
        #expect(subject.core.isDrained)
        #expect(subject.drops().isEmpty, "one copy elsewhere is not two")
    }

    @Test("a node that is dropping does not vouch for what it drops")
    func droppingVouchesForNothing() {
        var (subject, summaries) = misplaced()
        subject.confirm("ada", summaries)
        subject.confirm("bob", summaries)
        #expect(subject.drops() == summaries.map(\.key))
        subject.feed(.view(World.view(["ada", "cid"], for: "cid"), hear: .asOwnersChange, restarted: []))
        let asked = CompareRequest(slots: SlotSet(summaries.map(\.key.slot)), groups: [])
        let reply = subject.core.answer(asked, from: World.node("ada"))
        #expect(reply.groups.map(\.owner) == [false])
        subject.feed(.dropped(summaries[0].key, .changed))
        let later = subject.core.answer(asked, from: World.node("ada"))
        #expect(later.groups.map(\.owner) == [true])
    }

    @Test("a drop that the disk refused is tried again, but not at once")
    func refusedDropWaits() {
        var (subject, summaries) = misplaced()
        subject.confirm("ada", summaries)
        subject.confirm("bob", summaries)
        #expect(subject.takeDrops() == summaries.map(\.key))
        subject.feed(.dropped(summaries[0].key, .failed))
        subject.feed(.tick, after: .seconds(2))
        #expect(subject.drops().isEmpty)
        subject.feed(.tick, after: subject.core.settings.recheckMax)
        #expect(subject.drops() == summaries.map(\.key))
    }

    @Test("only so many groups are dropped at once, and all of them in the end")
    func dropsAreBounded() {
        var subject = Subject("cid", among: names)
        var sets: [VersionSet] = []
        for number in 0..<400 where sets.count < 30 {
            let set = VersionSet(World.version("resource-\(number)", by: "cid"))
            if !subject.core.isOwner(set.group(in: World.cluster)) { sets.append(set) }
        }
        let summaries = World.summary(sets)
        subject.feed(.loaded(summaries))
        subject.confirm("ada", summaries)
        subject.confirm("bob", summaries)
        var dropped: Set<GroupKey> = []
        while true {
            let next = subject.takeDrops()
            if next.isEmpty { break }
            #expect(next.count <= subject.core.settings.dropsActiveMax)
            for key in next {
                #expect(dropped.insert(key).inserted)
                subject.feed(.stored([GroupSummary(key: key)]))
                subject.feed(.dropped(key, .gone))
            }
        }
        #expect(dropped == Set(summaries.map(\.key)))
        #expect(subject.core.totals.held == 0)
    }

    @Test("a write between the confirmation and the drop takes the confirmation back")
    func writeTakesConfirmationBack() {
        var (subject, summaries) = misplaced()
        subject.confirm("ada", summaries)
        let name = World.nameOwned(by: ["ada", "bob"], among: names)
        let old = VersionSet(World.version(name, by: "cid"))
        let newer = old.merged(with: [World.version(name, by: "cid", counter: 2, time: 2000, seen: old)])
        subject.feed(.stored(World.summary([newer])))
        subject.confirm("bob", World.summary([newer]))
        #expect(subject.drops().isEmpty)
    }

    @Test("a drop that waits for its turn is given up when an owner takes its word back, or this node is one again")
    func calledBack() throws {
        for isOwnerAgain in [false, true] {
            var (subject, summaries) = misplaced()
            let (key, digest) = (summaries[0].key, summaries[0].digest)
            #expect(!subject.core.mayStillDrop(key, digest), "nobody has confirmed it")
            subject.confirm("ada", summaries)
            subject.confirm("bob", summaries)
            #expect(!subject.core.mayStillDrop(key, digest), "it was not begun")
            #expect(subject.takeDrops() == [key])
            #expect(subject.core.mayStillDrop(key, digest))
            #expect(!subject.core.mayStillDrop(key, SetDigest(high: 1, low: 1)))
            if isOwnerAgain {
                subject.feed(.view(World.view(["ada", "cid"], for: "cid"), hear: .asOwnersChange, restarted: []))
            } else {
                let lost = GroupStatus(key: key, digest: digest, owner: false)
                _ = subject.core.answer(
                    CompareRequest(slots: SlotSet([key.slot]), groups: [lost]), from: World.node("ada"))
            }
            #expect(!subject.core.mayStillDrop(key, digest))
            subject.feed(.dropped(key, .changed))
            #expect(subject.takeDrops().isEmpty)
        }
    }

    @Test("what an owner answered before it took its word back does not give it back", arguments: [false, true])
    func overtaken(byExchange: Bool) throws {
        var (subject, summaries) = misplaced()
        let (key, digest) = (summaries[0].key, summaries[0].digest)
        let ada = World.node("ada")
        let ask = subject.takeCompare(with: "ada")
        var call = try #require(ask)
        var told: [ExchangeGroup] = []
        if byExchange {
            let other = GroupStatus(key: key, digest: SetDigest(high: 1, low: 1), owner: true)
            subject.feed(.compared(call, CompareReply(groups: [other])))
            let exchange = subject.takeExchange(with: "ada")
            let set = VersionSet(World.version(World.nameOwned(by: ["ada", "bob"], among: names), by: "cid"))
            call = try #require(exchange?.id)
            told = try #require(exchange?.intents).map { $0.telling([set]) }
        }
        // The question of one that has lost bytes overtakes what it answered.
        let lost = GroupStatus(key: key, digest: digest, owner: false)
        _ = subject.core.answer(CompareRequest(slots: SlotSet([key.slot]), groups: [lost]), from: ada)
        if byExchange {
            let findings = told.map { ExchangeFinding(asked: $0, mine: $0.sets, owner: true, copies: 1) }
            subject.feed(.exchanged(call, told: told, ExchangeReply(findings: findings)))
        } else {
            subject.feed(.compared(call, CompareReply(groups: [GroupStatus(key: key, digest: digest, owner: true)])))
        }
        #expect(!subject.core.holders(of: key).contains(ada))
        // It is asked again, after a pause, and what it says then counts.
        #expect(subject.takeCompare(with: "ada") == nil)
        subject.feed(.tick, after: .seconds(1))
        subject.confirm("ada", summaries)
        #expect(subject.core.holders(of: key).contains(ada))
    }

    @Test("two owners that both lack bytes do not ask each other without end")
    func bothDisown() throws {
        let (_, summaries) = misplaced()
        let key = summaries[0].key
        var subject = Subject("bob", among: names)
        subject.feed(.loaded(summaries))
        subject.feed(.lacking([key]))
        let lost = GroupStatus(key: key, digest: summaries[0].digest, owner: false)
        var asked = 0
        for _ in 0..<20 {
            guard let id = subject.takeCompare(with: "ada") else { break }
            asked += 1
            // Ada's question meets that of bob each time.
            _ = subject.core.answer(CompareRequest(slots: SlotSet([key.slot]), groups: [lost]), from: World.node("ada"))
            subject.feed(.compared(id, CompareReply(groups: [lost])))
        }
        #expect(asked <= 2)
    }

    @Test("who stood still, or was cut off, lets nothing go by what it was told before")
    func wordsFromBefore() {
        var (subject, summaries) = misplaced()
        let key = summaries[0].key
        subject.confirm("ada", summaries)
        subject.confirm("bob", summaries)
        let both = ["ada", "bob"].map { World.node($0) }
        subject.feed(
            .view(World.view(names, for: "cid"), hear: .these(both), restarted: []),
            after: subject.core.settings.dropGrace)
        #expect(subject.takeDrops().isEmpty)
        #expect(subject.core.holders(of: key) == [World.node("cid")])
        // All of it is compared anew, in four calls.
        for _ in 0..<4 {
            subject.confirm("ada", summaries)
            subject.confirm("bob", summaries)
        }
        #expect(subject.core.holders(of: key).count == 3)
    }

    @Test("nor by what was under way when it stood still")
    func answerFromBefore() throws {
        var (subject, summaries) = misplaced()
        let key = summaries[0].key
        let asked = subject.takeCompare(with: "ada")
        let call = try #require(asked)
        subject.feed(.view(World.view(names, for: "cid"), hear: .these([World.node("ada")]), restarted: []))
        let status = GroupStatus(key: key, digest: summaries[0].digest, owner: true)
        subject.feed(.compared(call, CompareReply(groups: [status])))
        #expect(subject.core.holders(of: key) == [World.node("cid")])
    }

    @Test(
        "an owner that has it no more, or may have less, has not confirmed it any more, also before its restart is known",
        arguments: [true, false])
    func holdsLess(nothing: Bool) throws {
        var (subject, summaries) = misplaced()
        let key = summaries[0].key
        subject.confirm("ada", summaries)
        subject.confirm("bob", summaries)
        #expect(subject.takeDrops() == [key])
        #expect(subject.core.mayStillDrop(key, summaries[0].digest))
        // Another write has both asked again, in vain: nothing of it concerns this node's copy.
        subject.core.peers[World.node("ada")]?.dirty.insert(key.slot)
        subject.feed(.tick)
        let asked = subject.takeCompare(with: "ada")
        let other = GroupStatus(key: key, digest: SetDigest(high: 1, low: 1), owner: true)
        subject.feed(.compared(try #require(asked), CompareReply(groups: nothing ? [] : [other])))
        #expect(!subject.core.mayStillDrop(key, summaries[0].digest))
        // What it has may be more as well, which an exchange shows; that is asked for once.
        let exchanges = subject.effects.filter { if case .exchange = $0 { true } else { false } }
        #expect(exchanges.count == 1)
    }

    @Test("what a write's owner answers lets nothing go: it may have been held back for long")
    func offersConfirmNothing() {
        var (subject, summaries) = misplaced()
        let key = summaries[0].key
        subject.confirm("ada", summaries)
        subject.confirm("bob", summaries, owner: false)
        subject.feed(.told(by: World.node("bob"), GroupStatus(key: key, digest: summaries[0].digest, owner: true)))
        #expect(subject.takeDrops().isEmpty)
        subject.confirm("bob", summaries)
        #expect(subject.takeDrops() == [key])
    }

    @Test("an answer that comes after the owners changed is no word under those that there are now")
    func answerOfFormerOwners() throws {
        let four = names + ["dan"]
        let set = VersionSet(World.version(World.nameOwned(by: ["ada", "bob"], among: four), by: "cid"))
        let summaries = World.summary([set])
        let key = summaries[0].key
        var subject = Subject("cid", among: four)
        subject.feed(.loaded(summaries))
        let asked = subject.takeCompare(with: "ada")
        let call = try #require(asked)
        // Bob goes: ada and another own it now.
        let rest = four.filter { $0 != "bob" }
        subject.feed(.view(World.view(rest, for: "cid"), hear: .asOwnersChange, restarted: []))
        let status = GroupStatus(key: key, digest: summaries[0].digest, owner: true)
        subject.feed(.compared(call, CompareReply(groups: [status])))
        #expect(!subject.core.holders(of: key).contains(World.node("ada")))
        subject.feed(.tick, after: .seconds(1))
        subject.confirm("ada", summaries)
        #expect(subject.core.holders(of: key).contains(World.node("ada")))
    }
}
