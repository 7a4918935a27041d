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
        let (key, held, set) = shared()
        var subject = Subject("cid", among: ["cid"])
        subject.feed(.view(World.view(names, for: "cid"), hear: .everyone, restarted: []))
        // Ada has it and cid does not, so that an exchange follows; one comparison after it, and more are to come.
        answer(&subject, ["bob"], holding: [])
        var exchange: (id: Convergence.CallID, intents: [Convergence.ExchangeIntent])?
        for _ in 0..<32 where exchange == nil {
            answerOnce(&subject, holding: held)
            exchange =
                subject.effects.lazy.compactMap { effect in
                    if case .exchange(let id, _, let intents) = effect { (id, intents) } else { nil }
                }.first
        }
        let first = try #require(exchange)
        subject.effects = []
        // It fails, and another one is to be had: what ada holds of the group is asked for by a comparison.
        subject.feed(.failed(first.id))
        subject.feed(.tick, after: .seconds(1))
        answerOnce(&subject, holding: held)
        let next = subject.effects.lazy.compactMap { effect in
            if case .exchange(let id, _, let intents) = effect { (id, intents) } else { nil }
        }.first
        let second = try #require(next)
        #expect(second.1.map(\.key) == [key])
        // Meanwhile ada was cut off and lived on,
        subject.effects = []
        subject.feed(.view(World.view(names, for: "cid"), hear: .these([World.node("ada")]), restarted: []))
        // and the exchange ends without a lack, for cid has it by now.
        let told = second.1.map { $0.telling([set]) }
        subject.feed(.wrote(held, set.head))
        let findings = told.map { ExchangeFinding(asked: $0, mine: $0.sets, owner: true, copies: 2) }
        subject.feed(.exchanged(second.0, told: told, ExchangeReply(findings: findings)))
        #expect(!subject.core.isSynced(key.slot))
        answer(&subject, ["ada"], holding: held)
        #expect(subject.core.isSynced(key.slot))
    }

    private func answerOnce(_ subject: inout Subject, holding groups: [GroupSummary]) {
        guard let id = subject.takeCompare(with: "ada") else { return }
        let statuses = groups.map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) }
        subject.feed(.compared(id, CompareReply(groups: statuses)))
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
}
