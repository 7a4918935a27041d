import Placement
@testable import Relocation
import Resources
import Testing
import Vocabulary

/// What a node does not answer for, nor orders writes of, since it knows that it lacks something (laws 4 and 6).
@Suite struct NewerElsewhereTests {
    private let names = ["ada", "bob", "cid"]

    @Test("who knows of a newer version than its own does not count as knowing the name, until it has it")
    func knowsNewer() {
        var subject = Subject("cid", among: ["ada", "cid"])
        let old = VersionSet(World.version("a", by: "cid"))
        let newer = World.version("a", by: "ada", counter: 2, time: 2000, seen: old)
        subject.feed(.loaded(World.summary([old])))
        #expect(!subject.core.knowsNewer(than: old, of: old.name))
        subject.feed(.declined(newer, from: World.node("ada"), byDisk: true))
        #expect(subject.core.knowsNewer(than: old, of: old.name))
        #expect(subject.core.knowsNewer(than: nil, of: old.name))
        let both = old.merged(with: [newer])
        #expect(!subject.core.knowsNewer(than: both, of: old.name))
        subject.feed(.wrote(World.summary([both]), newer))
        #expect(!subject.core.knowsNewer(than: old, of: old.name))
    }

    @Test("a home whose disk refuses the write by which a name leaves it knows that what it has is not the newest")
    func leavesRefusingHome() {
        let name = World.nameOwned(by: ["ada", "bob"], among: names)
        let old = VersionSet(World.version(name, by: "cid", home: "cid"))
        let newer = World.version(name, by: "ada", counter: 2, time: 2000, seen: old, home: "bob")
        var subject = Subject("cid", among: names)
        subject.feed(.loaded(World.summary([old])))
        subject.feed(.declined(newer, from: World.node("ada"), byDisk: true))
        #expect(subject.core.knowsNewer(than: old, of: old.name))
    }

    /// What the name was before it moved to bob, perhaps: of cid and ada, the slot's owners, ada alone owns what is there.
    @Test("of a name that an owner has nothing of but by who has just come back, everybody is heard before it answers")
    func hearsay() {
        let name = World.nameOwned(by: ["cid", "ada"], among: names)
        let version = World.version(name, by: "ada")
        let old = VersionSet(version)
        let key = old.group(in: World.cluster)
        for returns in [false, true] {
            var subject = Subject("cid", among: names)
            for away in returns ? [["ada"], []] : [] {
                let view = World.view(names, for: "cid", away: away)
                subject.feed(.view(view, hear: .asOwnersChange, restarted: []))
            }
            #expect(subject.core.isSynced(key.slot))
            subject.feed(.offered(by: World.node("ada"), [ExchangeGroup(key: key, sets: [old], copies: 1)], mine: []))
            #expect((subject.core.vouched(newerThan: nil, of: old.name) == nil) == returns)
            subject.feed(.stored(World.summary([old])))
            subject.feed(.pulled(version, .durable))
            #expect(subject.core.vouches(for: key) == !returns)
            #expect((subject.core.peers[World.node("bob")]?.mustHear.contains(key.slot) ?? false) == returns)
            // Not for good: whoever came back has heard the others by then.
            subject.feed(.tick, after: subject.core.settings.settling)
            #expect(subject.core.hearsay.isEmpty)
        }
    }

    /// cid, its home, has let go of the name, for it heard that it moved to bob: ada, who did not, would have it take it anew for
    /// ever, and answer with it.
    @Test("what the other owner never confirms may have left it: whoever owns the slot and has no part in it is asked")
    func leftItsHome() {
        let name = World.nameOwned(by: ["ada", "bob"], among: names)
        let old = VersionSet(World.version(name, by: "ada", home: "cid"))
        let newer = VersionSet(World.version(name, by: "bob", counter: 2, time: 2000, seen: old, home: "bob"))
        let key = old.group(in: World.cluster)
        var subject = Subject("ada", among: names)
        #expect(subject.core.owners(of: key) == [World.node("cid"), World.node("ada")])
        subject.feed(.loaded(World.summary([old])))
        #expect(subject.takeCompare(with: "bob") == nil)
        subject.feed(.tick, after: subject.core.settings.antiEntropy)
        let there = World.summary([newer]).map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) }
        guard let id = subject.takeCompare(with: "bob") else {
            Issue.record("nothing was compared with bob")
            return
        }
        subject.feed(.compared(id, CompareReply(groups: there)))
        #expect(subject.takeExchange(with: "bob")?.intents.contains { $0.key == key } == true)
    }

    @Test("what only somebody has who is gone is not waited for, whether it went before or after")
    func newerOnGoneNode() {
        let name = World.nameOwned(by: ["cid", "ada"], among: names)
        let old = VersionSet(World.version(name, by: "cid"))
        let newer = World.version(name, by: "ada", counter: 2, time: 2000, seen: old)
        let without = World.view(["bob", "cid"], for: "cid")
        var before = Subject("cid", among: names)
        before.feed(.declined(newer, from: World.node("ada"), byDisk: true))
        #expect(before.core.knowsNewer(than: old, of: old.name))
        before.feed(.view(without, hear: .asOwnersChange, restarted: []))
        #expect(!before.core.knowsNewer(than: old, of: old.name))
        var after = Subject("cid", among: names)
        after.feed(.view(without, hear: .asOwnersChange, restarted: []))
        after.feed(.declined(newer, from: World.node("ada"), byDisk: true))
        #expect(!after.core.knowsNewer(than: old, of: old.name))
    }

    @Test("what somebody has who said that it is back in a moment is waited for, until it turns out to be gone")
    func newerOnRestartingNode() {
        let name = World.nameOwned(by: ["cid", "ada"], among: names)
        let old = VersionSet(World.version(name, by: "cid"))
        let newer = World.version(name, by: "ada", counter: 2, time: 2000, seen: old)
        func view(restarting: [String]) -> View {
            View(
                ring: World.ring(names), contactable: [World.node("bob")], doubtful: [],
                restarting: restarting.map { World.node($0) })
        }
        for isToldFirst in [true, false] {
            var subject = Subject("cid", among: names)
            let declined = Convergence.Input.declined(newer, from: World.node("ada"), byDisk: true)
            if isToldFirst { subject.feed(declined) }
            subject.feed(.view(view(restarting: ["ada"]), hear: .asOwnersChange, restarted: []))
            if !isToldFirst { subject.feed(declined) }
            #expect(subject.core.knowsNewer(than: old, of: old.name))
            // Crashed, and it keeps its place for a while.
            subject.feed(.view(view(restarting: []), hear: .asOwnersChange, restarted: []))
            #expect(!subject.core.knowsNewer(than: old, of: old.name))
        }
    }

    @Test("when who had the newest goes, what others have that is newer than its own is still known")
    func secondNewest() {
        let name = World.nameOwned(by: ["cid", "ada"], among: names)
        let old = VersionSet(World.version(name, by: "cid"))
        let newer = World.version(name, by: "ada", counter: 2, time: 2000, seen: old)
        let newest = World.version(name, by: "ada", counter: 3, time: 3000, seen: old.merged(with: [newer]))
        // whoever says what, in any order
        let told = [("ada", newer), ("bob", newer), ("ada", newest)]
        for order in [told, told.reversed(), [told[2], told[0], told[1]]] {
            var subject = Subject("cid", among: names)
            for (teller, version) in order { subject.feed(.declined(version, from: World.node(teller), byDisk: true)) }
            #expect(subject.core.knowsNewer(than: old.merged(with: [newer]), of: old.name))
            subject.feed(.view(World.view(["bob", "cid"], for: "cid"), hear: .asOwnersChange, restarted: []))
            #expect(subject.core.knowsNewer(than: old, of: old.name))
            #expect(!subject.core.knowsNewer(than: old.merged(with: [newer]), of: old.name))
            subject.feed(.wrote(World.summary([old.merged(with: [newer])]), newer))
            #expect(!subject.core.knowsUnseen(by: old, of: old.name))
        }
    }

    @Test("an owner orders no write of a name of which it lacks a concurrent version, and answers for it")
    func unseen() throws {
        let mine = VersionSet(World.version("a", by: "cid", time: 2000))
        let lesser = World.version("a", by: "ada", time: 1000)
        let theirs = VersionSet(lesser)
        let told = ExchangeGroup(key: mine.group(in: World.cluster), sets: [theirs], copies: 1)
        for way in [
            Convergence.Input.offered(by: World.node("ada"), [told], mine: [mine]),
            .declined(lesser, from: World.node("ada"), byDisk: true),
        ] {
            var subject = Subject("cid", among: ["ada", "cid"])
            subject.feed(.loaded(World.summary([mine])))
            #expect(!subject.core.knowsUnseen(by: mine, of: mine.name))
            subject.feed(way)
            #expect(subject.core.knowsUnseen(by: mine, of: mine.name))
            #expect(!subject.core.knowsNewer(than: mine, of: mine.name))
            #expect(!subject.core.knowsUnseen(by: mine.merged(with: [lesser]), of: mine.name))
            // A greater one that has not seen it either does not bring it,
            let greater = World.version("a", by: "bob", time: 3000, seen: mine)
            subject.feed(.wrote(World.summary([mine.merged(with: [greater])]), greater))
            #expect(subject.core.knowsUnseen(by: mine.merged(with: [greater]), of: mine.name))
            // one that has seen it does.
            let both = mine.merged(with: [greater, lesser])
            let later = World.version("a", by: "bob", counter: 2, time: 4000, seen: both)
            subject.feed(.wrote(World.summary([both.merged(with: [later])]), later))
            #expect(!subject.core.knowsUnseen(by: mine, of: mine.name))
        }
    }

    @Test("each of several versions that are lacked is waited for, and one that the history has no room for is not")
    func several() {
        let mine = VersionSet(World.version("a", by: "cid", time: 1000))
        let lacked = (1...UInt64(VersionSet.versionCountMax)).map { count in
            World.version("a", by: "n\(count)", time: 1000 + count)
        }
        for order in [lacked, lacked.reversed()] {
            var subject = Subject("cid", among: ["ada", "cid"])
            subject.feed(.loaded(World.summary([mine])))
            for version in order { subject.feed(.declined(version, from: World.node("ada"), byDisk: true)) }
            var held = mine
            for version in order {
                #expect(subject.core.knowsUnseen(by: held, of: held.name))
                held = held.merged(with: [version])
                subject.feed(.wrote(World.summary([held]), version))
            }
            #expect(!subject.core.knowsUnseen(by: held, of: held.name))
            subject.feed(.declined(World.version("a", by: "bob", time: 999), from: World.node("ada"), byDisk: true))
            #expect(!subject.core.knowsUnseen(by: held, of: held.name))
        }
    }

    @Test("who owns a group in the place of an owner that can not be called is known while that one keeps its place")
    func heirs() {
        let ring = ["ada", "bob", "cid", "dan"]
        let name = World.nameOwned(by: ["ada", "bob"], among: ring)
        let key = World.version(name, by: "cid").group(in: World.cluster)
        let without = World.ring(["bob", "cid", "dan"]).owners(of: key.slot, home: nil, count: 2)
        let subject = Subject("cid", among: ring)
        #expect(subject.core.owners(of: key) == ["ada", "bob"].map { World.node($0) })
        #expect(subject.core.heirs(of: key).isEmpty)
        let alone = Convergence(
            me: World.node("cid"), cluster: World.cluster, settings: subject.core.settings,
            view: View(ring: World.ring(ring), contactable: ["bob", "dan"].map { World.node($0) }, doubtful: []),
            at: .zero)
        #expect(alone.owners(of: key) == ["ada", "bob"].map { World.node($0) })
        #expect(alone.heirs(of: key) == without)
    }

    @Test("what the head has seen is no lack, however much of the history is still to come")
    func history() throws {
        let first = VersionSet(World.version("a", by: "ada"))
        let second = World.version("a", by: "ada", counter: 2, time: 2000, seen: first)
        let both = first.merged(with: [second])
        var subject = Subject("cid", among: ["ada", "cid"])
        let told = ExchangeGroup(key: both.group(in: World.cluster), sets: [both], copies: 1)
        subject.feed(.offered(by: World.node("ada"), [told], mine: []))
        #expect(subject.core.knowsUnseen(by: nil, of: both.name))
        subject.feed(.wrote(World.summary([VersionSet(second)]), second))
        #expect(!subject.core.knowsUnseen(by: VersionSet(second), of: both.name))
        #expect(!subject.core.knowsUnseen(by: nil, of: both.name))
    }

    @Test("what was told in an earlier life, and heard of only in the next, is not waited for once that one has it not")
    func toldInAnEarlierLife() throws {
        let text = World.nameOwned(by: ["cid", "ada"], among: names)
        let old = VersionSet(World.version(text, by: "cid"))
        let newer = World.version(text, by: "ada", counter: 2, time: 2000, seen: old)
        let key = old.group(in: World.cluster)
        let held = World.summary([old]).map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) }
        for hasIt in [false, true] {
            var subject = Subject("cid", among: names)
            subject.feed(.loaded(World.summary([old])))
            // What is under way when it is told says nothing of it.
            let asked = subject.takeCompare(with: "ada")
            let first = try #require(asked)
            subject.feed(.declined(newer, from: World.node("ada"), byDisk: false))
            subject.feed(.compared(first, CompareReply(groups: held)))
            #expect(subject.core.knowsNewer(than: old, of: old.name))
            subject.feed(.tick, after: .seconds(1))
            let again = subject.takeCompare(with: "ada")
            let second = try #require(again)
            let more = held.map { GroupStatus(key: $0.key, digest: SetDigest(high: 1, low: 1), owner: true) }
            subject.feed(.compared(second, CompareReply(groups: hasIt ? more : held)))
            #expect(subject.core.knowsNewer(than: old, of: old.name) == hasIt)
            // Others may have it, and had no reason to tell.
            #expect(subject.core.isSynced(key.slot) == hasIt)
        }
    }
}
