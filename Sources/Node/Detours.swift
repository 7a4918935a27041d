import Vocabulary

/// Which members passed a query on lately instead of answering it: they are not in step, or not yet, and whoever asks
/// them first costs its client a hop more. A member that fills an emptied disk does so with every name that it does not
/// hold yet.
///
/// It decides between equals only: which of several owners at the same distance is asked first. All of them are asked
/// before anything is concluded, whatever is remembered here.
struct Detours: Sendable {
    /// So long a member counts as one that passes queries on. At half, twice as many queries try it in vain; at double, it
    /// is spared for longer after it has come into step.
    static let memory = Duration.seconds(5)

    private var passedOn: [NodeName: Instant] = [:]

    mutating func note(_ node: NodeName, at now: Instant) { passedOn[node] = now }

    func isLikely(by node: NodeName, at now: Instant) -> Bool {
        passedOn[node].map { now - $0 < Self.memory } ?? false
    }

    /// Who is no member any more has no record either: the table is bounded as the members are.
    mutating func keep(where isMember: (NodeName) -> Bool) { passedOn = passedOn.filter { isMember($0.key) } }
}
