import FoundationEssentials
import Vocabulary

/// All that the soak's clients asked and were answered, and what may therefore be seen of each name.
///
/// Each name has one writer, who writes one thing after the other: so what was acknowledged last is what must be there,
/// unless a write whose outcome its writer never heard came later (its node died while it waited).
actor SoakBook {
    struct Attempt: Sendable {
        let isDelete: Bool
        var outcome = Outcome.unknown
        /// Milliseconds since 1970: when it was asked for, and when that came to an end.
        var begun: UInt64 = 0
        var ended = UInt64.max
        /// Nothing was harmed meanwhile: no node passed it on that may have made it, so there is one version of it at most.
        var isSingle = false

        /// Its version, when it was acknowledged.
        var acknowledged: String? { if case .acknowledged(let version) = outcome { version } else { nil } }
    }

    enum Outcome: Sendable, Hashable, CustomStringConvertible {
        /// Under way, or its writer will never know.
        case unknown
        /// Nothing was written.
        case refused
        /// With all its copies durable.
        case acknowledged(version: String)

        var description: String {
            switch self {
            case .unknown: "of unknown outcome"
            case .refused: "refused"
            case .acknowledged(let version): "acknowledged as \(version)"
            }
        }
    }

    struct Counts: Encodable, Sendable {
        var puts = 0
        var deletes = 0
        var increments = 0
        var acknowledged = 0
        var refused = 0
        var unknown = 0
        var reads = 0
        /// Of them those that had to be answered (`SoakHarms`), and the longest that one of these took.
        var readsDue = 0
        var readsDueMillisecondsMax: UInt64 = 0
        /// Reads that no node answered. One that had to be answered is a violation; the others are not judged.
        var unanswered = 0
        /// Acknowledged writes that are gone: the number that must be 0.
        var lost = 0

        enum CodingKeys: String, CodingKey {
            case puts, deletes, increments, acknowledged, refused, unknown, reads, unanswered, lost
            case readsDue = "reads_due"
            case readsDueMillisecondsMax = "reads_due_max_ms"
        }
    }

    private(set) var counts = Counts()
    /// What must not be, and was seen.
    private(set) var violations: [String] = []
    private var attempts: [String: [Attempt]] = [:]
    /// When the write of a name that is under way began.
    private var harmsBefore: [String: Int] = [:]
    /// Increments of each counter: the versions of those acknowledged, and how many may have been made.
    private var increments: [String: (acknowledged: [String], unknown: Int)] = [:]
    private var incrementsUnderWay = 0
    /// Grows when the node is parted from others, and when they are of one mind again: odd while they are apart. Each side
    /// goes on by itself meanwhile and knows nothing of what the other takes, so what it answers may be old. What is
    /// acknowledged must be kept all the same.
    private var partings: [String: Int] = [:]
    /// Of two increments, one on each side of a split, one goes to the history: there are none.
    private var isSplit = false
    private var harms = SoakHarms()

    /// The first few tell the story.
    private static let violationsMax = 20
    private let diary: SoakDiary

    init(diary: SoakDiary) { self.diary = diary }

    func broken(_ text: String) {
        diary.note("broken: \(text)")
        if violations.count < Self.violationsMax { violations.append(text) }
    }

    // MARK: Writes

    /// - Returns: the number of the attempt, counted from 1; 0 is the name's first absence.
    func begin(_ name: String, isDelete: Bool, at time: UInt64 = SoakBook.now) -> Int {
        if isDelete { counts.deletes += 1 } else { counts.puts += 1 }
        attempts[name, default: [Attempt(isDelete: true, outcome: .acknowledged(version: ""))]].append(
            Attempt(isDelete: isDelete, begun: time, isSingle: harms.isCalm))
        harmsBefore[name] = harms.count
        return (attempts[name]?.count ?? 1) - 1
    }

    func end(_ name: String, _ number: Int, _ outcome: Outcome, at time: UInt64 = SoakBook.now) {
        attempts[name]?[number].outcome = outcome
        attempts[name]?[number].ended = time
        if harmsBefore[name] != harms.count { attempts[name]?[number].isSingle = false }
        count(outcome)
    }

    /// Milliseconds since 1970, by the clock that the agents read.
    static var now: UInt64 { UInt64(max(0, Date.now.timeIntervalSince1970) * 1000) }

    /// - Returns: false while the nodes are apart; else the increment is to be ended.
    func beginIncrement() -> Bool {
        guard !isSplit else { return false }
        incrementsUnderWay += 1
        return true
    }

    func endIncrement() { incrementsUnderWay -= 1 }

    func incremented(_ counter: String, _ outcome: Outcome) {
        counts.increments += 1
        count(outcome)
        switch outcome {
        case .unknown: increments[counter, default: ([], 0)].unknown += 1
        case .acknowledged(let version): increments[counter, default: ([], 0)].acknowledged.append(version)
        case .refused: break
        }
    }

    private func count(_ outcome: Outcome) {
        switch outcome {
        case .unknown: counts.unknown += 1
        case .refused: counts.refused += 1
        case .acknowledged: counts.acknowledged += 1
        }
    }

    // MARK: Partings

    private func isApart(_ node: String) -> Bool { partings[node, default: 0] % 2 == 1 }

    /// The nodes are about to fall into two sides; no increment begins any more.
    ///
    /// - Returns: false while one is under way: then it is to be asked again.
    func split(_ nodes: [String]) -> Bool {
        isSplit = true
        guard incrementsUnderWay == 0 else { return false }
        for node in nodes { part(node) }
        return true
    }

    /// Nothing reaches the node from now on.
    func part(_ node: String) { if !isApart(node) { partings[node, default: 0] += 1 } }

    /// All nodes are of one mind again.
    func reunite() {
        isSplit = false
        for node in partings.keys where isApart(node) { partings[node, default: 0] += 1 }
    }

    // MARK: Harms

    func whole() { harms.whole() }

    /// - Parameter node: the only one that suffers; `nil` when others may, too.
    func harm(_ node: String?) { harms.harm(node) }

    // MARK: Reads

    /// When a read began.
    struct Mark: Sendable {
        /// Of the attempt that was acknowledged last: no read that begins now may answer with an older one.
        let number: Int
        fileprivate let partings: [String: Int]
        fileprivate let due: Int?
        fileprivate let time: ContinuousClock.Instant
    }

    /// So long a read may take that has to be answered. A frozen agent that the client is connected to is given up after 15 s,
    /// and what was being written as a node went is answered for when that is seen: after 30 s where its host still takes
    /// connections.
    static let readMax = Duration.seconds(50)

    var names: [String] { attempts.keys.sorted() }
    var counters: [String] { increments.keys.sorted() }

    func mark(_ name: String, at time: ContinuousClock.Instant = .now) -> Mark {
        Mark(number: acknowledgedLast(name), partings: partings, due: harms.due, time: time)
    }

    private func acknowledgedLast(_ name: String) -> Int {
        attempts[name]?.lastIndex { attempt in
            if case .acknowledged = attempt.outcome { true } else { false }
        } ?? 0
    }

    /// Judges what a read answered that began at `mark`.
    ///
    /// - Parameters:
    ///   - number: which attempt's bytes came; `nil` for "there is no such name".
    ///   - version: of these bytes, as the node tells.
    func saw(_ name: String, _ number: Int?, version: String? = nil, since begun: Mark, at node: String) {
        answered(name, since: begun)
        let known = attempts[name] ?? []
        let wasApart = isApart(node) || begun.partings[node] != partings[node]
        let mark = wasApart ? 0 : begun.number
        if let number {
            guard known.indices.contains(number), !known[number].isDelete else {
                return broken("\(name) was answered by \(node) with bytes that nobody wrote")
            }
            if isAllowed(known[number], number, since: mark) { return }
            broken(
                "\(name) was answered by \(node) with \(version ?? "a version") of write \(number) (\(known[number].outcome)), "
                    + "older than write \(mark) (\(known[mark].outcome)), which was acknowledged before")
        } else {
            let isDeleted = known.indices.contains { known[$0].isDelete && isAllowed(known[$0], $0, since: mark) }
            if known.isEmpty || isDeleted { return }
            broken("\(name) was answered by \(node) as missing, but write \(mark) was acknowledged before")
        }
    }

    /// A write without an answer may take effect at any time, also after later ones: its node may have stood still.
    private func isAllowed(_ attempt: Attempt, _ number: Int, since mark: Int) -> Bool {
        number >= mark || attempt.outcome == .unknown
    }

    /// A read was answered.
    func answered(_ name: String, since begun: Mark, at time: ContinuousClock.Instant = .now) {
        counts.reads += 1
        guard isDue(begun) else { return }
        counts.readsDue += 1
        let took = time - begun.time
        counts.readsDueMillisecondsMax = max(
            counts.readsDueMillisecondsMax, UInt64(max(0, took.saturatingNanoseconds)) / 1_000_000)
        if took > Self.readMax { broken("\(name) was answered after \(took) while one node at most was harmed") }
    }

    /// A read got no answer so far.
    ///
    /// - Returns: whether it has to get one, and so is to be asked again.
    func mustAsk(_ name: String, since begun: Mark, after error: any Error, at time: ContinuousClock.Instant = .now)
        -> Bool
    {
        let (took, isDue) = (time - begun.time, isDue(begun))
        if isDue, took < Self.readMax { return true }
        counts.unanswered += 1
        diary.note("no answer about \(name): \(error)")
        if isDue { broken("\(name) was not answered for \(took) while one node at most was harmed: \(error)") }
        return false
    }

    private func isDue(_ begun: Mark) -> Bool { begun.due != nil && begun.due == harms.due }

    // MARK: The end

    func lost(_ text: String) {
        counts.lost += 1
        broken(text)
    }

    /// What is known of a name's writes.
    func known(_ name: String) -> SoakAudit.Known { .attempts(attempts[name] ?? []) }

    /// What a counter may show: each acknowledged increment once, and those whose outcome nobody knows or not.
    func known(counter: String) -> SoakAudit.Known {
        let (acknowledged, unknown) = increments[counter] ?? ([], 0)
        return .counter(acknowledged.count...(acknowledged.count + unknown), acknowledged)
    }
}
