import Relocation
import Resources
import Testing
import Vocabulary

/// Law 1: how a write finds its copies.
@Suite struct WriteTrackerTests {
    private func tracker(me: String, owners: [String], ranked: [String], doubtful: [String] = []) -> WriteTracker {
        WriteTracker(
            me: World.node(me), owners: owners.map { World.node($0) }, ranked: ranked.map { World.node($0) },
            view: World.view(ranked, for: me, doubtful: doubtful), version: World.version("a", by: me))
    }

    @Test("an owner's write is complete with the other owner's copy")
    func bothOwners() {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        #expect(write.nextOffers() == [World.node("bob")])
        #expect(!write.isComplete)
        write.answered(by: World.node("bob"), durable: true)
        #expect(write.isSatisfied && write.isComplete)
        #expect(write.copies == [World.node("ada"), World.node("bob")])
    }

    @Test("an owner that does not answer is replaced by the next in rank")
    func standIn() {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob", "cid"])
        _ = write.nextOffers()
        write.answered(by: World.node("bob"), durable: false)
        #expect(!write.isComplete)
        #expect(write.nextOffers() == [World.node("cid")])
        write.answered(by: World.node("cid"), durable: true)
        #expect(write.isSatisfied)
    }

    @Test("a suspect is asked last, and a lone node's write is complete at once")
    func suspectsLast() {
        var write = tracker(me: "ada", owners: ["bob", "ada"], ranked: ["bob", "ada", "cid"], doubtful: ["bob"])
        #expect(write.nextOffers() == [World.node("cid")])
        let alone = tracker(me: "ada", owners: ["ada"], ranked: ["ada"])
        #expect(alone.isComplete && alone.isSatisfied)
    }

    @Test("when nobody is left to ask, the write ends with the copies it has")
    func nobodyLeft() {
        var write = tracker(me: "ada", owners: ["ada", "bob"], ranked: ["ada", "bob"])
        _ = write.nextOffers()
        write.answered(by: World.node("bob"), durable: false)
        #expect(write.isComplete && !write.isSatisfied)
        write.answered(by: World.node("bob"), durable: true)
        #expect(write.copies == [World.node("ada")], "a late answer to an offer that was given up counts for nothing")
    }
}
