import Placement
import Resources
import Testing
import Vocabulary

@testable import Relocation

/// What differs is exchanged once, and again only when there is something to be gained by it.
@Suite struct ExchangeTests {
    private let names = ["ada", "bob", "cid"]
    private let held: VersionSet
    private let summary: GroupSummary

    init() throws {
        held = VersionSet(World.version(World.nameOwned(by: ["ada", "bob"], among: names), by: "ada"))
        summary = try #require(World.summary([held]).first)
    }

    private func owner() -> Subject {
        var subject = Subject("ada", among: names)
        subject.feed(.stored([summary]))
        return subject
    }

    /// Answers each comparison with bob as one who holds these sets.
    private func compare(_ subject: inout Subject, holding sets: [VersionSet] = []) {
        let groups = World.summary(sets).map { GroupStatus(key: $0.key, digest: $0.digest, owner: true) }
        while let id = subject.takeCompare(with: "bob") { subject.feed(.compared(id, CompareReply(groups: groups))) }
    }

    /// Answers the exchange that is asked for, if there is one, as one who holds these sets.
    private func exchange(_ subject: inout Subject, holding sets: [VersionSet] = [], full: Bool = false) -> Bool {
        guard case .exchange(let id, _, let intents)? = subject.effects.first(where: Self.isExchange) else {
            return false
        }
        subject.effects.removeAll(where: Self.isExchange)
        let told = intents.map { intent in
            ExchangeGroup(key: intent.key, sets: subject.core.groups[intent.key] == nil ? [] : [held], copies: 1)
        }
        let findings = told.map { ExchangeFinding(asked: $0, mine: sets, owner: true, copies: 1) }
        subject.feed(.exchanged(id, told: told, ExchangeReply(full: full, findings: findings)))
        return true
    }

    private static func isExchange(_ effect: Convergence.Effect) -> Bool {
        if case .exchange = effect { true } else { false }
    }

    /// Looks again and again for a while.
    private func exchanges(_ subject: inout Subject, for length: Duration, full: Bool = false) -> Int {
        var count = 0
        let end = subject.now + length
        while subject.core.deadline < end {
            subject.feed(.tick, after: max(.milliseconds(1), subject.core.deadline - subject.now))
            compare(&subject)
            if exchange(&subject, full: full) { count += 1 }
        }
        return count
    }

    @Test("who was told what it lacks is not told again while it fetches that, but for once in half a minute")
    func once() {
        var subject = owner()
        compare(&subject)
        #expect(exchange(&subject))
        let length = subject.core.settings.recheckMax
        #expect(exchanges(&subject, for: length - .seconds(1)) == 0)
        let later = exchanges(&subject, for: length * 3)
        #expect(later >= 1 && later <= 3, "\(later)")
    }

    @Test("what has changed here, or there, is told at the next look")
    func changes() throws {
        var subject = owner()
        compare(&subject)
        #expect(exchange(&subject))
        let newer = World.version(held.name.text, by: "ada", counter: 2, time: 2000, seen: held)
        subject.feed(.stored(World.summary([held.merged(with: [newer])])))
        compare(&subject)
        #expect(exchange(&subject))
        let theirs = VersionSet(World.version(held.name.text, by: "bob", counter: 9, time: 500))
        subject.feed(.tick, after: subject.core.settings.recheckMax / 2)
        compare(&subject, holding: [theirs])
        #expect(exchange(&subject, holding: [theirs]))
    }

    @Test("who has no room to queue what it is told is told again soon")
    func full() {
        var subject = owner()
        compare(&subject)
        #expect(exchange(&subject, full: true))
        #expect(exchanges(&subject, for: .seconds(20), full: true) >= 3)
    }

    @Test("what could not be pulled is asked for again")
    func failedPull() throws {
        var subject = Subject("ada", among: names)
        subject.feed(
            .view(World.view(names, for: "ada"), hear: .these([World.node("bob")]), restarted: []))
        compare(&subject, holding: [held])
        #expect(exchange(&subject, holding: [held]))
        let version = held.head
        #expect(subject.effects.contains { if case .pull(version, _) = $0 { true } else { false } })
        // While it is on its way, there is nothing to ask for.
        subject.feed(.tick, after: .seconds(2))
        compare(&subject, holding: [held])
        #expect(!exchange(&subject, holding: [held]))
        subject.feed(.pulled(version, .unavailable))
        subject.feed(.tick, after: .seconds(10))
        compare(&subject, holding: [held])
        #expect(exchange(&subject, holding: [held]))
        #expect(!subject.core.isSynced(summary.key.slot))
    }

    @Test("a node on its way in, or with a full queue, says that it is to be told again")
    func saysThatItIsFull() {
        let ask = ExchangeRequest(groups: [ExchangeGroup(key: summary.key, sets: [held], copies: 1)])
        var subject = Subject("bob", among: names)
        #expect(
            subject.core.answer(
                ask, from: World.node("ada"), mine: [], before: subject.core.kept(of: ask, for: World.node("ada"))
            ).full == false)
        subject.core.isJoining = true
        #expect(
            subject.core.answer(
                ask, from: World.node("ada"), mine: [], before: subject.core.kept(of: ask, for: World.node("ada"))
            ).full == true)
    }
}
