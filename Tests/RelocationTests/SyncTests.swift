import Placement
@testable import Relocation
import Resources
import Testing
import Vocabulary

/// Law 6, and how what is lacking is found and pulled.
@Suite struct SyncTests {
    private let names = ["ada", "bob", "cid"]

    @Test("a newcomer vouches for no slot before it has heard those who stood in for it")
    func newcomerHearsStandIns() {
        var subject = Subject("cid", among: ["cid"])
        subject.core.isJoining = true
        subject.feed(.view(World.view(names, for: "cid"), hear: .everyone, restarted: []))
        // On the way in: who met one of many would take itself for an owner of everything.
        #expect(subject.takeCompare(with: "ada") == nil)
        subject.core.enter(at: subject.now)
        subject.feed(.tick)
        #expect(subject.core.slotsUnsynced == Slot.count)
        for _ in 0..<16 {
            for peer in ["ada", "bob"] {
                if let id = subject.takeCompare(with: peer) { subject.feed(.compared(id, CompareReply(groups: []))) }
            }
        }
        #expect(subject.core.slotsUnsynced == 0)
    }

    @Test("who comes back hears the home of what it holds, too: nobody else may know what became of it")
    func hearsHomes() throws {
        // Given names among which neither of a slot's first ranks without cid is dan,
        let names = ["ada", "bob", "cid", "dan", "eve"]
        let without = World.ring(names.filter { $0 != "cid" })
        let text = try #require(
            (0..<1_000).lazy.map { "resource-\($0)" }.first { text in
                let slot = Slot(ofName: text, in: World.cluster)
                return World.ring(names).owners(of: slot, home: nil, count: 2).first == World.node("cid")
                    && !without.owners(of: slot, home: nil, count: 2).contains(World.node("dan"))
                    && !World.ring(names).owners(of: slot, home: nil, count: 2).contains(World.node("dan"))
            })
        // when cid comes back with one that is at home with dan,
        let set = VersionSet(World.version(text, by: "ada", home: "dan"))
        let key = set.group(in: World.cluster)
        var subject = Subject("cid", among: ["cid"])
        subject.core.isJoining = true
        subject.feed(.loaded(World.summary([set])))
        subject.feed(.view(World.view(names, for: "cid"), hear: .everyone, restarted: []))
        subject.core.enter(at: subject.now)
        subject.feed(.tick)
        // then it does not answer for it before it has heard dan.
        for _ in 0..<16 {
            for peer in ["ada", "bob", "eve"] {
                if let id = subject.takeCompare(with: peer) { subject.feed(.compared(id, CompareReply(groups: []))) }
            }
        }
        #expect(subject.core.owners(of: key).contains(World.node("cid")))
        #expect(!subject.core.vouches(for: key) && !subject.core.isSynced(key.slot))
        let same = World.summary([set]).map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) }
        for _ in 0..<16 {
            if let id = subject.takeCompare(with: "dan") { subject.feed(.compared(id, CompareReply(groups: same))) }
        }
        #expect(subject.core.isSynced(key.slot))
    }

    @Test("who owned a group until a moment ago is told of writes, and no longer than that")
    func lateOwners() throws {
        // Given a slot that ada and bob own without cid, and cid and ada with it,
        let text = World.nameOwned(by: ["cid", "ada"], among: names)
        let key = GroupKey(slot: Slot(ofName: text, in: World.cluster), home: nil)
        try #require(World.ring(["ada", "bob"]).owners(of: key.slot, home: nil, count: 2).contains(World.node("bob")))
        var subject = Subject("ada", among: ["ada", "bob"])
        #expect(subject.core.lateOwners(of: key, at: subject.now).isEmpty)
        // when cid comes, bob may not know of it yet.
        subject.feed(.view(World.view(names, for: "ada"), hear: .asOwnersChange, restarted: []), after: .seconds(1))
        #expect(subject.core.lateOwners(of: key, at: subject.now) == [World.node("bob")])
        #expect(subject.core.lateOwners(of: key, at: subject.now + .seconds(5)).isEmpty)
        // One that can not be called answers nobody.
        subject.feed(.view(World.view(["ada", "cid"], for: "ada"), hear: .asOwnersChange, restarted: []))
        #expect(!subject.core.lateOwners(of: key, at: subject.now).contains(World.node("bob")))
    }

    @Test("what a peer says that takes this node for gone clears nothing up; it is asked again until it counts it")
    func uncounted() {
        var subject = Subject("cid", among: ["cid"])
        subject.feed(.view(World.view(["ada", "cid"], for: "cid"), hear: .these([World.node("ada")]), restarted: []))
        func answer(counted: Bool) {
            while let id = subject.takeCompare(with: "ada") {
                subject.feed(.compared(id, CompareReply(groups: [], counted: counted)))
            }
        }
        answer(counted: false)
        #expect(subject.core.slotsUnsynced == Slot.count)
        for _ in 0..<8 {
            #expect(subject.takeCompare(with: "ada") == nil, "it is not asked without a pause")
            #expect(subject.core.deadline <= subject.now + subject.core.settings.uncountedPauseMax)
            subject.now = max(subject.now, subject.core.deadline)
            subject.feed(.tick)
            answer(counted: false)
            #expect(subject.core.slotsUnsynced == Slot.count)
        }
        for _ in 0..<8 {
            subject.feed(.tick, after: subject.core.settings.uncountedPauseMax)
            answer(counted: true)
        }
        #expect(subject.core.slotsUnsynced == 0)
    }

    @Test("who is asked says whether it counts the asker, also when both hold the same")
    func saysWhetherItCounts() {
        var subject = Subject("cid", among: ["ada", "cid"])
        let ask = CompareRequest(slots: SlotSet.all, groups: [], shared: .empty)
        #expect(subject.core.answer(ask, from: World.node("ada")) == CompareReply(groups: [], same: true))
        #expect(
            subject.core.answer(ask, from: World.node("bob")) == CompareReply(groups: [], same: true, counted: false))
    }

    @Test("who lets a verdict against itself stand vouches for nothing meanwhile")
    func passedOver() {
        var subject = Subject("cid", among: ["cid"])
        let set = VersionSet(World.version("a", by: "cid"))
        let key = set.group(in: World.cluster)
        subject.feed(.stored(World.summary([set])))
        #expect(subject.core.isSynced(key.slot) && subject.core.vouches(for: key))
        subject.core.isPassedOver = true
        #expect(!subject.core.isSynced(key.slot) && !subject.core.vouches(for: key))
        #expect(subject.core.slotsUnsynced == Slot.count)
    }

    @Test("where none of a slot's owners is left, their heir hears everybody: somebody stood in for them")
    func heirHearsStandIns() throws {
        let all = ["ada", "bob", "cid", "dan", "eve"]
        let text = World.nameOwned(by: ["ada", "bob"], among: all)
        let slot = Slot(ofName: text, in: World.cluster)
        let ranked = World.ring(all).ranked(slot).map(\.text)
        let heir = ranked[2]
        let fellow = ranked[3]
        let stranger = ranked[4]
        var subject = Subject(heir, among: all)
        #expect(subject.core.isSynced(slot))
        // One of the two is left: it and the new fellow know.
        var oneLeft = subject
        oneLeft.feed(
            .view(World.view(all.filter { $0 != "ada" }, for: heir), hear: .asOwnersChange, restarted: []))
        #expect(oneLeft.core.peers[World.node("bob")]?.mustHear.contains(slot) == true)
        #expect(oneLeft.core.peers[World.node(stranger)]?.mustHear.contains(slot) != true)
        subject.feed(
            .view(World.view([heir, fellow, stranger], for: heir), hear: .asOwnersChange, restarted: []))
        for name in [fellow, stranger] {
            #expect(subject.core.peers[World.node(name)]?.mustHear.contains(slot) == true, "\(name)")
        }
    }

    @Test(
        "a newcomer compares when it has met nobody new for a while, with everybody once, and vouches for nothing before"
    )
    func gathers() {
        var subject = Subject("cid", among: ["cid"], gathering: .milliseconds(250))
        func compares() -> [NodeName] {
            subject.effects.compactMap { if case .compare(_, let node, _) = $0 { node } else { nil } }
        }
        subject.feed(.view(World.view(["ada", "cid"], for: "cid"), hear: .everyone, restarted: []))
        #expect(subject.core.deadline == subject.now + .milliseconds(250))
        subject.feed(.view(World.view(names, for: "cid"), hear: .everyone, restarted: []), after: .milliseconds(200))
        subject.feed(.tick, after: .milliseconds(499))
        #expect(compares().isEmpty, "two were met: twice as long")
        #expect(subject.core.slotsUnsynced == Slot.count)
        subject.feed(.tick, after: .milliseconds(1))
        #expect(compares().sorted() == [World.node("ada"), World.node("bob")])
        #expect(subject.core.slotsUnsynced > 0, "they have not answered")
    }

    @Test("a newcomer knows the owners of each slot as the ring has them, while it gathers and after")
    func ownersWhileGathering() {
        var subject = Subject("cid", among: ["cid"], gathering: .milliseconds(250))
        func knowsOwners(_ names: [String]) -> Bool {
            let ring = World.ring(names)
            return Slot.all.allSatisfy { slot in
                !slot.number.isMultiple(of: 97)
                    || subject.core.owners(of: slot) == ring.owners(of: slot, count: 2)
                        && subject.core.isUnsettled(slot)
            }
        }
        subject.feed(.view(World.view(["ada", "cid"], for: "cid"), hear: .everyone, restarted: []))
        #expect(knowsOwners(["ada", "cid"]))
        subject.feed(.view(World.view(names, for: "cid"), hear: .everyone, restarted: []), after: .milliseconds(100))
        #expect(knowsOwners(names))
        subject.feed(.tick, after: .seconds(1))
        #expect(knowsOwners(names))
        subject.feed(.view(World.view(names + ["dan"], for: "cid"), hear: .asOwnersChange, restarted: []))
        #expect(subject.core.owners(of: Slot.first) == World.ring(names + ["dan"]).owners(of: Slot.first, count: 2))
    }

    @Test("who goes while a newcomer still gathers may have told it of any slot")
    func goesWhileGathering() throws {
        var subject = Subject("cid", among: ["cid"], gathering: .milliseconds(250))
        subject.feed(.view(World.view(names, for: "cid"), hear: .everyone, restarted: []))
        subject.feed(.view(World.view(["bob", "cid"], for: "cid"), hear: .everyone, restarted: []))
        #expect(subject.core.isHalfHeard(try #require(Slot(number: 7))))
    }

    @Test("newcomers without end do not keep a node from comparing")
    func gathersBounded() {
        var subject = Subject("me", among: ["me"], gathering: .milliseconds(250))
        var names = ["me"]
        for number in 0..<40 {
            names.append("n\(number)")
            subject.feed(.view(World.view(names, for: "me"), hear: .everyone, restarted: []), after: .milliseconds(200))
        }
        #expect(subject.effects.contains { if case .compare = $0 { true } else { false } })
    }

    @Test("what a peer holds of an owned group is exchanged, pulled, and only then is the slot in step")
    func pullsWhatItLacks() throws {
        let name = World.nameOwned(by: ["cid", "ada"], among: names)
        let set = VersionSet(World.version(name, by: "ada"))
        let key = set.group(in: World.cluster)
        let summary = World.summary([set])[0]
        var subject = Subject("cid", among: ["cid"])
        subject.feed(.view(World.view(names, for: "cid"), hear: .everyone, restarted: []))
        func status(_ asked: CompareRequest) -> CompareReply {
            let groups =
                asked.slots.contains(key.slot) ? [GroupStatus(key: key, digest: summary.digest, owner: true)] : []
            return CompareReply(groups: groups)
        }
        var exchange: Convergence.CallID?
        for _ in 0..<16 where exchange == nil {
            let compares = subject.effects.compactMap { effect -> (Convergence.CallID, NodeName, CompareRequest)? in
                if case .compare(let id, let node, let request) = effect { (id, node, request) } else { nil }
            }
            subject.effects.removeAll { if case .compare = $0 { true } else { false } }
            for (id, node, request) in compares {
                subject.feed(
                    .compared(id, node == World.node("ada") ? status(request) : CompareReply(groups: [])))
            }
            exchange = subject.effects.compactMap { if case .exchange(let id, _, _) = $0 { id } else { nil } }.first
        }
        let id = try #require(exchange)
        let asked = ExchangeGroup(key: key, sets: [], copies: 0)
        subject.feed(
            .exchanged(
                id, told: [asked],
                ExchangeReply(findings: [ExchangeFinding(asked: asked, mine: [set], owner: true, copies: 1)])))
        let pulls = subject.effects.compactMap {
            if case .pull(let version, let from) = $0 { (version, from) } else { nil }
        }
        #expect(pulls.map(\.0) == set.versions)
        #expect(pulls.map(\.1) == [[World.node("ada")]])
        #expect(!subject.core.isSynced(key.slot))
        subject.feed(.stored([summary]))
        subject.feed(.pulled(set.head, .durable))
        for _ in 0..<16 {
            if let id = subject.takeCompare(with: "ada") {
                subject.feed(
                    .compared(id, CompareReply(groups: [GroupStatus(key: key, digest: summary.digest, owner: true)])))
            }
            if let id = subject.takeCompare(with: "bob") { subject.feed(.compared(id, CompareReply(groups: []))) }
        }
        #expect(subject.core.isSynced(key.slot))
    }

    @Test(
        "the versions with the fewest copies are pulled first, as many at once as there are streams; small ones together",
        arguments: [(PullQueue.smallBytesMax + 1, 4), (PullQueue.smallBytesMax, 9)])
    func mostEndangeredFirst(size: UInt64, expected: Int) {
        var subject = Subject("cid", among: ["ada", "cid"])
        let offered = (1...9).map { number in
            ExchangeGroup(
                key: GroupKey(slot: Slot(ofName: "n\(number)", in: World.cluster), home: nil),
                sets: [VersionSet(World.version("n\(number)", by: "ada", counter: UInt64(number), size: size))],
                copies: 10 - number)
        }
        subject.feed(.offered(by: World.node("ada"), offered, mine: []))
        let first = subject.effects.compactMap { if case .pull(let version, _) = $0 { version.name.text } else { nil } }
        #expect(first == (1...9).reversed().prefix(expected).map { "n\($0)" })
    }

    @Test("a failed pull leaves the version to be found again, and a dead holder's word is not waited for")
    func failedPull() {
        var subject = Subject("cid", among: ["ada", "cid"])
        let set = VersionSet(World.version("a", by: "ada"))
        let group = ExchangeGroup(key: set.group(in: World.cluster), sets: [set], copies: 1)
        subject.feed(.offered(by: World.node("ada"), [group], mine: []))
        subject.feed(.pulled(set.head, .unavailable))
        #expect(subject.core.totals.pullsActive == 0)
        subject.feed(.tick, after: .seconds(2))
        let again = subject.takeCompare(with: "ada")
        #expect(again != nil, "it is compared again")
        subject.feed(.view(World.view(["cid"], for: "cid"), hear: .asOwnersChange, restarted: []))
        #expect(subject.core.slotsUnsynced == 0)
    }

    private func pulls(_ subject: Subject) -> [Version] {
        subject.effects.compactMap { if case .pull(let version, _) = $0 { version } else { nil } }
    }

    @Test("of one name the head is pulled first, and its history one by one after it")
    func headBeforeHistory() {
        var subject = Subject("cid", among: ["ada", "cid"])
        let old = VersionSet(World.version("a", by: "ada"))
        let middle = old.merged(with: [World.version("a", by: "ada", counter: 2, time: 2000, seen: old)])
        let new = middle.merged(with: [World.version("a", by: "ada", counter: 3, time: 3000, seen: middle)])
        let group = ExchangeGroup(key: new.group(in: World.cluster), sets: [new], copies: 1)
        subject.feed(.offered(by: World.node("ada"), [group], mine: []))
        var order: [UInt64] = []
        while let next = pulls(subject).first {
            #expect(pulls(subject).count == 1)
            subject.effects = []
            order.append(next.dot.counter)
            subject.feed(.pulled(next, .durable))
        }
        #expect(order == [3, 2, 1])
        #expect(subject.core.totals.pullsQueued == 0 && subject.core.totals.pullsActive == 0)
    }

    @Test("a member that is there and can not be talked to does not keep a slot out of step for ever")
    func deafMember() throws {
        var subject = Subject("cid", among: ["cid"])
        subject.feed(.view(World.view(["ada", "cid"], for: "cid"), hear: .everyone, restarted: []))
        #expect(subject.core.slotsUnsynced > 0)
        for _ in 0..<40 where subject.core.slotsUnsynced > 0 {
            if let id = subject.takeCompare(with: "ada") { subject.feed(.failed(id)) }
            subject.feed(.tick, after: .seconds(31))
        }
        #expect(subject.core.slotsUnsynced == 0)
        #expect(subject.core.isHalfHeard(Slot(ofName: "a", in: World.cluster)))
    }

    @Test("a peer that does not answer is asked again, ever more slowly")
    func backsOff() throws {
        var subject = Subject("cid", among: ["ada", "cid"])
        subject.feed(.loaded(World.summary([VersionSet(World.version("a", by: "cid"))])))
        var waits: [Duration] = []
        for _ in 0..<5 {
            let taken = subject.takeCompare(with: "ada")
            let id = try #require(taken)
            subject.feed(.failed(id))
            let due = subject.core.deadline
            waits.append(due - subject.now)
            subject.feed(.tick, after: due - subject.now)
        }
        #expect(waits == [.seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(16)])
    }
}
