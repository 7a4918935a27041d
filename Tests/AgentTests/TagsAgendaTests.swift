import Testing
import Vocabulary

@testable import Agent

@Suite("Which tags are fetched when, and of whom")
struct TagsAgendaTests {
    private let digest: TagsDigest
    private let (owner, other): (NodeName, NodeName)

    init() throws {
        digest = try #require(TagsDigest(bytes: 0...15))
        (owner, other) = (try NodeName("owner"), try NodeName("other"))
    }

    private func digest(_ number: UInt16) throws -> TagsDigest {
        let bytes = [UInt8](repeating: 0, count: 14) + [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)]
        return try #require(TagsDigest(bytes: bytes))
    }

    @Test("in a small cluster the member itself is asked first, and others when it does not answer")
    func small() {
        var agenda = TagsAgenda()
        var rng = SeededGenerator(seed: 1)
        agenda.update([digest: [owner]], tellers: [digest: other], members: 3, at: .zero, using: &rng)
        var asked: [NodeName] = []
        while asked.count < 6, let next = agenda.next {
            let questions = agenda.questions(connected: [owner, other], members: 3, at: next, using: &rng)
            asked += questions.map(\.node)
            #expect(questions.allSatisfy { $0.digests == [digest] })
        }
        #expect(asked == [owner, other, owner, other, owner, other])
        #expect(agenda.came(digest, at: .zero) == [owner])
        #expect(agenda.next == nil)
    }

    @Test(
        "a member that never delivers is asked some hundred times a day, and no more once it has gone", arguments: 1...5
    )
    func neverDelivered(seed: UInt64) {
        var agenda = TagsAgenda()
        var rng = SeededGenerator(seed: seed)
        agenda.update([digest: [owner]], tellers: [:], members: 3, at: .zero, using: &rng)
        var count = 0
        while let next = agenda.next, next < .zero + .seconds(24 * 3600) {
            count += agenda.questions(connected: [other], members: 3, at: next, using: &rng).count
        }
        #expect((100...400).contains(count), "\(count)")
        agenda.update([:], tellers: [:], members: 3, at: .zero, using: &rng)
        #expect(agenda.next == nil)
    }

    @Test("one that changes its tags all the time is followed every five seconds")
    func restless() throws {
        var agenda = TagsAgenda()
        var rng = SeededGenerator(seed: 2)
        var now = Instant.zero
        var count = 0
        for number in 0..<600 as Range<UInt16> {
            // A change each tenth of a second, for a minute.
            now = now + .milliseconds(50)
            agenda.update([try digest(number): [owner]], tellers: [:], members: 3, at: now, using: &rng)
            now = now + .milliseconds(50)
            for question in agenda.questions(connected: [], members: 3, at: now, using: &rng) {
                count += 1
                for digest in question.digests { _ = agenda.came(digest, at: now) }
            }
        }
        #expect((1...13).contains(count), "\(count)")
    }

    @Test("a newcomer asks the one that told it of all, in batches, a few calls at a time")
    func newcomer() throws {
        var agenda = TagsAgenda()
        var rng = SeededGenerator(seed: 3)
        var missing: [TagsDigest: [NodeName]] = [:]
        var tellers: [TagsDigest: NodeName] = [:]
        for number in 0..<3_000 as Range<UInt16> {
            missing[try digest(number)] = [try NodeName("n\(number)")]
            tellers[try digest(number)] = other
        }
        agenda.update(missing, tellers: tellers, members: 3_000, at: .zero, using: &rng)
        let late = Instant.zero + .seconds(3)
        let first = agenda.questions(connected: [other], members: 3_000, at: late, using: &rng)
        #expect(first.map(\.node) == [other])
        #expect(first.map(\.digests.count) == [TagsBook.wantedMax])
        // Nothing of it comes: then each member is asked itself, and never more than so many at once.
        for second in 4..<60 {
            let questions = agenda.questions(
                connected: [], members: 3_000, at: .zero + .seconds(second), using: &rng)
            #expect(questions.count <= TagsAgenda.questionsMax)
            #expect(questions.allSatisfy { $0.digests.count <= TagsBook.wantedMax })
        }
    }

    @Test("in a cluster of 1,000 the word goes round in seconds, and the member is not asked by all of them")
    func rumour() {
        var rng = SeededGenerator(seed: 4)
        let count = 1_000
        let names = (0..<count).compactMap { try? NodeName("n\($0)") }
        let numbers = Dictionary(uniqueKeysWithValues: zip(names, 0..<count))
        var agendas = (0..<count).map { _ in TagsAgenda() }
        for number in 1..<count {
            let teller = names[Int.random(in: 0..<count, using: &rng)]
            agendas[number].update(
                [digest: [names[0]]], tellers: [digest: teller], members: count, at: .zero, using: &rng)
        }
        var knows = [true] + [Bool](repeating: false, count: count - 1)
        var askedOfOwner = 0
        var asked = 0
        var now = Instant.zero
        while knows.contains(false), now < .zero + .seconds(120) {
            now = now + .milliseconds(100)
            let before = knows
            for number in 1..<count where !knows[number] {
                let connected = (0..<32).map { _ in names[Int.random(in: 0..<count, using: &rng)] }
                for question in agendas[number].questions(
                    connected: connected, members: count, at: now, using: &rng)
                {
                    asked += 1
                    guard let node = numbers[question.node] else { continue }
                    if node == 0 { askedOfOwner += 1 }
                    guard before[node] else { continue }
                    knows[number] = true
                    _ = agendas[number].came(digest, at: now)
                }
            }
        }
        #expect(!knows.contains(false))
        #expect(now < .zero + .seconds(30), "\(now)")
        #expect(askedOfOwner < 300, "\(askedOfOwner)")
        #expect(asked < 12 * count, "\(asked)")
    }
}
