import Client
import Vocabulary

/// All that the soak's clients asked and were answered, and what may therefore be seen of each name.
///
/// Each name has one writer, who writes one thing after the other: so what was acknowledged last is what must be there,
/// unless a write whose outcome its writer never heard came later (its node died while it waited).
actor SoakBook {
    struct Attempt: Sendable {
        let isDelete: Bool
        var outcome = Outcome.unknown
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
        /// Reads that no node answered in time; what they would have answered is not judged.
        var unanswered = 0
        /// Acknowledged writes that are gone: the number that must be 0.
        var lost = 0
    }

    private(set) var counts = Counts()
    /// What must not be, and was seen.
    private(set) var violations: [String] = []
    private var attempts: [String: [Attempt]] = [:]
    /// Increments of each counter by outcome.
    private var increments: [String: (acknowledged: Int, unknown: Int)] = [:]
    private var incrementsUnderWay = 0
    /// Grows when the node is parted from others, and when they are of one mind again: odd while they are apart. Each side
    /// goes on by itself meanwhile and knows nothing of what the other takes, so what it answers may be old. What is
    /// acknowledged must be kept all the same.
    private var partings: [String: Int] = [:]
    /// Of two increments, one on each side of a split, one goes to the history: there are none.
    private var isSplit = false

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
    func begin(_ name: String, isDelete: Bool) -> Int {
        if isDelete { counts.deletes += 1 } else { counts.puts += 1 }
        attempts[name, default: [Attempt(isDelete: true, outcome: .acknowledged(version: ""))]].append(
            Attempt(isDelete: isDelete))
        return (attempts[name]?.count ?? 1) - 1
    }

    func end(_ name: String, _ number: Int, _ outcome: Outcome) {
        attempts[name]?[number].outcome = outcome
        count(outcome)
    }

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
        case .unknown: increments[counter, default: (0, 0)].unknown += 1
        case .acknowledged: increments[counter, default: (0, 0)].acknowledged += 1
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

    // MARK: Reads

    /// When a read began.
    struct Mark: Sendable {
        /// Of the attempt that was acknowledged last: no read that begins now may answer with an older one.
        let number: Int
        fileprivate let partings: [String: Int]
    }

    var names: [String] { attempts.keys.sorted() }
    var counters: [String] { increments.keys.sorted() }

    func mark(_ name: String) -> Mark { Mark(number: acknowledgedLast(name), partings: partings) }

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
        counts.reads += 1
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

    func unanswered(_ name: String, _ error: any Error) {
        counts.unanswered += 1
        diary.note("no answer about \(name): \(error)")
    }

    // MARK: The end

    /// What every history of a name must have.
    struct Expectation: Sendable {
        struct Write: Sendable, Equatable {
            let number: Int
            let version: String
        }

        /// Acknowledged last, the latest first; none where that may have been deleted since.
        var writes: [Write] = []
        /// The first of them is a delete, which may be forgotten.
        var isDeleted = false
    }

    /// A history keeps five, and a write that was given to a second node may be in it twice.
    private static let expectedMax = 3

    /// Of the writes that were acknowledged since the last delete the latest; where the outcome of one that came after them is not
    /// known, the latest alone, unless there are so many of those that they may have pushed it out.
    func expectation(_ name: String) -> Expectation {
        var expected = Expectation()
        var unknown = 0
        for (number, attempt) in (attempts[name] ?? []).enumerated().dropFirst().reversed() {
            switch attempt.outcome {
            case .refused: continue
            case .unknown:
                unknown += 1
                if attempt.isDelete || unknown >= Self.expectedMax || !expected.writes.isEmpty { return expected }
            case .acknowledged(let version):
                if attempt.isDelete, !expected.writes.isEmpty { return expected }
                expected.writes.append(Expectation.Write(number: number, version: version))
                expected.isDeleted = attempt.isDelete
                if attempt.isDelete || unknown > 0 || expected.writes.count >= Self.expectedMax { return expected }
            }
        }
        return expected
    }

    func lost(_ text: String) {
        counts.lost += 1
        broken(text)
    }

    /// What a counter may show: each acknowledged increment once, and those whose outcome nobody knows or not.
    func range(of counter: String) -> ClosedRange<Int> {
        let (acknowledged, unknown) = increments[counter] ?? (0, 0)
        return acknowledged...(acknowledged + unknown)
    }
}

/// The bytes of a soak's resource: they say which write they are of, and can be made again to compare.
enum SoakContent {
    static func bytes(_ name: String, _ number: Int) -> [UInt8] {
        var bytes = Array("\(number) \(name)\n".utf8)
        var random = SeededGenerator(seed: SipHash(key0: 0x736f_616b, key1: UInt64(number)).hash(name.utf8))
        // Most are small; now and then one takes a while.
        let exponent = UInt64.random(in: 0...21, using: &random)
        let size = Int.random(in: 0...(1 << exponent), using: &random)
        bytes.reserveCapacity(bytes.count + size + 8)
        while bytes.count < size { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
        return bytes
    }

    /// Which write the bytes are of, when they are just those.
    static func number(of bytes: [UInt8], _ name: String) -> Int? {
        guard let space = bytes.prefix(20).firstIndex(of: UInt8(ascii: " ")),
            let number = Int(String(decoding: bytes[..<space], as: UTF8.self)), number > 0,
            bytes == Self.bytes(name, number)
        else { return nil }
        return number
    }
}
