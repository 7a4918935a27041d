import Resources
import Testing
import Vocabulary

/// One writer's hand, for stories told step by step.
struct Hand {
    let node: NodeName
    var epoch: UInt64
    var counter: UInt64 = 0
    var clock = HybridClock()

    init(_ name: String, epoch: UInt64 = 1) throws {
        node = try NodeName(name)
        self.epoch = epoch
    }

    mutating func put(
        _ byte: UInt8?, on set: VersionSet?, at milliseconds: UInt64, if precondition: Precondition = .none,
        home: NodeName? = nil
    ) throws -> Version {
        let content = try byte.map { byte in
            Version.Content.blob(digest: try digest(byte), size: 10, mediaType: "text/plain")
        }
        let request = WriteRequest(
            name: try ResourceName("x"), content: content ?? .tombstone, home: home, precondition: precondition)
        counter += 1
        return try request.version(
            after: set, dot: Dot(node: node, epoch: epoch, counter: counter), clock: &clock,
            wallMilliseconds: milliseconds)
    }
}

func digest(_ byte: UInt8) throws -> ContentDigest {
    try #require(ContentDigest(bytes: [UInt8](repeating: byte, count: 32)))
}

@Suite("VersionSet: stories")
struct VersionSetStoryTests {
    @Test("a put that has seen the last one replaces it without a conflict; concurrent ones count until seen")
    func conflicts() throws {
        var simba = try Hand("simba")
        var mkango = try Hand("mkango")
        let first = VersionSet(try simba.put(1, on: nil, at: 1000))
        let second = first.merged(with: [try simba.put(2, on: first, at: 1001)])
        #expect(second.conflicts == 0)
        #expect(second.live?.digest == (try digest(2)))
        // mkango, whose clock is an hour behind, has seen only the first.
        let theirs = first.merged(with: [try mkango.put(3, on: first, at: 1)])
        let both = second.merged(with: theirs.versions)
        #expect(both.conflicts == 1)
        #expect(both.versions.count == 3, "the loser stays in the history")
        let resolved = both.merged(with: [try mkango.put(4, on: both, at: 2)])
        #expect(resolved.live?.digest == (try digest(4)), "a put that has seen all wins, however late its clock is")
        #expect(resolved.conflicts == 0)
    }

    @Test("a delete takes with it what it had seen and nothing else, and an old copy can not bring it back")
    func tombstone() throws {
        var simba = try Hand("simba")
        var mkango = try Hand("mkango")
        let old = VersionSet(try simba.put(1, on: nil, at: 1000))
        let deleted = old.merged(with: [try simba.put(nil, on: old, at: 1001)])
        #expect(deleted.versions.count == 1)
        #expect(deleted.live == nil)
        #expect(deleted.head.size == 0)
        #expect(deleted.merged(with: old.versions) == deleted, "the old copy is not taken back")
        #expect(deleted.dominates(old))
        let unseen = try mkango.put(2, on: nil, at: 500)
        let kept = deleted.merged(with: [unseen])
        #expect(kept.live == nil, "the delete came later")
        #expect(kept.version(unseen.dot) == unseen, "but had not seen this one, which stays retrievable")
        #expect(kept.conflicts == 1)
    }

    @Test("what lost to a delete is a conflict until a put or another delete has seen it; then there is none to delete")
    func lostToDelete() throws {
        var (simba, mkango) = (try Hand("simba"), try Hand("mkango"))
        let home = try NodeName("mkango")
        let old = VersionSet(try simba.put(1, on: nil, at: 1000, home: home))
        let deleted = old.merged(with: [try simba.put(nil, on: old, at: 2000)])
        let lost = deleted.merged(with: [try mkango.put(2, on: old, at: 1500)])
        #expect(lost.live == nil && lost.conflicts == 1)

        var clock = simba.clock
        for precondition in [Precondition.present, .digest(try digest(2)), .version(lost.head.dot)] {
            #expect(throws: WriteRequest.Refusal.preconditionFailed(head: nil), "\(precondition)") {
                try simba.put(nil, on: lost, at: 2001, if: precondition)
            }
        }
        #expect(simba.clock.latest == clock.latest)
        let ended = lost.merged(with: [try simba.put(nil, on: lost, at: 2001, if: .absent)])
        #expect(ended.versions.map(\.isTombstone) == [true], "with what the first delete had not seen")
        #expect(ended.conflicts == 0 && ended.head.home == home)
        #expect(ended.merged(with: lost.versions) == ended)
        clock = simba.clock
        #expect(throws: WriteRequest.Refusal.notFound) { try simba.put(nil, on: ended, at: 2002) }
        #expect(throws: WriteRequest.Refusal.notFound) { try simba.put(nil, on: deleted, at: 2002) }
        #expect(simba.clock.latest == clock.latest)

        let back = lost.merged(with: [try mkango.put(3, on: lost, at: 3, if: .absent)])
        #expect(back.live?.digest == (try digest(3)) && back.conflicts == 0)
        #expect(back.versions.compactMap(\.digest) == [try digest(3), try digest(2)], "it is in the history")
        #expect(back.merged(with: [try simba.put(nil, on: back, at: 3000)]).versions.count == 1)
    }

    @Test("of two deletes at once neither has lost anything")
    func twoDeletes() throws {
        var (simba, mkango) = (try Hand("simba"), try Hand("mkango"))
        let old = VersionSet(try simba.put(1, on: nil, at: 1000))
        let deleted = VersionSet(try simba.put(nil, on: old, at: 1001)).merged(
            with: [try mkango.put(nil, on: old, at: 1002)])
        #expect(deleted.versions.count == 2 && deleted.conflicts == 0)
        #expect(throws: WriteRequest.Refusal.notFound) { try simba.put(nil, on: deleted, at: 1003) }
        let back = deleted.merged(with: [try mkango.put(2, on: old, at: 1003)])
        #expect(back.conflicts == 2, "a put that neither had seen goes first")
    }

    @Test("a delete that has seen only a node's writes after its disk was wiped leaves the ones before alone")
    func wipedDisk() throws {
        var before = try Hand("simba", epoch: 100)
        var after = try Hand("simba", epoch: 200)
        let acknowledged = try before.put(1, on: nil, at: 100)
        let again = VersionSet(try after.put(2, on: nil, at: 200))
        let deleted = again.merged(with: [try after.put(nil, on: again, at: 201)])
        #expect(deleted.merged(with: [acknowledged]).version(acknowledged.dot) == acknowledged)
    }

    @Test("only the newest five are kept, and of them the head is the greatest")
    func bound() throws {
        var simba = try Hand("simba")
        var set = VersionSet(try simba.put(0, on: nil, at: 0))
        for byte in UInt8(1)...20 { set = set.merged(with: [try simba.put(byte, on: set, at: UInt64(byte))]) }
        #expect(set.versions.compactMap { $0.digest?.bytes.first } == [20, 19, 18, 17, 16])
        #expect(set.head.context.dots.count == 1)
    }

    @Test("a set has one name and at least one version")
    func construction() throws {
        var simba = try Hand("simba")
        let x = try simba.put(1, on: nil, at: 1)
        let other = Version(
            name: try ResourceName("y"), dot: x.dot, context: x.context, time: x.time, content: x.content, home: nil)
        #expect(VersionSet([Version]()) == nil)
        #expect(VersionSet([x, other]) == nil)
        #expect(VersionSet(x).merged(with: [other]) == VersionSet(x))
    }

    @Test("a name keeps its home until a put gives it another, and a delete takes the home along")
    func home() throws {
        var simba = try Hand("simba")
        let cluster = try ClusterName("crane")
        let mkango = try NodeName("mkango")
        var set = VersionSet(try simba.put(1, on: nil, at: 1, home: mkango))
        set = set.merged(with: [try simba.put(2, on: set, at: 2)])
        #expect(set.group(in: cluster).home == mkango)
        set = set.merged(with: [try simba.put(nil, on: set, at: 3)])
        #expect(set.group(in: cluster).home == mkango)
        #expect(set.group(in: cluster).slot == Slot(ofName: "x", in: cluster))
    }
}

@Suite("Precondition")
struct PreconditionTests {
    @Test("each holds for exactly the states that RFC 9110 §13 gives it")
    func table() throws {
        var simba = try Hand("simba")
        let present = VersionSet(try simba.put(1, on: nil, at: 1))
        let deleted = present.merged(with: [try simba.put(nil, on: present, at: 2)])
        let head = present.head.dot
        // precondition, when never written, when present, when deleted
        let table: [(Precondition, Bool, Bool, Bool)] = [
            (.none, true, true, true), (.absent, true, false, true), (.present, false, true, false),
            (.digest(try digest(1)), false, true, false), (.digest(try digest(2)), false, false, false),
            (.version(head), false, true, false), (.version(deleted.head.dot), false, false, false),
        ]
        for (precondition, never, live, gone) in table {
            #expect(precondition.holds(for: nil) == never, "\(precondition)")
            #expect(precondition.holds(for: present) == live, "\(precondition)")
            #expect(precondition.holds(for: deleted) == gone, "\(precondition)")
        }
    }

    @Test("a refused write says what is there and takes no time from the clock")
    func refusal() throws {
        var simba = try Hand("simba")
        let present = VersionSet(try simba.put(1, on: nil, at: 1))
        let before = simba.clock.latest
        #expect(throws: WriteRequest.Refusal.preconditionFailed(head: present.head.dot)) {
            try simba.put(2, on: present, at: 2, if: .absent)
        }
        #expect(throws: WriteRequest.Refusal.notFound) { try simba.put(nil, on: nil, at: 2) }
        #expect(simba.clock.latest == before)
    }

    @Test("a write that may have been made elsewhere is dated after that, and one that comes too late is not made")
    func dates() throws {
        let content = Version.Content.blob(digest: try digest(1), size: 10, mediaType: "text/plain")
        var request = WriteRequest(name: try ResourceName("x"), content: content, home: nil, precondition: .none)
        let dot = Dot(node: try NodeName("simba"), epoch: 1, counter: 1)
        var clock = HybridClock()
        let elsewhere = HybridTime(wallMilliseconds: 3_600_000, counter: 7)
        let mkango = Dot(node: try NodeName("mkango"), epoch: 4, counter: 7)
        request.attempts = [WriteAttempt(after: mkango, until: elsewhere)]
        let again = try request.version(after: nil, dot: dot, clock: &clock, wallMilliseconds: 1_000)
        #expect(again.time > elsewhere, "an hour behind")

        request.attempts = []
        request.until = clock.reading(wallMilliseconds: 1_000)
        #expect(throws: WriteRequest.Refusal.overdue) {
            try request.version(after: nil, dot: dot, clock: &clock, wallMilliseconds: 1_000)
        }
        // Asked for anew it is in time, though what it has to go after is later than its clock.
        let last = VersionSet(
            Version(
                name: request.name, dot: dot, context: CausalContext(),
                time: HybridTime(wallMilliseconds: 7_200_000, counter: 0), content: content, home: nil))
        request.until = clock.reading(wallMilliseconds: 1_000).advanced(byMilliseconds: 2_000)
        #expect(throws: WriteRequest.Refusal.overdue) {
            try request.version(after: last, dot: dot, clock: &clock, wallMilliseconds: 1_000)
        }
        request.until = clock.reading(wallMilliseconds: 1_000).advanced(byMilliseconds: 2_000)
        let made = try request.version(after: last, dot: dot, clock: &clock, wallMilliseconds: 1_000)
        #expect(made.time > last.head.time)
    }

    @Test("a write that may have been made elsewhere is made once more until somebody has seen it")
    func attempts() throws {
        var (simba, mkango) = (try Hand("simba"), try Hand("mkango"))
        let before = VersionSet(try mkango.put(1, on: nil, at: 1))
        var request = WriteRequest(
            name: before.name, content: .blob(digest: try digest(2), size: 10, mediaType: "text/plain"), home: nil,
            precondition: .none)
        request.attempts = [
            WriteAttempt(after: before.head.dot, until: HybridTime(wallMilliseconds: 2_000, counter: 0))
        ]
        let attempt = try mkango.put(2, on: before, at: 2)
        func isMade(on set: VersionSet?) throws -> Bool {
            var clock = HybridClock()
            let dot = Dot(node: try NodeName("chui"), epoch: 1, counter: 1)
            do { _ = try request.version(after: set, dot: dot, clock: &clock, wallMilliseconds: 3) } catch {
                #expect(error == .builtUpon && clock.latest == HybridClock().latest)
                return false
            }
            return true
        }
        #expect(try isMade(on: nil))
        #expect(try isMade(on: before))
        let made = before.merged(with: [attempt])
        #expect(try isMade(on: made), "the same once more")
        #expect(try isMade(on: before.merged(with: [try simba.put(3, on: before, at: 2)])), "who wrote did not see it")
        let deleted = try simba.put(nil, on: made, at: 3)
        #expect(try !isMade(on: made.merged(with: [deleted])))
        #expect(try !isMade(on: VersionSet(deleted)), "with what it deleted gone")
        #expect(try !isMade(on: made.merged(with: [try simba.put(4, on: made, at: 3)])), "overwritten")
        #expect(try !isMade(on: made.merged(with: [try mkango.put(5, on: made, at: 3)])), "by the same node")
    }

    @Test("a time that is moved on past its range stays at the end")
    func endOfTime() {
        #expect(HybridTime(raw: .max - 5).advanced(byMilliseconds: 1) == HybridTime(raw: .max))
        #expect(HybridTime(raw: 5).advanced(byMilliseconds: .max).raw == 0xFFFF_FFFF_FFFF_0005)
        #expect(HybridTime(wallMilliseconds: 5, counter: 3).advanced(byMilliseconds: 2).description == "7+3")
    }
}
