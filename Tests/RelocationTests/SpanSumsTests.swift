import Placement
import Resources
import Testing
import Vocabulary

@testable import Relocation

/// Comparing by sums has to find just what comparing group by group finds.
@Suite("Comparing by sums of spans")
struct SpanSumsTests {
    private let names = ["ada", "bob", "cid", "dan"]

    /// What four nodes hold: most of it alike, some newer, some only here or there, some at home somewhere.
    private struct Holdings {
        var sets: [String: [ResourceName: VersionSet]] = [:]
        var lacking: [String: Set<GroupKey>] = [:]

        init(seed: UInt64, names: [String], differing: Double, homes: Double) {
            var rng = SeededGenerator(seed: seed)
            let ring = World.ring(names)
            for number in 0..<600 {
                let home = Double.random(in: 0..<1, using: &rng) < homes ? names[number % names.count] : nil
                let old = VersionSet(World.version("name-\(number)", by: "ada", home: home))
                // Now and then it moved to another home, and into another group by that.
                let next = Bool.random(using: &rng) ? home : nil
                let new = old.merged(with: [
                    World.version("name-\(number)", by: "bob", counter: 2, time: 2000, seen: old, home: next)
                ])
                let key = old.group(in: World.cluster)
                let owners = ring.owners(of: key.slot, home: key.home, count: 2)
                for name in names {
                    let isOdd = Double.random(in: 0..<1, using: &rng) < differing
                    let isOwner = owners.contains(World.node(name))
                    guard isOwner != isOdd || (isOdd && Bool.random(using: &rng)) else { continue }
                    let set = isOdd && Bool.random(using: &rng) ? new : old
                    sets[name, default: [:]][set.name] = set
                    if isOdd, Bool.random(using: &rng) {
                        lacking[name, default: []].insert(set.group(in: World.cluster))
                    }
                }
            }
        }

        func summaries(_ name: String) -> [GroupSummary] {
            World.summary((sets[name] ?? [:]).values.sorted { $0.name < $1.name })
        }
    }

    private struct Outcome: Equatable {
        var exchanged: [String: Set<GroupKey>] = [:]
        var unsynced = 0
        var ownTotals: Convergence.Totals
        /// What the others know after they were asked.
        var totals: [String: Convergence.Totals] = [:]
        var sums = 0
        var lists = 0

        static func == (a: Outcome, b: Outcome) -> Bool {
            a.exchanged == b.exchanged && a.unsynced == b.unsynced && a.ownTotals == b.ownTotals && a.totals == b.totals
        }
    }

    /// Ada comes back and asks the others until it has nothing more to ask; no exchange is answered.
    private func outcome(_ held: Holdings, groupsPerSum: Int, views: [String: [String]] = [:]) -> Outcome {
        func subject(_ name: String) -> Subject {
            var subject = Subject(name, among: [name], groupsPerSum: groupsPerSum)
            subject.core.isJoining = name == "ada"
            subject.feed(.loaded(held.summaries(name)))
            subject.feed(.lacking(held.lacking[name] ?? []))
            let view = World.view(views[name] ?? names, for: name)
            subject.feed(.view(view, hear: name == "ada" ? .everyone : .asOwnersChange, restarted: []))
            return subject
        }
        var others = Dictionary(uniqueKeysWithValues: names.dropFirst().map { (World.node($0), subject($0)) })
        var ada = subject("ada")
        ada.core.isJoining = false
        ada.feed(.tick)
        var outcome = Outcome(ownTotals: ada.core.totals)
        while !ada.effects.isEmpty {
            let effects = ada.effects
            ada.effects = []
            for effect in effects {
                switch effect {
                case .compare(let id, let node, let request):
                    outcome.lists += 1
                    guard let reply = others[node]?.core.answer(request, from: ada.core.me) else { continue }
                    ada.feed(.compared(id, reply))
                case .compareSums(let id, let node, let request):
                    outcome.sums += 1
                    guard let reply = others[node]?.core.answer(request, from: ada.core.me) else { continue }
                    ada.feed(.comparedSums(id, reply))
                case .exchange(let id, let node, let intents):
                    outcome.exchanged[node.text, default: []].formUnion(intents.map(\.key))
                    // As from one that has nothing to add: nothing of it is confirmed, and nothing is heard to be lacking.
                    let told = intents.map { $0.telling([]) }
                    ada.feed(.exchanged(id, told: told, ExchangeReply(findings: [])))
                case .pull, .drop: break
                }
            }
        }
        outcome.unsynced = ada.core.slotsUnsynced
        outcome.ownTotals = ada.core.totals
        for (node, other) in others { outcome.totals[node.text] = other.core.totals }
        return outcome
    }

    @Test(
        "finds what lists find: what differs, what is confirmed, and who is heard",
        arguments: [(0, 0), (0.002, 0), (0.02, 0), (0.002, 0.05), (0.02, 0.5), (0.3, 0.1), (1, 0)])
    func sameAsLists(differing: Double, homes: Double) {
        for seed in UInt64(1)...6 {
            let held = Holdings(seed: seed, names: names, differing: differing, homes: homes)
            let byLists = outcome(held, groupsPerSum: .max)
            let bySums = outcome(held, groupsPerSum: 0)
            #expect(byLists.sums == 0 && bySums.sums > 0)
            #expect(bySums == byLists, "seed \(seed)")
            if differing == 0, homes == 0 { #expect(bySums.lists == 0 && bySums.unsynced == 0) }
        }
    }

    @Test("where the two do not see the same members, group by group")
    func otherRing() {
        for seed in UInt64(1)...6 {
            for differing in [0, 0.01] {
                let held = Holdings(seed: seed, names: names, differing: differing, homes: 0)
                let views = ["bob": ["ada", "bob", "cid"], "cid": ["ada", "cid", "dan"]]
                let bySums = outcome(held, groupsPerSum: 0, views: views)
                #expect(bySums == outcome(held, groupsPerSum: .max, views: views), "seed \(seed)")
                #expect(bySums.lists > 0)
            }
        }
    }

    @Test("another weight, zone or number of replicas is another ring")
    func ringDigest() {
        let plain = Subject("ada", among: names)
        var digests = [plain.core.ringDigest, Subject("ada", among: names, replicas: 3).core.ringDigest]
        for candidate in [("dan", UInt32(2), nil), ("dan", 1, "west"), ("dan", 1, ""), ("dav", 1, nil)] {
            var other = plain
            let ring = Ring(
                names.dropLast().map { Candidate(name: World.node($0)) }
                    + [Candidate(name: World.node(candidate.0), weight: candidate.1, zone: candidate.2)])
            let view = View(ring: ring, contactable: plain.core.view.contactable, doubtful: [])
            other.feed(.view(view, hear: .asOwnersChange, restarted: []))
            digests.append(other.core.ringDigest)
        }
        #expect(Set(digests).count == digests.count)
        #expect(plain.core.ringDigest == Subject("bob", among: names.reversed()).core.ringDigest)
    }

    @Test("whoever has a full disk, or is told of one, is compared with group by group")
    func fullDisk() throws {
        let held = Holdings(seed: 1, names: names, differing: 0, homes: 0)
        var ada = Subject("ada", among: names, groupsPerSum: 0)
        ada.feed(.loaded(held.summaries("ada")))
        let slots = SlotSet.all
        #expect(ada.core.sums(of: slots, with: World.node("bob")) != nil)
        let id = try #require(
            ada.effects.lazy.compactMap { effect -> Convergence.CallID? in
                if case .compareSums(let id, World.node("bob"), _) = effect { id } else { nil }
            }.first)
        ada.feed(.comparedSums(id, SumsReply(same: SlotSet.all, noRoom: SlotSet.all)))
        #expect(ada.core.sums(of: slots, with: World.node("bob")) == nil)
        #expect(ada.core.sums(of: slots, with: World.node("cid")) == nil)
    }

    private struct Asking {
        var ada: Subject
        let id: Convergence.CallID
        let ask: SumsRequest
        let reply: SumsReply
    }

    /// Ada, back from an absence, the sums that she asks bob for, and his answer, which has not come yet.
    private func asking(_ held: Holdings) throws -> Asking {
        var ada = Subject("ada", among: ["ada"], groupsPerSum: 0)
        ada.core.isJoining = true
        ada.feed(.loaded(held.summaries("ada")))
        ada.feed(.view(World.view(names, for: "ada"), hear: .everyone, restarted: []))
        ada.core.isJoining = false
        ada.feed(.tick)
        let call = ada.effects.lazy.compactMap { effect in
            if case .compareSums(let id, World.node("bob"), let ask) = effect { (id, ask) } else { nil }
        }.first
        let (id, ask) = try #require(call)
        ada.effects = []
        var bob = Subject("bob", among: names)
        bob.feed(.loaded(held.summaries("bob")))
        return Asking(ada: ada, id: id, ask: ask, reply: bob.core.answer(ask, from: World.node("ada")))
    }

    @Test("an answer about other owners than there are now clears nothing up")
    func ringChanges() throws {
        let held = Holdings(seed: 1, names: names, differing: 0, homes: 0)
        let asking = try asking(held)
        let (id, reply) = (asking.id, asking.reply)
        var ada = asking.ada
        #expect(reply.same == asking.ask.slots)
        var before = ada
        before.feed(.comparedSums(id, reply))
        #expect(before.core.totals.unconfirmed < ada.core.totals.unconfirmed)
        ada.feed(.view(World.view(names + ["eve"], for: "ada"), hear: .asOwnersChange, restarted: []))
        let unsynced = ada.core.slotsUnsynced
        let unconfirmedNow = ada.core.totals.unconfirmed
        ada.feed(.comparedSums(id, reply))
        #expect(ada.core.slotsUnsynced == unsynced && ada.core.totals.unconfirmed == unconfirmedNow)
        // It is asked again.
        let again = ada.effects.contains { effect in
            switch effect {
            case .compareSums(_, World.node("bob"), _), .compare(_, World.node("bob"), _): true
            default: false
            }
        }
        #expect(again)
    }

    @Test("what was written, or lost, after the sums were asked for is not confirmed by the answer")
    func groupChanges() throws {
        let held = Holdings(seed: 1, names: names, differing: 0, homes: 0)
        let asking = try asking(held)
        let (asked, id, reply) = (asking.ada, asking.id, asking.reply)
        let both = [World.node("ada"), World.node("bob")]
        let sets = held.sets["ada"] ?? [:]
        let old = try #require(
            sets.values.sorted { $0.name < $1.name }.first { set in
                let key = set.group(in: World.cluster)
                return asking.ask.slots.contains(key.slot) && asked.core.owners(of: key).sorted() == both
            })
        let key = old.group(in: World.cluster)
        #expect(asked.core.holders(of: key) == [World.node("ada")])
        var untouched = asked
        untouched.feed(.comparedSums(id, reply))
        #expect(untouched.core.holders(of: key) == both)

        var wrote = asked
        let new = World.version(old.name.text, by: "cid", counter: 9, time: 9000, seen: old)
        let now = sets.values.filter { $0.group(in: World.cluster) == key && $0.name != old.name }
        wrote.feed(.wrote(World.summary(now + [old.merged(with: [new])]), new))
        wrote.feed(.comparedSums(id, reply))
        #expect(wrote.core.holders(of: key) == [World.node("ada")] && !wrote.core.isSynced(key.slot))

        var lost = asked
        lost.feed(.lacking([key]))
        lost.feed(.comparedSums(id, reply))
        #expect(!lost.core.isSynced(key.slot))
    }

    @Test("an owner that lost bytes takes its word back from whoever holds them for the owners")
    func wordTakenBack() throws {
        let held = Holdings(seed: 1, names: names, differing: 0, homes: 0)
        let ring = World.ring(names)
        let set = try #require(
            (held.sets["bob"] ?? [:]).values.sorted { $0.name < $1.name }.first { set in
                let key = set.group(in: World.cluster)
                return !ring.owners(of: key.slot, home: nil, count: 2).contains(World.node("ada"))
            })
        let key = set.group(in: World.cluster)
        let both = [World.node("ada"), World.node("bob")]
        // Ada holds what bob and another own, and has bob's word.
        var ada = Subject("ada", among: names)
        let summary = try #require(held.summaries("bob").first { $0.key == key })
        ada.feed(.loaded([summary]))
        ada.confirm("bob", [summary])
        #expect(ada.core.holders(of: key) == both)
        var bob = Subject("bob", among: names, groupsPerSum: 0)
        bob.feed(.loaded(held.summaries("bob")))
        bob.feed(.lacking([key]))
        // Whatever bob asks ada, at once or when that fails, tells her.
        for _ in 0..<4 {
            for effect in bob.effects {
                switch effect {
                case .compare(let id, World.node("ada"), let ask):
                    bob.feed(.compared(id, ada.core.answer(ask, from: World.node("bob"))))
                case .compareSums(let id, World.node("ada"), let ask):
                    bob.feed(.comparedSums(id, ada.core.answer(ask, from: World.node("bob"))))
                default: break
                }
            }
            bob.feed(.tick, after: .seconds(1))
        }
        #expect(ada.core.holders(of: key) == [World.node("ada")])
    }

    @Test("a call that fails is asked again, and what an agent of before does not know, by lists")
    func failures() throws {
        let held = Holdings(seed: 1, names: names, differing: 0, homes: 0)
        var ada = Subject("ada", among: ["ada", "bob"], groupsPerSum: 0)
        ada.feed(.loaded(held.summaries("ada")))
        func sums() -> [(Convergence.CallID, SumsRequest)] {
            ada.effects.compactMap { if case .compareSums(let id, _, let ask) = $0 { (id, ask) } else { nil } }
        }
        let (first, asked) = try #require(sums().first)
        ada.effects = []
        ada.feed(.failed(first))
        ada.feed(.tick, after: .seconds(10))
        let (second, again) = try #require(sums().first)
        #expect(again == asked)
        ada.effects = []
        ada.feed(.comparedSums(second, SumsReply()))
        #expect(sums().isEmpty)
        let lists = ada.effects.compactMap { if case .compare(_, _, let ask) = $0 { ask } else { nil } }
        #expect(lists.first?.slots == asked.slots)
    }
}
