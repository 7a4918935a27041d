import Node
import SWIM
import Vocabulary

/// One question to everybody: this node and every member that can be called, eight at a time.
struct Survey<Answer: Sendable>: Sendable {
    /// Sorted by name.
    let answers: [(node: NodeName, answer: Answer)]
    /// Members that have not left and gave no answer.
    let unreachable: [NodeName]

    init(_ core: AgentCore, _ ask: @escaping @Sendable (NodeName) async throws -> Answer) async {
        let members = core.driver.read { machine in
            machine.membership.members.filter { $0.status != .left && $0.name != core.name }
        }
        var waiting = [core.name] + members.filter { !$0.status.isDeparted }.map(\.name)
        var unreachable = members.filter(\.status.isDeparted).map(\.name)
        var answers: [(node: NodeName, answer: Answer)] = []
        await withTaskGroup(of: (NodeName, Answer?).self) { group in
            var running = 0
            while running > 0 || !waiting.isEmpty {
                while running < 8, !waiting.isEmpty {
                    let node = waiting.removeFirst()
                    running += 1
                    group.addTask { (node, try? await ask(node)) }
                }
                guard let (node, answer) = await group.next() else { break }
                running -= 1
                if let answer { answers.append((node, answer)) } else { unreachable.append(node) }
            }
        }
        self.answers = answers.sorted { $0.node < $1.node }
        self.unreachable = unreachable.sorted()
    }
}
