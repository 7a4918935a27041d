import Placement
import Resources
import Testing
import Vocabulary

@testable import Relocation

/// When a node that was in step stops answering for what it holds, and what it takes to answer again (law 6).
@Suite struct VouchingTests {
    private let names = ["ada", "bob", "cid"]

    /// A name that `cid` and `ada` own among the three, and `cid` and `bob` without `ada`.
    private func shared() -> (key: GroupKey, summary: [GroupSummary], set: VersionSet) {
        let set = VersionSet(World.version(World.nameOwned(by: ["cid", "ada"], among: names), by: "ada"))
        return (set.group(in: World.cluster), World.summary([set]), set)
    }

    /// Answers whatever is compared with these, as nodes that hold this.
    private func answer(_ subject: inout Subject, _ peers: [String], holding groups: [GroupSummary]) {
        for _ in 0..<32 {
            for peer in peers {
                guard let id = subject.takeCompare(with: peer) else { continue }
                let statuses = groups.map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) }
                subject.feed(.compared(id, CompareReply(groups: statuses)))
            }
        }
    }

    @Test("who went before it was heard, and comes back, is heard before anything of that answers")
    func owed() {
        let (key, held, _) = shared()
        var subject = Subject("cid", among: ["cid"])
        subject.feed(.loaded(held))
        subject.feed(.view(World.view(names, for: "cid"), hear: .everyone, restarted: []))
        answer(&subject, ["bob"], holding: held)
        #expect(!subject.core.vouches(for: key), "ada is still to be heard")
        // Ada goes; what there is is all that there is, and counts as in step from the next change on.
        subject.feed(.view(World.view(["bob", "cid"], for: "cid"), hear: .asOwnersChange, restarted: []))
        answer(&subject, ["bob"], holding: held)
        #expect(subject.core.vouches(for: key))
        subject.feed(.view(World.view(names, for: "cid"), hear: .asOwnersChange, restarted: []))
        #expect(!subject.core.vouches(for: key))
        answer(&subject, ["ada"], holding: held)
        #expect(subject.core.vouches(for: key))
    }

    @Test("what an earlier comparison found to differ does not clear up a slot that is to be heard anew")
    func heardAnew() throws {
        // Of the first slots that are compared ada has more than goes into one exchange, and cid nothing.
        let sets = (0..<1_300).map { VersionSet(World.version("name-\($0)", by: "ada")) }
        let held = World.summary(sets)
        let byKey = Dictionary(grouping: sets) { $0.group(in: World.cluster) }
        var subject = Subject("cid", among: ["cid"])
        let view = World.view(["ada", "cid"], for: "cid")
        subject.feed(.view(view, hear: .everyone, restarted: []))
        answer(&subject, ["ada"], holding: held)
        let taken = subject.takeExchange(with: "ada")
        let first = try #require(taken)
        // While the first exchange is under way ada was cut off and lived on.
        subject.feed(.view(view, hear: .these([World.node("ada")]), restarted: []))
        // Both end without a lack, as cid has it all by another way.
        finish(first, of: byKey, in: &subject)
        let next = subject.takeExchange(with: "ada")
        let second = try #require(next)
        finish(second, of: byKey, in: &subject)
        let exchanged = (first.intents + second.intents).map(\.key)
        #expect(exchanged.allSatisfy { !subject.core.isSynced($0.slot) })
        subject.feed(.stored(held))
        answer(&subject, ["ada"], holding: held)
        #expect(exchanged.allSatisfy { subject.core.isSynced($0.slot) })
    }

    private typealias Exchange = (id: Convergence.CallID, intents: [Convergence.ExchangeIntent])

    /// Answers as one who holds the sets just as they are told.
    private func finish(_ exchange: Exchange, of sets: [GroupKey: [VersionSet]], in subject: inout Subject) {
        let told = exchange.intents.map { $0.telling(sets[$0.key] ?? []) }
        let findings = told.map { ExchangeFinding(asked: $0, mine: $0.sets, owner: true, copies: 2) }
        subject.feed(.exchanged(exchange.id, told: told, ExchangeReply(findings: findings)))
    }

    @Test("where nobody knows who has more, everyone is heard but who has not answered for long")
    func silentOnesAreNotAsked() throws {
        let (key, held, old) = shared()
        var subject = Subject("cid", among: names + ["dan"])
        subject.feed(.loaded(held))
        subject.core.doubt(SlotSet([key.slot]), until: [World.node("dan")])
        for _ in 0..<Convergence.failuresBeforeUnheard {
            subject.feed(.tick, after: .seconds(31))
            let asked = subject.takeCompare(with: "dan")
            subject.feed(.failed(try #require(asked)))
        }
        #expect(subject.core.isSynced(key.slot))
        // Only ada knows of a newer one, and restarts.
        let newer = World.version(old.name.text, by: "ada", counter: 2, time: 2000, seen: old)
        subject.feed(.declined(newer, from: World.node("ada"), byDisk: true))
        let view = World.view(names + ["dan"], for: "cid")
        subject.feed(.view(view, hear: .asOwnersChange, restarted: [World.node("ada")]))
        #expect(!subject.core.isSynced(key.slot))
        answer(&subject, ["ada", "bob"], holding: held)
        #expect(subject.core.isSynced(key.slot))
    }

    @Test("what a comparison from before found is not cleared up by its exchange, where the slot is to be heard anew")
    func heardAnewWhileCompared() throws {
        let (key, held, set) = shared()
        var subject = Subject("cid", among: names)
        subject.feed(.loaded(held))
        let asked = subject.takeCompare(with: "ada")
        let call = try #require(asked)
        subject.core.doubt(SlotSet([key.slot]), until: [World.node("ada")])
        // The answer is from before, and has nothing of it.
        subject.feed(.compared(call, CompareReply(groups: [])))
        let taken = subject.takeExchange(with: "ada")
        let exchange = try #require(taken)
        finish(exchange, of: [key: [set]], in: &subject)
        #expect(!subject.core.isSynced(key.slot))
        answer(&subject, ["ada"], holding: held)
        #expect(subject.core.isSynced(key.slot))
    }

    @Test("of several that were down together none takes another's word for all there is; whoever stood in is heard")
    func downTogether() throws {
        // Names among which those that cid asks are ada and bob, and neither dan nor eve.
        let five = names + ["dan", "eve"]
        let without = World.ring(five.filter { $0 != "cid" })
        let text = try #require(
            (0..<10_000).lazy.map { "resource-\($0)" }.first { text in
                let slot = Slot(ofName: text, in: World.cluster)
                return World.ring(five).owners(of: slot, home: nil, count: 2) == [World.node("cid"), World.node("ada")]
                    && without.owners(of: slot, home: nil, count: 2) == [World.node("ada"), World.node("bob")]
            })
        let set = VersionSet(World.version(text, by: "ada"))
        let (key, held) = (set.group(in: World.cluster), World.summary([set]))
        for isInStep in [true, false] {
            var subject = Subject("cid", among: ["cid"])
            subject.feed(.loaded(held))
            subject.feed(.view(World.view(five, for: "cid"), hear: .everyone, restarted: []))
            for _ in 0..<32 {
                for peer in five where peer != "cid" {
                    guard let id = subject.takeCompare(with: peer) else { continue }
                    // Ada and bob hold the same, and are back as lately as cid; the others do not answer yet.
                    guard ["ada", "bob"].contains(peer) else { continue }
                    let behind = isInStep ? [] : [HolderOfNewer(holder: World.node(peer), slots: SlotSet.all)]
                    let statuses = held.map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) }
                    subject.feed(.compared(id, CompareReply(groups: statuses, newer: behind)))
                }
            }
            #expect(subject.core.isSynced(key.slot) == isInStep)
        }
    }

    @Test("who is not in step says so of the slots that it has to hear others of than the asker")
    func saysThatItIsBehind() {
        let (key, held, _) = shared()
        var subject = Subject("cid", among: names)
        subject.feed(.loaded(held))
        let slots = SlotSet([key.slot])
        func behind() -> [HolderOfNewer] {
            subject.core.answer(CompareRequest(slots: slots, groups: []), from: World.node("ada")).newer
        }
        #expect(behind().isEmpty)
        subject.core.doubt(slots, until: [World.node("ada")])
        #expect(behind().isEmpty)
        subject.core.doubt(slots, until: [World.node("bob")])
        #expect(behind() == [HolderOfNewer(holder: World.node("cid"), slots: slots)])
    }

    @Test("when those that are heard for all there is go before they answer, everybody is heard who answers soon")
    func goesBeforeItAnswers() throws {
        let (key, held, _) = shared()
        let four = names + ["dan"]
        var subject = Subject("cid", among: ["cid"])
        subject.feed(.loaded(held))
        subject.feed(.view(World.view(four, for: "cid"), hear: .everyone, restarted: []))
        let heard = subject.core.peers.filter { $0.value.hearForAll.contains(key.slot) }.keys.map(\.text).sorted()
        #expect(!heard.isEmpty && heard.count < 3)
        let others = four.filter { $0 != "cid" && !heard.contains($0) }
        answer(&subject, others, holding: held)
        let rest = four.filter { !heard.contains($0) }
        subject.feed(.view(World.view(rest, for: "cid"), hear: .everyone, restarted: []))
        #expect(!subject.core.isSynced(key.slot))
        for _ in 0..<Convergence.failuresBeforeUnasked {
            #expect(!subject.core.isSynced(key.slot))
            for other in others {
                let asked = subject.takeCompare(with: other)
                subject.feed(.failed(try #require(asked)))
            }
            subject.feed(.tick, after: .seconds(3))
        }
        #expect(subject.core.isSynced(key.slot) && subject.core.isHalfHeard(key.slot))
    }
}
