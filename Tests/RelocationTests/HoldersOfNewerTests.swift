import Relocation
import Resources
import Testing
import Vocabulary

/// An owner whose disk is full tells who else has to be heard in its place (law 6).
@Suite struct HoldersOfNewerTests {
    private let names = ["ada", "bob", "cid", "dan"]

    /// What the owners of a name hold, and what bob wrote since.
    private func ownedByAdaAndCid() -> (old: VersionSet, new: Version) {
        let text = World.nameOwned(by: ["ada", "cid"], among: names)
        let old = VersionSet(World.version(text, by: "ada"))
        return (old, World.version(text, by: "bob", counter: 2, time: 2000, seen: old))
    }

    @Test(
        "an owner that could not take a version names who holds it, and whoever has to hear that owner hears them, too, once"
    )
    func namesHolders() throws {
        let (old, new) = ownedByAdaAndCid()
        let slot = new.group(in: World.cluster).slot
        // Given an owner that knows of a write that it has no room for,
        var ada = Subject("ada", among: names)
        ada.feed(.stored(World.summary([old])))
        ada.feed(.declined(new, from: World.node("bob"), byDisk: true))
        // when the other owner comes back and is in step with it,
        var cid = Subject("cid", among: names)
        cid.feed(.stored(World.summary([old])))
        func compareWithAda() {
            while let id = cid.takeCompare(with: "ada") {
                let ask = CompareRequest(slots: SlotSet.all, groups: [])
                cid.feed(.compared(id, ada.core.answer(ask, from: World.node("cid"))))
            }
        }
        compareWithAda()
        #expect(cid.core.isSynced(slot))
        cid.feed(.view(World.view(names, for: "cid"), hear: .these([World.node("ada")]), restarted: []))
        compareWithAda()
        // then of this slot, and of no other, it has to hear bob as well; and dan it has not.
        #expect(!cid.core.isSynced(slot) && cid.core.slotsUnsynced == 1)
        let withDan = cid.takeCompare(with: "dan")
        #expect(withDan == nil)
        let theirs = try #require(World.summary([old.merged(with: [new])]).first)
        cid.feed(.wrote([theirs], new))
        while let id = cid.takeCompare(with: "bob") {
            cid.feed(
                .compared(
                    id, CompareReply(groups: [GroupStatus(key: theirs.key, digest: theirs.digest, owner: false)])))
        }
        #expect(cid.core.isSynced(slot))
        // The full disk, which may stay full for days, does not take that away again.
        cid.feed(.tick, after: cid.core.settings.recheckMax)
        compareWithAda()
        #expect(cid.core.isSynced(slot))
    }

    @Test(
        "when the only one that told an owner of a newer version goes or restarts, the owner hears the others before it answers",
        arguments: [true, false])
    func tellerGoes(restarts: Bool) {
        let (old, new) = ownedByAdaAndCid()
        let slot = new.group(in: World.cluster).slot
        var ada = Subject("ada", among: names)
        ada.feed(.stored(World.summary([old])))
        let key = new.group(in: World.cluster)
        #expect(ada.core.isSynced(slot) && ada.core.vouches(for: key))
        ada.feed(.declined(new, from: World.node("bob"), byDisk: true))
        #expect(ada.core.knowsNewer(than: old, of: new.name) && ada.core.isSynced(slot))
        let view = restarts ? World.view(names, for: "ada") : World.view(["ada", "cid", "dan"], for: "ada")
        ada.feed(.view(view, hear: .asOwnersChange, restarted: restarts ? [World.node("bob")] : []))
        // Dan may have it as well, and had no reason to tell. Of other slots it hears of as for any such change.
        #expect(!ada.core.isSynced(slot) && !ada.core.vouches(for: key))
        #expect(!restarts || ada.core.slotsUnsynced == 1)
        // What was asked before that is answered, and asked anew.
        for _ in 0..<2 {
            for name in ["bob", "cid", "dan"] {
                while let id = ada.takeCompare(with: name) { ada.feed(.compared(id, CompareReply(groups: []))) }
            }
            let effects = ada.effects
            ada.effects = []
            for effect in effects {
                guard case .exchange(let id, _, let intents) = effect else { continue }
                ada.feed(
                    .exchanged(
                        id, told: intents.map { $0.telling([old]) },
                        ExchangeReply(
                            findings: intents.map {
                                ExchangeFinding(asked: $0.telling([old]), mine: [], owner: true, copies: 1)
                            })))
            }
        }
        #expect(ada.core.isSynced(slot) && ada.core.vouches(for: key))
        #expect(!ada.core.knowsNewer(than: old, of: new.name))
    }

    @Test("a holder that is restarting as it is named is heard when it is back")
    func restartingHolder() throws {
        let (old, new) = ownedByAdaAndCid()
        let slot = new.group(in: World.cluster).slot
        var ada = Subject("ada", among: names)
        ada.feed(.stored(World.summary([old])))
        ada.feed(.declined(new, from: World.node("bob"), byDisk: true))
        var cid = Subject("cid", among: names)
        cid.feed(.stored(World.summary([old])))
        func compare() {
            for other in ["ada", "dan"] {
                while let id = cid.takeCompare(with: other) {
                    let ask = CompareRequest(slots: SlotSet.all, groups: [])
                    let reply =
                        other == "ada" ? ada.core.answer(ask, from: World.node("cid")) : CompareReply(groups: [])
                    cid.feed(.compared(id, reply))
                }
            }
        }
        compare()
        // It restarts, and cid has to hear ada anew.
        let view = World.view(names, for: "cid", restarting: ["bob"])
        cid.feed(.view(view, hear: .these([World.node("ada")]), restarted: []))
        compare()
        #expect(cid.core.isSynced(slot), "nobody waits for who is away")
        cid.feed(.view(World.view(names, for: "cid"), hear: .asOwnersChange, restarted: [World.node("bob")]))
        #expect(!cid.core.isSynced(slot) && !cid.core.vouches(for: new.group(in: World.cluster)))
    }

    @Test("two that each lack what the other has are heard once each, and not in turns for ever")
    func nameEachOther() {
        let names = ["ada", "bob", "cid"]
        let old = VersionSet(World.version("a", by: "ada"))
        let slot = old.group(in: World.cluster).slot
        func behind(_ me: String, _ other: String) -> Subject {
            var subject = Subject(me, among: names, replicas: 3)
            subject.feed(.stored(World.summary([old])))
            let new = World.version("a", by: other, counter: 2, time: 2000, seen: old)
            subject.feed(.declined(new, from: World.node(other), byDisk: true))
            return subject
        }
        let others = ["ada": behind("ada", "bob"), "bob": behind("bob", "ada")]
        var cid = Subject("cid", among: names, replicas: 3)
        cid.feed(.stored(World.summary([old])))
        cid.feed(.view(World.view(names, for: "cid"), hear: .these([World.node("ada")]), restarted: []))
        var heard: [String] = []
        for _ in 0..<40 {
            for (name, behind) in others.sorted(by: { $0.key < $1.key }) {
                guard let id = cid.takeCompare(with: name) else { continue }
                var other = behind
                heard.append(name)
                let ask = CompareRequest(slots: SlotSet.all, groups: [])
                cid.feed(.compared(id, other.core.answer(ask, from: World.node("cid"))))
            }
        }
        #expect(cid.core.isSynced(slot))
        #expect(heard.contains("bob") && heard.count <= 10, "\(heard)")
    }
}
