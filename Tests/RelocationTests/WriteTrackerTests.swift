import Relocation
import Resources
import Testing
import Vocabulary

/// Laws 1 and 6: how a write finds its copies, and whom it tells before it is acknowledged.
@Suite struct WriteTrackerTests {
    private let now = Instant.zero

    private func node(_ text: String) -> NodeName { World.node(text) }

    private func tracker(
        me: String, owners: [String], ranked: [String], doubtful: [String] = [], former: [String] = []
    ) -> WriteTracker {
        var write = WriteTracker(me: node(me), version: World.version("a", by: me), former: former.map { node($0) })
        adopt(&write, me: me, owners: owners, ranked: ranked, doubtful: doubtful)
        return write
    }

    private func adopt(
        _ write: inout WriteTracker, me: String, owners: [String], ranked: [String], doubtful: [String] = [],
        besides: [String] = [], away: [String] = []
    ) {
        write.adopt(
            owners: owners.map { node($0) }, ranked: ranked.map { node($0) },
            view: World.view(ranked, for: me, doubtful: doubtful, besides: besides, away: away))
    }

    @Test("an owner's write is complete with the other owner's copy")
    func bothOwners() {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        #expect(write.nextOffers(at: now) == [node("bob")])
        #expect(!write.isComplete)
        write.answered(by: node("bob"), .durable, at: now)
        #expect(write.isSatisfied && write.isComplete)
        #expect(write.copies == [node("ada"), node("bob")])
    }

    @Test("one that owned the name's group before, and its new one until a moment ago, is one copy (seed 4378)")
    func twiceFormer() {
        var write = tracker(
            me: "cid", owners: ["ada", "bob", "cid"], ranked: ["cid", "dan"], former: ["dan", "dan"])
        #expect(write.nextOffers(at: now) == [node("dan")])
        write.answered(by: node("dan"), .durable, at: now)
        #expect(write.copies == [node("cid"), node("dan")] && !write.isSatisfied)
    }

    @Test(
        "a greater write outranks; who stands in for an owner can not tell what became of a lesser one that it finds there"
    )
    func rivals() {
        let other = World.version("a", by: "bob").dot
        let key = World.version("a", by: "bob").group(in: World.cluster)
        func reply(rival: Dot? = nil, concurrent: Dot? = nil) -> OfferReply {
            OfferReply(
                status: GroupStatus(key: key, digest: .empty, owner: true), rival: rival, concurrent: concurrent)
        }
        var owner = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        _ = owner.nextOffers(at: now)
        owner.note(reply(concurrent: other), by: node("bob"))
        #expect(owner.contest.rival == nil && owner.silent == [node("bob")], "bob has yet to answer")
        owner.answered(by: node("bob"), .durable, at: now)
        #expect(owner.silent.isEmpty)
        owner.note(reply(rival: other, concurrent: other), by: node("bob"))
        #expect(owner.contest.rival == other)
        var standIn = tracker(me: "cid", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        _ = standIn.nextOffers(at: now)
        standIn.note(reply(), by: node("ada"))
        for owner in ["ada", "bob"] { standIn.answered(by: node(owner), .durable, at: now) }
        #expect(standIn.contest == Contest() && standIn.silent.isEmpty)
        // It remains one, though it may come to own the name meanwhile: the owners of before offered it nothing.
        adopt(&standIn, me: "cid", owners: ["bob", "cid"], ranked: ["bob", "cid"])
        standIn.note(reply(concurrent: other), by: node("bob"))
        #expect(standIn.contest.rival == nil && standIn.contest.tellers == [node("bob")])
        standIn.note(reply(rival: other, concurrent: other), by: node("bob"))
        #expect(standIn.contest.rival == other)
    }

    @Test("an owner without room is replaced by the next in rank, and has been told")
    func standIn() {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        _ = write.nextOffers(at: now)
        write.answered(by: node("bob"), .declined, at: now)
        #expect(!write.isComplete)
        #expect(write.nextOffers(at: now) == [node("cid")])
        write.answered(by: node("cid"), .durable, at: now)
        #expect(write.isSatisfied && write.isComplete)
        #expect(write.nextOffers(at: now).isEmpty && write.deadline == nil)
    }

    @Test("who would own the name without an owner that can not be called is told, be there copies enough or not")
    func heirs() throws {
        var write = WriteTracker(me: node("cid"), version: World.version("a", by: "cid"))
        write.adopt(
            owners: [node("ada"), node("bob")], heirs: [node("bob"), node("dan")],
            ranked: ["ada", "bob", "cid", "dan"].map { node($0) },
            view: World.view(["bob", "cid", "dan"], for: "cid"))
        #expect(Set(write.nextOffers(at: now)) == [node("bob"), node("dan")])
        write.answered(by: node("bob"), .durable, at: now)
        #expect(write.isSatisfied && !write.isComplete)
        write.answered(by: node("dan"), .failed, at: now)
        #expect(!write.isComplete, "it may take itself for an owner, and answer with what was before")
        let again = try #require(write.deadline)
        #expect(write.nextOffers(at: again) == [node("dan")])
        write.answered(by: node("dan"), .durable, at: again)
        #expect(write.isComplete)
    }

    @Test("an heir makes up the number of copies: nobody else is asked for one")
    func heirCounts() {
        var write = WriteTracker(me: node("bob"), version: World.version("a", by: "bob"))
        write.adopt(
            owners: [node("ada"), node("bob")], heirs: [node("bob"), node("cid")],
            ranked: ["ada", "bob", "cid", "dan"].map { node($0) },
            view: World.view(["bob", "cid", "dan"], for: "bob"))
        #expect(write.nextOffers(at: now) == [node("cid")])
        write.answered(by: node("cid"), .durable, at: now)
        #expect(write.isComplete && write.copies == [node("bob"), node("cid")])
    }

    @Test("an owner whose call failed is replaced at once, and asked again before the write is acknowledged")
    func failedOwnerIsToldAgain() throws {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        _ = write.nextOffers(at: now)
        write.answered(by: node("bob"), .failed, at: now)
        #expect(write.nextOffers(at: now) == [node("cid")])
        write.answered(by: node("cid"), .durable, at: now)
        #expect(write.isSatisfied && !write.isComplete, "bob may hold what was before, and answer with it")
        let again = try #require(write.deadline)
        #expect(write.nextOffers(at: again) == [node("bob")])
        write.answered(by: node("bob"), .durable, at: again)
        #expect(write.isComplete && write.copies.count == 3)
    }

    @Test("an owner that can not be reached at all is given up after a few tries")
    func unreachableOwner() throws {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob"])
        var tries = 0
        var time = now
        while !write.isComplete {
            #expect(write.nextOffers(at: time) == [node("bob")])
            write.answered(by: node("bob"), .failed, at: time)
            tries += 1
            if let next = write.deadline { time = next }
        }
        #expect(tries == 3 && !write.isSatisfied && write.silent == [node("bob")])
        write.answered(by: node("bob"), .durable, at: time)
        #expect(write.copies == [node("ada")], "a late answer to an offer that was given up counts for nothing")
        // Gone, and back: it answers for the name again, so that it has to hear of this.
        adopt(&write, me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob"], away: ["bob"])
        #expect(write.isComplete && write.silent.isEmpty)
        adopt(&write, me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob"])
        #expect(write.nextOffers(at: time) == [node("bob")])
        write.answered(by: node("bob"), .failed, at: time)
        #expect(!write.isComplete && write.deadline != nil)
    }

    @Test("an owner that has no place for the offer is asked until it has; who was never told is known at the end")
    func busyOwner() {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob"])
        var time = now
        for _ in 0..<20 {
            #expect(write.nextOffers(at: time).contains(node("bob")))
            write.answered(by: node("bob"), .busy, at: time)
            #expect(!write.isComplete && write.silent == [node("bob")])
            time = time + .seconds(1)
        }
        _ = write.nextOffers(at: time)
        write.answered(by: node("bob"), .durable, at: time)
        #expect(write.silent.isEmpty)
    }

    @Test("a suspected owner is told, not counted on, and not waited for once it is known to be gone")
    func suspectedOwner() {
        var write = tracker(me: "ada", owners: ["bob", "ada"], ranked: ["bob", "ada", "cid"], doubtful: ["bob"])
        #expect(Set(write.nextOffers(at: now)) == [node("bob"), node("cid")])
        write.answered(by: node("cid"), .durable, at: now)
        #expect(write.isSatisfied && !write.isComplete, "bob may be there, and answer with what was before")
        adopt(&write, me: "ada", owners: ["ada", "cid"], ranked: ["ada", "cid"])
        #expect(write.isComplete)
    }

    @Test("an owner that falls silent after it was asked is replaced as soon as it is suspected")
    func ownerFallsSilent() {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        #expect(write.nextOffers(at: now) == [node("bob")])
        adopt(&write, me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"], doubtful: ["bob"])
        #expect(write.nextOffers(at: now) == [node("cid")])
    }

    @Test("a stand-in that takes a write tells both owners")
    func standInWrites() {
        var write = tracker(me: "cid", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        #expect(Set(write.nextOffers(at: now)) == [node("ada"), node("bob")])
        write.answered(by: node("ada"), .durable, at: now)
        #expect(write.isSatisfied && !write.isComplete)
        write.answered(by: node("bob"), .durable, at: now)
        #expect(write.isComplete)
    }

    @Test("the owners of the group that the name leaves are told, too")
    func formerOwners() {
        var write = tracker(
            me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"], former: ["cid"])
        #expect(Set(write.nextOffers(at: now)) == [node("bob"), node("cid")])
        write.answered(by: node("bob"), .durable, at: now)
        #expect(!write.isComplete)
        write.answered(by: node("cid"), .durable, at: now)
        #expect(write.isComplete)
    }

    @Test("a copy on a node that is leaving counts for nothing")
    func leavingCopy() {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        _ = write.nextOffers(at: now)
        adopt(&write, me: "ada", owners: ["ada", "cid"], ranked: ["ada", "cid"], besides: ["bob"])
        write.answered(by: node("bob"), .durable, at: now)
        #expect(!write.isSatisfied)
        #expect(write.nextOffers(at: now) == [node("cid")])
    }

    @Test("a lone node's write is complete at once")
    func alone() {
        let write = tracker(me: "ada", owners: ["ada"], ranked: ["ada"])
        #expect(write.isComplete && write.isSatisfied)
    }
}
