import Resources
import Vocabulary

/// One write on its way to the copies that law 1 asks for: which nodes to offer it to, and when it may be
/// acknowledged. The writer's own copy is durable before this begins.
public struct WriteTracker: Sendable {
    public let version: Version
    /// How many distinct nodes must hold the version.
    public let wanted: Int
    /// Those that do, the writer first.
    public private(set) var copies: [NodeName]
    private var candidates: [NodeName]
    private var asked: [NodeName] = []
    /// Owners of the group that the name leaves by this write. They hold its older head and vouch for it until they know
    /// (law 6), so the write is not acknowledged before each of them has answered, or could not.
    private var uninformed: [NodeName]
    private var informing: [NodeName] = []

    /// - Parameters:
    ///   - owners: the present owners of the version's group, in rank order.
    ///   - ranked: every eligible member in the slot's rank order; those after the owners stand in for owners that
    ///     do not answer, and hand over later by the one rule.
    ///   - former: the owners of the group that the name was in before, when that is another.
    public init(
        me: NodeName, owners: [NodeName], ranked: [NodeName], former: [NodeName] = [], view: View, version: Version
    ) {
        self.version = version
        wanted = max(1, owners.count)
        copies = [me]
        let order = owners + ranked.filter { !owners.contains($0) }
        let callable = order.filter { $0 != me && view.canCall($0) }
        uninformed = former.filter { $0 != me && !owners.contains($0) && view.canCall($0) }
        let others = callable.filter { [uninformed] in !uninformed.contains($0) }
        candidates = others.filter { !view.doubts($0) } + others.filter { view.doubts($0) }
    }

    /// The nodes to offer the version to now: as many as copies are still wanted.
    public mutating func nextOffers() -> [NodeName] {
        let news = uninformed
        informing += news
        uninformed = []
        let missing = wanted - copies.count - asked.count
        guard missing > 0 else { return news }
        let next = Array(candidates.prefix(missing))
        candidates.removeFirst(next.count)
        asked += next
        return next + news
    }

    /// An offer was answered: durable there, or not.
    public mutating func answered(by node: NodeName, durable: Bool) {
        if let index = informing.firstIndex(of: node) {
            // It hands its copy over when the owners have theirs: until then it is one.
            informing.remove(at: index)
            if durable { copies.append(node) }
            return
        }
        guard let index = asked.firstIndex(of: node) else { return }
        asked.remove(at: index)
        if durable { copies.append(node) }
    }

    /// Enough copies, or nobody left to ask.
    public var isComplete: Bool {
        informing.isEmpty && uninformed.isEmpty && (isSatisfied || asked.isEmpty && candidates.isEmpty)
    }

    public var isSatisfied: Bool { copies.count >= wanted }
}
