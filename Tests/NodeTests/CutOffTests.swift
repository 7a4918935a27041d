import Node
import Relocation
import Resources
import SWIM
import Testing
import Vocabulary

@Suite("A node that was cut off and does not know whether it was missed")
struct CutOffTests {
    private struct World {
        var machine: NodeMachine
        var rng = SeededGenerator(seed: 1)
        /// Grows, so that whatever bob was suspected of meanwhile is refuted.
        var incarnation = Incarnation.zero
        var bob: Claim {
            get throws {
                Claim(
                    name: try NodeName("bob"), endpoint: try Endpoint(host: "10.0.0.2", port: 7667), epoch: 1,
                    incarnation: incarnation, status: .alive, metadata: .standard)
            }
        }

        init() throws {
            machine = NodeMachine(
                NodeMachine.Identity(
                    name: try NodeName("ada"), cluster: try ClusterName("crane"), epoch: 1,
                    endpoint: try Endpoint(host: "10.0.0.1", port: 7667), metadata: .standard),
                settings: NodeMachine.Settings(), at: .zero)
        }

        /// Feeds an input; whoever is compared with holds nothing.
        mutating func feed(_ input: NodeMachine.Input, at now: Instant) {
            machine.drain(input, at: now, using: &rng)
        }

        /// Lets time pass with the clock looked at as always, then a datagram of bob's comes in.
        ///
        /// - Returns: how many slots it does not answer for then, before it has heard anybody.
        mutating func hearBob(after silence: Duration, _ now: inout Instant) throws -> Int {
            let end = now + silence
            while machine.deadline < end { feed(.tick, at: max(now, machine.deadline)) }
            now = end
            incarnation = incarnation.next
            let bob = try bob
            let packet = Packet(from: bob.name, message: .gossip, claims: [bob])
            var effects: [NodeMachine.Effect] = []
            machine.handle(
                .membership(.packet(packet, from: bob.endpoint)), at: end, using: &rng, into: &effects)
            let unsynced = machine.convergence.slotsUnsynced
            for case .convergence(.compare(let id, _, _)) in effects {
                feed(.convergence(.compared(id, CompareReply(groups: []))), at: end)
            }
            return unsynced
        }
    }

    @Test(
        "after the silence that others condemn by it hears them before it answers; after a shorter one it just goes on")
    func silence() throws {
        var world = try World()
        var now = Instant.zero
        let bob = try world.bob
        world.feed(.lifecycle(.joined([bob], from: bob.name, Absences())), at: now)
        let limit = world.machine.membership.suspicionTimeout
        for _ in 0..<4 { _ = try world.hearBob(after: .seconds(1), &now) }
        #expect(world.machine.convergence.slotsUnsynced == 0)
        #expect(try world.hearBob(after: limit - .milliseconds(100), &now) == 0)
        #expect(try world.hearBob(after: limit + .milliseconds(100), &now) == Slot.count)
        #expect(world.machine.convergence.slotsUnsynced == 0, "bob has told what there is")
    }

    @Test("as long as it hears nobody it judges no write by its own copies alone, however a request got through to it")
    func judging() throws {
        var world = try World()
        var now = Instant.zero
        let bob = try world.bob
        world.feed(.lifecycle(.joined([bob], from: bob.name, Absences())), at: now)
        for _ in 0..<4 { _ = try world.hearBob(after: .seconds(1), &now) }
        let name = try ResourceName("counter")
        let dot = Dot(node: world.machine.identity.name, epoch: 1, counter: 1)
        let set = VersionSet(
            Version(
                name: name, dot: dot, context: CausalContext(), time: HybridTime(raw: 1), content: .tombstone, home: nil
            ))
        var summary = GroupSummary(key: set.group(in: world.machine.identity.cluster))
        summary.add(set)
        world.feed(.convergence(.loaded([summary])), at: now)
        let limit = world.machine.membership.suspicionTimeout
        func judges(after silence: Duration) -> Bool {
            while world.machine.deadline < now + silence { world.feed(.tick, at: max(now, world.machine.deadline)) }
            return world.machine.judgesAlone(name, held: set, at: now + silence)
        }
        let before = judges(after: limit - .milliseconds(1))
        #expect(before)
        let after = judges(after: limit + .milliseconds(1))
        #expect(!after)
    }
}
