import Relocation
import Resources
import Testing
import Vocabulary

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// When a deleted name is forgotten (law 3): never while somebody may hold what was deleted.
@Suite struct TombstoneCollectionTests {
    private static let names = ["ada", "bob", "cid"]
    private static let deleted = VersionSet(
        World.version(World.nameOwned(by: ["ada", "bob"], among: names), by: "ada", counter: 2, deleted: true))

    /// One node's collection, and what it asked for since the last look.
    private struct Collector {
        var core = TombstoneCollection(TombstoneCollection.Settings(keep: .seconds(12)), at: .zero)
        var subject: Subject
        var effects: [TombstoneCollection.Effect] = []

        init(_ me: String, knowing others: [String] = ["bob", "cid"]) {
            subject = Subject(me, among: TombstoneCollectionTests.names)
            core.handle(
                .known(Acquaintances(known: others.map(World.node))), at: .zero, by: subject.core, into: &effects)
        }

        mutating func feed(_ input: TombstoneCollection.Input) {
            core.handle(input, at: subject.now, by: subject.core, into: &effects)
        }

        mutating func meet(_ name: NodeName, in life: Life, isPresent: Bool = true) {
            core.met([(name: name, life: life, isPresent: isPresent)], into: &effects)
        }

        mutating func wait(_ time: Duration) {
            subject.now = subject.now + time
            core.tick(at: subject.now, by: subject.core, into: &effects)
        }

        /// Begins a cycle, in which these are due.
        mutating func load(_ sets: [VersionSet] = [TombstoneCollectionTests.deleted]) {
            wait(core.settings.interval)
            let isAsked = effects.contains { if case .load(nil, core.settings.keep, _) = $0 { true } else { false } }
            #expect(isAsked)
            effects = []
            feed(.loaded(sets, next: nil))
        }

        mutating func takeAsk() -> (id: TombstoneCollection.CallID, node: NodeName, request: TombstoneRequest)? {
            for (index, effect) in effects.enumerated() {
                if case .ask(let id, let node, let request) = effect {
                    effects.remove(at: index)
                    return (id, node, request)
                }
            }
            return nil
        }

        var isAsking: Bool { effects.contains { if case .ask = $0 { true } else { false } } }

        /// Has everybody who is asked agree.
        ///
        /// - Returns: who was asked, in which order.
        mutating func agree(isLast: Bool) -> [String] {
            var asked: [String] = []
            while let ask = takeAsk() {
                #expect(ask.request.isLast == isLast)
                #expect(ask.request.members.map(\.text) == TombstoneCollectionTests.names)
                asked.append(ask.node.text)
                feed(.answered(ask.id, TombstoneReply(confirmed: ask.request.sets.map(\.name))))
            }
            return asked
        }

        var forgotten: [VersionSet] {
            effects.flatMap { effect -> [VersionSet] in
                guard case .forget(let sets) = effect else { return [] }
                return sets
            }
        }
    }

    @Test("a name is forgotten when all have agreed twice, with the time in between that a request may be on its way")
    func whole() {
        var collector = Collector("ada")
        collector.load()
        #expect(collector.agree(isLast: false) == ["bob", "cid"])
        collector.wait(.milliseconds(999))
        #expect(!collector.isAsking)
        collector.wait(.milliseconds(1))
        var second: [String] = []
        for _ in 0..<2 {
            let ask = collector.takeAsk()
            #expect(ask?.request.isLast == false)
            second.append(ask?.node.text ?? "")
            if let ask { collector.feed(.answered(ask.id, TombstoneReply(confirmed: ask.request.sets.map(\.name)))) }
        }
        #expect(second == ["bob", "cid"])
        #expect(collector.forgotten.isEmpty)
        #expect(Set(collector.agree(isLast: true)) == ["bob", "cid"])
        #expect(collector.forgotten == [Self.deleted])
        #expect(collector.core.collected == 1)
    }

    @Test("nobody is asked for a name whose first owner is another, nor for one that is not deleted")
    func others() {
        var second = Collector("bob", knowing: ["ada", "cid"])
        second.load()
        #expect(!second.isAsking)
        var live = Collector("ada")
        let name = World.nameOwned(by: ["ada", "bob"], among: Self.names)
        live.load([VersionSet(World.version(name, by: "ada"))])
        #expect(!live.isAsking)
    }

    @Test("while one is away nobody is asked, until it is back or an operator has it forgotten")
    func away() {
        var collector = Collector("ada", knowing: ["bob", "cid", "dan"])
        collector.load()
        #expect(!collector.isAsking)
        #expect(collector.core.waitsFor == [World.node("dan")])
        let (dan, life) = (World.node("dan"), Life(epoch: 3, incarnation: 1))
        collector.core.forget(dan, in: life, into: &collector.effects)
        #expect(collector.core.waitsFor.isEmpty)
        let remembered = collector.effects.compactMap { effect -> Acquaintances? in
            guard case .remember(let acquaintances) = effect else { return nil }
            return acquaintances
        }
        let others: [NodeName: Life] = [World.node("bob"): .unknown, World.node("cid"): .unknown]
        #expect(remembered == [Acquaintances(known: others, struck: [dan: life])])
        collector.load()
        #expect(collector.agree(isLast: false) == ["bob", "cid"])
    }

    @Test(
        "one that holds something else, does not answer or knows of another member keeps the name",
        arguments: [
            TombstoneReply(), nil, TombstoneReply(confirmed: [deleted.name], unlisted: [World.node("dan"): .unknown]),
        ] as [TombstoneReply?])
    func refused(reply: TombstoneReply?) throws {
        for round in 1...2 {
            var collector = Collector("ada")
            collector.load()
            if round == 2 {
                #expect(collector.agree(isLast: false) == ["bob", "cid"])
                collector.wait(collector.core.settings.settle)
            }
            let taken = collector.takeAsk()
            let ask = try #require(taken)
            collector.feed(.answered(ask.id, reply))
            #expect(!collector.isAsking, "round \(round)")
            collector.wait(collector.core.settings.settle)
            #expect(!collector.isAsking)
            #expect(collector.forgotten.isEmpty)
            #expect(collector.core.waitsFor == Array(reply?.unlisted.keys ?? [:].keys))
        }
    }

    @Test("who is met between the rounds has not been asked in the first: all begins anew")
    func newcomer() {
        var collector = Collector("ada", knowing: ["bob"])
        collector.load()
        while let ask = collector.takeAsk() {
            #expect(ask.node == World.node("bob"))
            collector.feed(.answered(ask.id, TombstoneReply(confirmed: [Self.deleted.name])))
        }
        collector.meet(World.node("cid"), in: .unknown)
        #expect(collector.core.acquaintances.known == [World.node("bob"), World.node("cid")])
        collector.wait(collector.core.settings.settle)
        #expect(!collector.isAsking)
        collector.load()
        #expect(collector.agree(isLast: false) == ["bob", "cid"])
    }

    private func life(_ epoch: UInt64, _ incarnation: UInt32 = 0) -> Life {
        Life(epoch: epoch, incarnation: incarnation)
    }

    @Test("whom an operator had forgotten comes back into it by being a member, or by what others say of a later life")
    func struck() {
        let dan = World.node("dan")
        for isSeen in [true, false] {
            var collector = Collector("ada", knowing: ["bob", "cid", "dan"])
            collector.meet(dan, in: life(3))
            collector.core.forget(dan, in: life(3, 1), into: &collector.effects)
            collector.meet(dan, in: life(3, 1), isPresent: false)
            collector.load()
            let ask = collector.takeAsk()
            #expect(ask?.request.struck == [dan: life(3, 1)])
            if let ask { collector.feed(.answered(ask.id, TombstoneReply(unlisted: [dan: life(3)]))) }
            #expect(collector.core.acquaintances.known == [World.node("bob"), World.node("cid")])
            #expect(collector.core.waitsFor.isEmpty)
            if isSeen {
                collector.meet(dan, in: life(3, 1))
            } else {
                collector.load()
                let again = collector.takeAsk()
                if let again { collector.feed(.answered(again.id, TombstoneReply(unlisted: [dan: life(4)]))) }
                #expect(collector.core.waitsFor == [dan])
            }
            #expect(collector.core.acquaintances.known == Set(["bob", "cid", "dan"].map(World.node)))
            #expect(collector.core.acquaintances.struck.isEmpty)
        }
    }

    @Test("by what others were told it is struck while it is away, unless it was met in a later life than they know of")
    func struckElsewhere() {
        let (bob, dan) = (World.node("bob"), World.node("dan"))
        for (met, isStruck) in [(life(3), true), (life(3, 1), true), (life(3, 2), false), (life(4), false)] {
            var told = Collector("cid", knowing: ["ada", "bob", "dan"])
            told.meet(dan, in: met)
            told.feed(.struck([dan: life(3, 1), bob: life(9)], present: [bob]))
            #expect(told.core.acquaintances.known.contains(dan) == !isStruck)
            #expect(told.core.acquaintances.known.contains(bob), "it is here")
            #expect(told.core.acquaintances.struck == (isStruck ? [dan: life(3, 1)] : [:]))
        }
    }

    @Test(
        "acquaintances are read as they were kept, also by an earlier release; one is kept again for another boot only")
    func kept() throws {
        let names = ["bob", "cid", "dan"].map(World.node)
        let known = Acquaintances(known: [names[0]: life(7, 3), names[1]: .unknown], struck: [names[2]: life(2, 9)])
        let bytes = try JSONEncoder().encode(known)
        #expect(try JSONDecoder().decode(Acquaintances.self, from: bytes) == known)
        let earlier = Data(#"{"known":["bob","cid"],"struck":["dan"]}"#.utf8)
        let read = try JSONDecoder().decode(Acquaintances.self, from: earlier)
        #expect(read == Acquaintances(known: [names[0]: .unknown, names[1]: .unknown], struck: [names[2]: .unknown]))
        for wrong in [
            #"{"known":["bob"]}"#, #"{"known":[7],"struck":[]}"#,
            #"{"known":["bob"],"struck":[],"lives":[{"name":"bob"}]}"#,
        ] {
            #expect(throws: (any Error).self) { try JSONDecoder().decode(Acquaintances.self, from: Data(wrong.utf8)) }
        }
        var collector = Collector("ada", knowing: ["bob", "cid"])
        for (met, isKept) in [(life(1, 5), true), (life(1, 6), false), (life(2), true), (life(1, 9), false)] {
            collector.effects = []
            collector.meet(names[0], in: met)
            #expect(collector.effects.isEmpty == !isKept)
        }
        collector.meet(names[0], in: life(2, 1), isPresent: false)
        #expect(!collector.effects.isEmpty, "its last word nobody says again")
    }

    @Test("what was just forgotten is not taken back from one that is about to forget it, and later it is")
    func notTakenBack() {
        let other = VersionSet(World.version(Self.deleted.name.text, by: "cid", counter: 7, time: 7000))
        for (given, isWanted) in [(Self.deleted, false), (other, true)] {
            var subject = Subject("bob", among: Self.names)
            let told = [ExchangeGroup(key: given.group(in: World.cluster), sets: [given], copies: 1)]
            subject.feed(.forgot([Self.deleted]))
            subject.feed(.offered(by: World.node("ada"), told, mine: []))
            #expect(subject.core.isExpecting(moreThan: given) == isWanted)
            subject.feed(.tick, after: .seconds(30))
            subject.feed(.offered(by: World.node("ada"), told, mine: []))
            #expect(subject.core.isExpecting(moreThan: given) == isWanted)
            subject.feed(.tick, after: .seconds(30))
            subject.feed(.offered(by: World.node("ada"), told, mine: []))
            #expect(subject.core.isExpecting(moreThan: given))
        }
    }

    @Test("nor is it when nothing has happened since others were forgotten long before")
    func notTakenBackAfterAPause() {
        let earlier = VersionSet(World.version("earlier", by: "ada", deleted: true))
        var subject = Subject("bob", among: Self.names)
        let told = [ExchangeGroup(key: Self.deleted.group(in: World.cluster), sets: [Self.deleted], copies: 1)]
        subject.feed(.forgot([earlier]))
        subject.feed(.tick, after: .seconds(31))
        subject.feed(.forgot([Self.deleted]), after: .seconds(100))
        subject.feed(.offered(by: World.node("ada"), told, mine: []))
        #expect(!subject.core.isExpecting(moreThan: Self.deleted))
    }

    @Test("a name of which a write is known that is not here is not asked for")
    func expected() {
        var collector = Collector("ada")
        let newer = World.version(Self.deleted.name.text, by: "cid", counter: 9, time: 9000, seen: Self.deleted)
        collector.subject.feed(.declined(newer, from: World.node("cid"), byDisk: true))
        #expect(collector.subject.core.isExpecting(moreThan: Self.deleted))
        collector.load()
        #expect(!collector.isAsking)
    }

    @Test("what the delete had seen is not expected, though somebody told of it just before")
    func seenByTheDelete() {
        let older = World.version(Self.deleted.name.text, by: "cid", counter: 9, time: 9000)
        let deleted = World.version(
            older.name.text, by: "cid", counter: 10, time: 9001, seen: VersionSet(older), deleted: true)
        var subject = Subject("ada", among: Self.names)
        subject.feed(.declined(older, from: World.node("cid"), byDisk: false))
        #expect(subject.core.isExpecting(moreThan: Self.deleted))
        #expect(!subject.core.isExpecting(moreThan: VersionSet(deleted)))
    }

    @Test("what is for others to have is not expected, and of what is forgotten nothing is known any more")
    func othersOwn() {
        let name = Self.deleted.name
        let moved = World.version(name.text, by: "ada", counter: 3, seen: Self.deleted, home: "cid", deleted: true)
        var subject = Subject("bob", among: Self.names)
        subject.feed(.declined(moved, from: World.node("ada"), byDisk: true))
        #expect(subject.core.knowsNewer(than: nil, of: name), "an owner of the slot denies nothing for all that")
        #expect(!subject.core.isExpecting(moreThan: Self.deleted))
        subject.feed(.forgot([VersionSet(moved)]))
        #expect(!subject.core.knowsNewer(than: nil, of: name))
    }

    @Test("what is confirmed is that nothing else is held")
    func confirmed() {
        let request = TombstoneRequest(members: [], sets: [Self.deleted], isLast: false)
        let name = Self.deleted.name
        #expect(request.confirmed(by: [:]) == [Self.deleted])
        #expect(request.confirmed(by: [name: Self.deleted]) == [Self.deleted])
        let old = World.version(name.text, by: "bob")
        #expect(request.confirmed(by: [name: VersionSet(old)]).isEmpty)
        #expect(request.confirmed(by: [name: Self.deleted.merged(with: [old])]).isEmpty)
    }

    @Test("questions and answers are read as they were written, and nothing else is")
    func forms() throws {
        let request = TombstoneRequest(
            members: Self.names.map(World.node), struck: [World.node("eve"): life(5, 6)],
            sets: [Self.deleted, Self.deleted],
            isLast: true)
        let reply = TombstoneReply(confirmed: [Self.deleted.name], unlisted: [World.node("dan"): life(1, 2)])
        #expect(try TombstoneRequest(request.bytes[...]) == request)
        #expect(try TombstoneReply(reply.bytes[...]) == reply)
        for length in request.bytes.indices {
            #expect(throws: (any Error).self) { try TombstoneRequest(request.bytes.prefix(length)) }
        }
        for length in reply.bytes.indices {
            #expect(throws: (any Error).self) { try TombstoneReply(reply.bytes.prefix(length)) }
        }
        let live = TombstoneRequest(members: [], sets: [VersionSet(World.version("a", by: "ada"))], isLast: false)
        #expect(throws: ByteError.illegal) { try TombstoneRequest(live.bytes[...]) }
    }
}
