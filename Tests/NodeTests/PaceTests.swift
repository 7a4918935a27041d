import Node
import SWIM
import Testing
import Vocabulary

@Suite("Whether the driver keeps up with the machine")
struct PaceTests {
    @Test("one that is woken when it asks to be keeps pace; one that nobody wakes does not")
    func pace() throws {
        var machine = NodeMachine(
            NodeMachine.Identity(
                name: try NodeName("ada"), cluster: try ClusterName("crane"), epoch: 1,
                endpoint: try Endpoint(host: "10.0.0.1", port: 7667), metadata: .standard),
            settings: NodeMachine.Settings(), at: .zero)
        var rng = SeededGenerator(seed: 1)
        let bob = Claim(
            name: try NodeName("bob"), endpoint: try Endpoint(host: "10.0.0.2", port: 7667), epoch: 1,
            incarnation: .zero, status: .alive, metadata: .standard)
        func feed(_ input: NodeMachine.Input, at now: Instant) {
            var effects: [NodeMachine.Effect] = []
            machine.handle(input, at: now, using: &rng, into: &effects)
        }
        #expect(machine.keepsPace(at: .zero), "there is nobody to probe")
        feed(.lifecycle(.joined([bob], from: bob.name, Absences())), at: .zero)
        for _ in 0..<200 {
            #expect(machine.keepsPace(at: machine.deadline))
            feed(.tick, at: machine.deadline)
        }
        #expect(!machine.keepsPace(at: machine.deadline + .seconds(60)))
        feed(.tick, at: machine.deadline + .seconds(60))
        #expect(machine.keepsPace(at: machine.deadline))
        // Who leaves probes nobody any more.
        feed(.lifecycle(.leave), at: machine.deadline)
        #expect(machine.keepsPace(at: machine.deadline))
    }
}
