import Client
import NIOConcurrencyHelpers
import Node
import SWIM
import Testing
import Vocabulary

@testable import Agent

@Suite("Waiting for a node that falls silent", .timeLimit(.minutes(2)))
struct LossTests {
    let bed: TestBed

    init() throws { bed = try TestBed() }

    private func pair() async throws -> (asker: TestAgent, other: TestAgent) {
        let asker = try await TestAgent.start(bed, "a")
        let other = try await TestAgent.start(bed, "b", join: [asker.endpoint])
        #expect(await eventually(30) { asker.sees(other) && other.sees(asker) })
        return (asker, other)
    }

    /// What the other is taken for when the wait for it ends. Nothing ever answers.
    private func end(_ asker: TestAgent, _ other: NodeName, isCommitted: Bool) async throws -> Status? {
        await #expect(throws: PeerCallError.self) {
            try await asker.core.driver.whileThere(other, isCommitted: { isCommitted }) {
                try await Task.sleep(for: .seconds(50))
            }
        }
        return asker.core.driver.read { $0.membership.member(other)?.status }
    }

    @Test("a question goes elsewhere as soon as the node is suspected; a write that it began when it is gone")
    func lost() async throws {
        let (asker, other) = try await pair()
        async let question = end(asker, other.name, isCommitted: false)
        async let write = end(asker, other.name, isCommitted: true)
        #expect(await eventually { lookouts(of: asker) == 2 })
        await other.stop()
        #expect(try await question == .suspect)
        #expect(try await end(asker, other.name, isCommitted: false) == .crashed, "it was suspected when it was asked")
        #expect(try await write == .crashed)
        #expect(try await end(asker, other.name, isCommitted: false) == .crashed, "it was gone when it was asked")
        #expect(lookouts(of: asker) == 0)
        await asker.stop()
    }

    @Test("an answer, an error and a caller that goes away end the wait, and nothing of it stays")
    func ended() async throws {
        let (asker, other) = try await pair()
        let driver = asker.core.driver
        #expect(try await driver.whileThere(other.name) { 7 } == 7)
        await #expect(throws: PeersError.self) { try await driver.whileThere(other.name) { throw PeersError.closed } }
        let name = other.name
        let caller = Task {
            try await driver.whileThere(name) { try await Task.sleep(for: .seconds(100)) }
        }
        #expect(await eventually { lookouts(of: asker) == 1 })
        caller.cancel()
        await #expect(throws: CancellationError.self) { try await caller.value }
        #expect(lookouts(of: asker) == 0)

        // Nor does it outlive the agent, whose end says nothing of the other.
        let last = Task {
            do { try await driver.whileThere(name) { try await Task.sleep(for: .seconds(100)) } } catch {
                return "\(error)"
            }
            return "answered"
        }
        #expect(await eventually { lookouts(of: asker) == 1 })
        await asker.stop()
        #expect(await last.value == "this node is stopping")
        await other.stop()
    }

    private func lookouts(of agent: TestAgent) -> Int { agent.core.driver.state.withLockedValue { $0.lookouts.count } }
}
