import Placement
import Resources
import Vocabulary

/// One write on its way to the copies that law 1 asks for: which nodes to offer it to, and when it may be
/// acknowledged. The writer's own copy is durable before this begins.
///
/// Copies alone are not enough. An owner that is there and has not heard of the write goes on answering with what was
/// before it (law 6). So every owner is told, also when a stand-in's copy makes up the number, and the write waits for
/// each until it has answered, is known to be gone, or can not be reached at all.
public struct WriteTracker: Sendable {
    /// What a node said to an offer.
    public enum Answer: Hashable, Sendable {
        case durable
        /// It has been told of the version, and can not take it (a full disk).
        case declined
        /// It did not answer, or not to the point.
        case failed
        /// It is there, and there was no place for the offer, here or there: asked again until there is.
        case busy
    }

    public let version: Version
    /// How many distinct nodes must hold the version.
    public private(set) var wanted = 1
    /// Those that do, the writer first.
    public private(set) var copies: [NodeName]
    private let me: NodeName
    /// Owners of the group that the name leaves by this write, and those who owned its own until a moment ago: they hold its
    /// older head, and may answer with it.
    private let former: [NodeName]
    private var owners: [NodeName] = []
    private var heirs: [NodeName] = []
    /// Who may keep a copy.
    private var eligible = Ring([])
    /// To be asked while copies are wanted, in rank order, suspects last: they stand in for owners, and hand over later
    /// by the one rule.
    private var candidates: [NodeName] = []
    private var asked: [NodeName] = []
    /// Sure ones among `asked`: suspects are asked, too, and not counted on.
    private var countedOn: [NodeName] = []
    private var doubted: [NodeName] = []
    /// Not to be acknowledged before these have answered.
    private var mustAnswer: [NodeName] = []
    private var failures: [NodeName: Int] = [:]
    /// Failed ones, and when they are asked again.
    private var retries: [NodeName: Instant] = [:]
    public private(set) var declined: [NodeName] = []
    /// Members that are there, had to answer, and were asked in vain as often as anybody is.
    private var givenUp: [NodeName] = []
    /// What those hold who were offered this one.
    public private(set) var contest = Contest()
    /// Whether the writer owned nothing of the name at some time since it was made.
    public private(set) var isStandIn = false

    /// A node is asked this often. A refused connection says so at once, so a process that died holds a write up for
    /// as long as the pauses in between: half a second and one.
    static let attemptsMax = 3
    public static let retryPause = Duration.milliseconds(500)

    /// - Parameter former: the owners of the group that the name was in before, when that is another; and of its own, when
    ///   they were others a moment ago.
    public init(me: NodeName, version: Version, former: [NodeName] = []) {
        self.me = me
        self.version = version
        self.former = former
        copies = [me]
        // An owner of both is named twice, and holds one copy.
        for node in former where node != me && !mustAnswer.contains(node) { mustAnswer.append(node) }
    }

    /// Takes note of who owns the version's group now and who can be called.
    ///
    /// - Parameters:
    ///   - owners: the present owners, in rank order.
    ///   - heirs: those who would be owners without the owners that can not be called. Who gave those up sooner than this
    ///     node, and so takes itself for an owner, answers with what it has.
    ///   - ranked: every eligible member in the slot's rank order.
    public mutating func adopt(owners: [NodeName], heirs: [NodeName] = [], ranked: [NodeName], view: View) {
        (self.owners, self.heirs) = (owners, heirs)
        if !owners.isEmpty, !owners.contains(me) { isStandIn = true }
        eligible = view.ring
        wanted = max(1, owners.count)
        // Who is about to go keeps nothing for long. With nobody else there, the writer is all there is.
        copies.removeAll { !eligible.contains($0) && !(owners.isEmpty && $0 == me) }
        asked.removeAll { !view.canCall($0) }
        countedOn = asked.filter { !view.doubts($0) && eligible.contains($0) }
        for node in retries.keys where !view.canCall(node) { retries[node] = nil }
        // Who comes back is asked like one that was never asked: it is to hear of this before it answers for the name again.
        for node in failures.keys where !view.canCall(node) { failures[node] = nil }
        for owner in owners + heirs where owner != me && !mustAnswer.contains(owner) {
            if !copies.contains(owner), !isSpent(owner) { mustAnswer.append(owner) }
        }
        mustAnswer.removeAll { !view.canCall($0) }
        givenUp.removeAll { !view.canCall($0) }
        doubted = view.doubtful
        let open = ranked.filter { node in
            node != me && view.canCall(node) && !copies.contains(node) && !asked.contains(node) && !isSpent(node)
                && retries[node] == nil && !mustAnswer.contains(node)
        }
        candidates = open.filter { !view.doubts($0) } + open.filter { view.doubts($0) }
    }

    private func isSpent(_ node: NodeName) -> Bool {
        declined.contains(node) || failures[node, default: 0] >= Self.attemptsMax
    }

    /// The nodes to offer the version to now.
    public mutating func nextOffers(at now: Instant) -> [NodeName] {
        var next = mustAnswer.filter { node in !asked.contains(node) && (retries[node].map { $0 <= now } ?? true) }
        for node in next { retries[node] = nil }
        asked += next
        countedOn += next.filter { !doubted.contains($0) && (owners.contains($0) || heirs.contains($0)) }
        var missing = wanted - copies.count - countedOn.count
        while missing > 0, !candidates.isEmpty {
            let node = candidates.removeFirst()
            next.append(node)
            asked.append(node)
            countedOn.append(node)
            missing -= 1
        }
        if missing > 0 {
            for node in retries.filter({ $0.value <= now }).keys.sorted().prefix(missing) {
                retries[node] = nil
                next.append(node)
                asked.append(node)
                countedOn.append(node)
            }
        } else {
            // Not needed now, and no reason to wake up again.
            for node in retries.filter({ $0.value <= now }).keys.sorted() {
                retries[node] = nil
                candidates.append(node)
            }
        }
        return next
    }

    /// When to call `nextOffers` again at the latest.
    public var deadline: Instant? { retries.values.min() }

    /// An offer was answered; a late answer to an offer that was given up counts for nothing.
    public mutating func answered(by node: NodeName, _ answer: Answer, at now: Instant) {
        guard let index = asked.firstIndex(of: node) else { return }
        asked.remove(at: index)
        countedOn.removeAll { $0 == node }
        switch answer {
        case .durable:
            if eligible.contains(node), !copies.contains(node) { copies.append(node) }
            mustAnswer.removeAll { $0 == node }
        case .declined:
            declined.append(node)
            mustAnswer.removeAll { $0 == node }
        case .busy: retries[node] = now + Self.retryPause
        case .failed:
            let count = failures[node, default: 0] + 1
            failures[node] = count
            if count < Self.attemptsMax {
                retries[node] = now + Self.retryPause * count
                if owners.contains(node), !mustAnswer.contains(node) { mustAnswer.append(node) }
            } else if let index = mustAnswer.firstIndex(of: node) {
                mustAnswer.remove(at: index)
                givenUp.append(node)
            }
        }
    }

    /// Members that are there, have a word in what the name is, and have not heard of this write. They may order another
    /// on the same version, and nobody would learn of it: a condition that was met is not known to hold.
    public var silent: [NodeName] { givenUp + untold }

    /// Those of them that are yet to be told, or to answer. A write that ends before they have is not known to whoever reads
    /// there (law 6).
    public var untold: [NodeName] { mustAnswer }

    /// What somebody said to whom the version was offered.
    public mutating func note(_ reply: OfferReply, by node: NodeName) {
        contest.note(rival: reply.rival, concurrent: reply.concurrent, by: node, isOfStandIn: isStandIn)
    }

    /// Enough copies and every owner heard, or nobody left to ask.
    public var isComplete: Bool {
        mustAnswer.isEmpty && (isSatisfied || asked.isEmpty && candidates.isEmpty && retries.isEmpty)
    }

    public var isSatisfied: Bool { copies.count >= wanted }
}
