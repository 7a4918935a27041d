import Node
import Relocation
import Vocabulary

extension NodeMachine {
    /// Feeds an input and answers every comparison with "nothing", until there is none left.
    mutating func drain(
        _ input: Input, at now: Instant, using rng: inout some RandomNumberGenerator
    ) {
        var inputs = [input]
        while !inputs.isEmpty {
            var effects: [Effect] = []
            handle(inputs.removeFirst(), at: now, using: &rng, into: &effects)
            for case .convergence(.compare(let id, _, _)) in effects {
                inputs.append(.convergence(.compared(id, CompareReply(groups: []))))
            }
        }
    }
}
