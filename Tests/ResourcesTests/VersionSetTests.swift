import Resources
import Testing
import Vocabulary

@Suite("VersionSet: the laws of merge, over random causal histories")
struct VersionSetLawTests {
    static let seeds = UInt64(0)..<600

    @Test("merge is commutative and idempotent, and a set has all that it was merged with")
    func commutative() throws {
        for seed in Self.seeds {
            var history = try History(seed: seed)
            try history.run(steps: 30)
            guard let a = history.part(), let b = history.part() else { continue }
            let both = a.merged(with: b.versions)
            #expect(both == b.merged(with: a.versions), "seed \(seed)")
            #expect(a.merged(with: a.versions) == a, "seed \(seed)")
            #expect(both.merged(with: a.versions) == both, "seed \(seed)")
            #expect(both.dominates(a) && both.dominates(b), "seed \(seed)")
        }
    }

    @Test(
        "very many versions of one name, as a peer with a defect may send them, cost no more than sorting",
        .timeLimit(.minutes(1)))
    func veryMany() throws {
        // Compared each with each, they would take many minutes.
        let name = try ResourceName("zebra")
        let node = try NodeName("simba")
        let versions = (1...200_000).map { number in
            Version(
                name: name, dot: Dot(node: node, epoch: 1, counter: UInt64(number)), context: CausalContext(),
                time: HybridTime(raw: UInt64(number)), content: .tombstone, home: nil)
        }
        let set = try #require(VersionSet(versions))
        #expect(set.versions == Array(versions.suffix(VersionSet.versionCountMax).reversed()))
        #expect(VersionSet(versions[0]).merged(with: versions) == set)
    }

    @Test("merge is associative while no history is cut, and without deletes always")
    func associative() throws {
        var cut = 0
        for seed in Self.seeds {
            let deletes = seed % 2 == 0
            var history = try History(seed: seed)
            try history.run(steps: deletes ? 10 : 40, deletes: deletes)
            if deletes { history.versions = Array(history.versions.prefix(VersionSet.versionCountMax)) }
            guard let a = history.part(), let b = history.part(), let c = history.part() else { continue }
            let left = a.merged(with: b.versions).merged(with: c.versions)
            let right = a.merged(with: b.merged(with: c.versions).versions)
            #expect(left == right, "seed \(seed)")
            cut += history.versions.count > VersionSet.versionCountMax ? 1 : 0
        }
        #expect(cut > 200, "most of the histories without deletes are longer than what is kept")
    }

    @Test("the head of a merge is the greatest of all that was merged, in any order, deletes and cuts included")
    func head() throws {
        for seed in Self.seeds {
            var history = try History(seed: seed)
            try history.run(steps: 60)
            guard let greatest = history.versions.max(by: Version.precedes) else { continue }
            for _ in 0..<3 {
                let order = history.versions.shuffled(using: &history.rng)
                var set = VersionSet(order[0])
                for version in order.dropFirst() {
                    let before = set.head
                    set = set.merged(with: [version])
                    #expect(
                        set.head == before || Version.precedes(before, set.head), "seed \(seed): the head went back")
                }
                #expect(set.head == greatest, "seed \(seed)")
                #expect(set.versions.count <= VersionSet.versionCountMax)
            }
        }
    }

    @Test("members that exchange what they hold, in any order, end with one and the same set")
    func convergence() throws {
        for seed in Self.seeds {
            var history = try History(seed: seed)
            try history.run(steps: 60)
            var sets = history.writers.map(\.set)
            let pairs = sets.indices.flatMap { a in sets.indices.map { (a, $0) } }.filter { $0.0 < $0.1 }
            for _ in 0..<6 {
                for (a, b) in pairs.shuffled(using: &history.rng) {
                    guard let union = sets[a] ?? sets[b] else { continue }
                    let merged = union.merged(with: sets[b]?.versions ?? [])
                    sets[a] = merged
                    sets[b] = merged
                }
            }
            #expect(Set(sets.map { $0?.versions }).count <= 1, "seed \(seed)")
        }
    }

    @Test("lacking names exactly what a merge would add")
    func lacking() throws {
        for seed in Self.seeds {
            var history = try History(seed: seed)
            try history.run(steps: 30)
            guard let mine = history.part(), let theirs = history.part() else { continue }
            let lacking = VersionSet.lacking(mine, offered: theirs)
            #expect(mine.merged(with: lacking) == mine.merged(with: theirs.versions), "seed \(seed)")
            #expect(mine.dominates(theirs) == lacking.isEmpty)
            #expect(VersionSet.lacking(nil, offered: theirs) == theirs.versions)
        }
    }

    @Test("of two writes that have not seen each other the lesser has the greater as its rival, and no other has one")
    func rivals() throws {
        var pairs = 0
        for seed in Self.seeds {
            var history = try History(seed: seed)
            try history.run(steps: 12, deletes: false)
            for a in history.versions {
                for b in history.versions where Version.precedes(a, b) {
                    let both = VersionSet(a).merged(with: [b])
                    #expect(both.rival(of: b) == nil)
                    let isApart = !b.context.covers(a.dot) && !a.context.covers(b.dot)
                    #expect(both.concurrent(with: b) == (isApart ? a : nil), "seed \(seed)")
                    #expect(both.concurrent(with: a) == (isApart ? b : nil), "seed \(seed)")
                    #expect(both.rival(of: a) == (b.context.covers(a.dot) ? nil : b), "seed \(seed)")
                    pairs += b.context.covers(a.dot) ? 0 : 1
                }
            }
        }
        #expect(pairs > 1_000)
    }

    @Test("a version's time exceeds that of every version that its writer had seen, whatever the clocks")
    func timeFollowsCausality() throws {
        for seed in Self.seeds {
            var history = try History(seed: seed)
            try history.run(steps: 40)
            let byDot = Dictionary(uniqueKeysWithValues: history.versions.map { ($0.dot, $0) })
            for version in history.versions {
                for dot in history.truth[version.dot] ?? [] {
                    guard let seen = byDot[dot] else { continue }
                    #expect(seen.time < version.time, "seed \(seed)")
                }
            }
        }
    }

    @Test("a context covers a write only if its writer truly had seen it: also after wiped disks and clocks set back")
    func contextsAreTrue() throws {
        var unseen = 0
        for seed in Self.seeds {
            var history = try History(seed: seed)
            try history.run(steps: 60)
            for version in history.versions {
                let seen = history.truth[version.dot] ?? []
                for other in history.versions where other.dot != version.dot && version.context.covers(other.dot) {
                    #expect(seen.contains(other.dot), "seed \(seed): \(version.dot) had not seen \(other.dot)")
                }
                unseen += history.versions.count - seen.count
            }
        }
        #expect(unseen > 10_000)
    }

    @Test("a summary that counts sets in and out again is what it was, and its digest does not depend on the order")
    func summary() throws {
        let cluster = try ClusterName("crane")
        for seed in Self.seeds.prefix(200) {
            var history = try History(seed: seed)
            try history.run(steps: 30)
            guard let a = history.part(), let b = history.part() else { continue }
            var summary = GroupSummary(key: a.group(in: cluster))
            let empty = summary
            summary.add(a)
            let one = summary
            summary.add(b)
            let two = summary
            summary.remove(a)
            summary.add(a)
            #expect(summary == two)
            summary.remove(b)
            #expect(summary == one)
            #expect(!summary.isEmpty)
            summary.remove(a)
            #expect(summary == empty)
            #expect(summary.isEmpty)
            var other = GroupSummary(key: a.group(in: cluster))
            other.add(b)
            other.add(a)
            #expect(other == two)
            #expect(one.bytes == a.versions.reduce(0) { $0 + $1.size })
            #expect(one.resources == (a.live == nil ? 0 : 1))
        }
    }
}
