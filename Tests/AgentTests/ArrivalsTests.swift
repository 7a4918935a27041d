import Testing
import Vocabulary

@testable import Agent

@Suite("Who comes while a node is on its way in", .timeLimit(.minutes(1)))
struct ArrivalsTests {
    private func name(_ text: String) throws -> NodeName { try NodeName(text) }

    @Test("news that came before anybody waited ends the next wait at once, and only that one")
    func kept() async throws {
        let arrivals = Arrivals()
        arrivals.heard(try name("simba"), isJoining: true, remembering: [])
        let start = ContinuousClock.now
        await arrivals.wait(atMost: .seconds(30))
        #expect(ContinuousClock.now - start < .seconds(10))
        // The same once more is no news.
        arrivals.heard(try name("simba"), isJoining: true, remembering: [])
        let second = ContinuousClock.now
        await arrivals.wait(atMost: .milliseconds(300))
        #expect(ContinuousClock.now - second >= .milliseconds(300))
    }

    @Test("who waits is woken by the next that comes, and by being cancelled")
    func woken() async throws {
        let arrivals = Arrivals()
        let waiting = Task { await arrivals.wait(atMost: .seconds(30)) }
        arrivals.heard(try name("simba"), isJoining: false, remembering: [])
        await waiting.value
        let cancelled = Task { await arrivals.wait(atMost: .seconds(30)) }
        cancelled.cancel()
        await cancelled.value
    }

    @Test("a joiner that has got in is none any more, and whom joiners remember is bounded and can be forgotten")
    func remembered() throws {
        let arrivals = Arrivals()
        let many = try (0..<1_000).map { try name("n\($0)") }
        arrivals.heard(try name("simba"), isJoining: true, remembering: many)
        arrivals.heard(try name("chui"), isJoining: true, remembering: [try name("mkango")])
        #expect(arrivals.remembered.count == SavedMembers.unmetMax + 1)
        #expect(try arrivals.joiners[name("chui")] == [name("mkango")])
        arrivals.forget(try name("mkango"))
        #expect(try !arrivals.remembered.contains(name("mkango")))
        #expect(try arrivals.joiners[name("chui")] == [])
        arrivals.heard(try name("chui"), isJoining: false, remembering: [])
        #expect(try arrivals.joiners.keys.sorted() == [name("simba")])
        #expect(try arrivals.inside == [name("chui")])
    }
}
