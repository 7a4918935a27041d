import Node
import SWIM
import Testing
import Vocabulary

@Suite("How long an answer is waited for")
struct TrustTests {
    /// A node that has been told this of bob.
    private func machine(_ status: Status?) throws -> NodeMachine {
        var machine = NodeMachine(
            NodeMachine.Identity(
                name: try NodeName("ada"), cluster: try ClusterName("crane"), epoch: 1,
                endpoint: try Endpoint(host: "10.0.0.1", port: 7667), metadata: .standard),
            settings: NodeMachine.Settings(), at: .zero)
        guard let status else { return machine }
        var rng = SeededGenerator(seed: 1)
        var effects: [NodeMachine.Effect] = []
        let claim = Claim(
            name: try NodeName("bob"), endpoint: try Endpoint(host: "10.0.0.2", port: 7667), epoch: 1,
            incarnation: .zero, status: status, metadata: .standard)
        machine.handle(
            .lifecycle(.joined([claim], from: try NodeName("carl"), Absences())), at: .zero, using: &rng, into: &effects
        )
        return machine
    }

    @Test("a question until the member is less trusted than when it was asked, a write that was begun until it is gone")
    func table() throws {
        let bob = try NodeName("bob")
        // status, trust, question asked of a trusted one, of a suspect, write begun
        let table: [(Status?, Trust, Bool, Bool, Bool)] = [
            (.alive, .trusted, false, false, false), (.restarting, .trusted, false, false, false),
            (.draining, .trusted, false, false, false), (.suspect, .doubted, true, false, false),
            (.crashed, .gone, true, true, true), (.left, .gone, true, true, true), (nil, .gone, true, true, true),
        ]
        for (status, trust, trusted, suspect, begun) in table {
            let machine = try machine(status)
            let what = "\(status?.rawValue ?? "a stranger")"
            #expect(machine.trust(in: bob) == trust, "\(what)")
            #expect(machine.isLost(bob, since: .trusted, isCommitted: false) == trusted, "\(what)")
            #expect(machine.isLost(bob, since: .doubted, isCommitted: false) == suspect, "\(what)")
            #expect(machine.isLost(bob, since: .trusted, isCommitted: true) == begun, "\(what)")
        }
    }
}
