import Client

/// Judges what was found of one name at the end against all that its writer was told.
///
/// **Every acknowledged write is accounted for**, in what each holder has and so, as all must say the same, at every node.
/// A history keeps the five greatest versions that no kept delete had seen, so a write that is not among them must be
/// - deleted: a delete in the history had seen it, of which the writer knows, and not one that was over before; or
/// - pushed out: the history is full, and none of its versions is older than the moment when the write was asked for; or
/// - pushed out by versions that a delete in the history took away since: as many as it takes must have been written that
///   may go before it. A put that was passed on to another node may have been made by each; only one that was acknowledged
///   while nothing was harmed was surely made once.
/// Anything else is a loss. A write that the five later ones pushed out leaves no trace, so of a name's whole life the last
/// five writes are proven to be there, and of those before only that they are gone rightly. What its writer had seen is kept
/// for 32 boots (PROTOCOL): a delete that knows of so many is not held to have seen no others.
///
/// The agents run on this host: no version is dated before its write was asked for. The host's clock must not be set
/// back meanwhile.
struct SoakAudit: Sendable {
    enum Finding: Hashable, Sendable {
        case lost(String)
        case broken(String)
        /// Of a name that is deleted: copies that go, or come, a moment after the cluster says that it is at rest, of which
        /// only what is not deleted is counted.
        case unsettled(String)
    }

    /// What is known of the name's writes.
    enum Known: Sendable {
        case attempts([SoakBook.Attempt])
        /// A counter: its range, and the versions of the acknowledged increments.
        case counter(ClosedRange<Int>, [String])
    }

    let name: String
    let known: Known
    let nodes: [String]
    /// How often a name is to be there.
    let copies: Int

    /// A history has no more versions (CONTRACT's history; `VersionSet`).
    static let versionsMax = 5
    private static let bootsMax = 32
    /// The longest that a write without an answer can take to be made: a frozen node goes on after 20 s, a cut ends as soon.
    private static let lateMilliseconds: UInt64 = 60_000

    func findings(_ evidence: SoakEvidence) -> [Finding] {
        var findings = agreement(evidence) + placement(evidence)
        guard let (holder, versions) = firstHolding(evidence) else {
            return findings + absence(evidence)
        }
        findings += shape(versions, at: holder) + bytes(evidence, versions) + heads(evidence, versions)
        switch known {
        case .attempts(let attempts):
            for node in nodes {
                guard let own = evidence.holdings[node], !own.isEmpty, node == holder || own != versions else {
                    continue
                }
                findings += accounts(attempts, own, evidence, at: node)
            }
        case .counter(let range, let acknowledged): findings += count(range, acknowledged, versions, evidence)
        }
        return findings
    }

    private func firstHolding(_ evidence: SoakEvidence) -> (String, [SoakEvidence.Version])? {
        for node in nodes { if let own = evidence.holdings[node], !own.isEmpty { return (node, own) } }
        return nil
    }

    private func absence(_ evidence: SoakEvidence) -> [Finding] {
        let acknowledged: Int
        switch known {
        case .attempts(let attempts): acknowledged = attempts.dropFirst().count { $0.acknowledged != nil }
        case .counter(_, let versions): acknowledged = versions.count
        }
        // Deletes are kept for ten days (`tombstone.keep`), longer than a soak.
        return acknowledged == 0 ? [] : [.lost("\(name): \(acknowledged) writes were acknowledged, and nobody has any")]
    }

    // MARK: All say the same

    private func agreement(_ evidence: SoakEvidence) -> [Finding] {
        var findings: [Finding] = []
        guard let first = nodes.first, let one = evidence.answers[first] else {
            return [.broken("\(name): nobody was asked")]
        }
        for node in nodes {
            guard let other = evidence.answers[node] else {
                findings.append(.broken("\(name): \(node) was not asked"))
                continue
            }
            if other.history != one.history {
                findings.append(
                    .broken(
                        "\(name): \(node) tells another history than \(first): "
                            + "\(other.history.map(\.version)), not \(one.history.map(\.version))"))
            }
            if other.bytes != one.bytes || other.version != one.version {
                findings.append(
                    .broken(
                        "\(name): \(node) answers with \(other.bytes) (\(other.version ?? "no version")), "
                            + "\(first) with \(one.bytes) (\(one.version ?? "no version"))"))
            }
            if Self.told(other.place) != Self.told(one.place) {
                findings.append(
                    .broken(
                        "\(name): \(node) says \(Self.told(other.place)), \(first) says \(Self.told(one.place))"))
            }
        }
        return findings
    }

    private static func told(_ place: API.Where?) -> String {
        guard let place else { return "that it is nowhere" }
        return "owners \(place.owners), holders \(place.holders.sorted()), slot \(place.slot), "
            + "home \(place.home ?? "none")"
    }

    // MARK: Exactly the right copies

    private func placement(_ evidence: SoakEvidence) -> [Finding] {
        let wanted = min(copies, nodes.count)
        let holders = nodes.filter { evidence.holdings[$0]?.isEmpty == false }
        guard !holders.isEmpty else { return [] }
        var findings: [Finding] = []
        let isDeleted = firstHolding(evidence)?.1.first?.sha256 == nil
        if holders.count != wanted {
            let text = "\(name) is kept by \(holders), and is to be on \(wanted)"
            findings.append(isDeleted ? .unsettled(text) : .broken(text))
        }
        if Set(holders.compactMap { evidence.holdings[$0] }).count > 1 {
            let text = "\(name): \(holders) do not keep the same versions"
            findings.append(isDeleted ? .unsettled(text) : .broken(text))
        }
        for node in nodes {
            guard let place = evidence.answers[node]?.place else {
                if !isDeleted { findings.append(.broken("\(name): \(node) says that it is nowhere")) }
                continue
            }
            if Set(place.owners) != Set(holders) || Set(place.holders) != Set(holders) || place.owners.count != wanted {
                findings.append(
                    .broken(
                        "\(name) is on \(holders); \(node) says that \(place.holders) have it and \(place.owners) are to"
                    ))
            }
        }
        return findings
    }

    // MARK: Versions and their bytes

    private func shape(_ versions: [SoakEvidence.Version], at holder: String) -> [Finding] {
        var findings: [Finding] = []
        if versions.count > Self.versionsMax || Set(versions.map(\.dot)).count != versions.count {
            findings.append(.broken("\(name): \(holder) keeps \(versions.map(\.dot.text))"))
        }
        if zip(versions, versions.dropFirst()).contains(where: { $0.milliseconds < $1.milliseconds }) {
            findings.append(.broken("\(name): the versions of \(holder) are not in the order of their times"))
        }
        for (index, version) in versions.enumerated() {
            if versions[(index + 1)...].contains(where: { $0.hasSeen(version.dot) }) {
                findings.append(.broken("\(name): \(version.dot.text) goes before a version whose writer had seen it"))
            }
        }
        return findings
    }

    /// Of every version every holder has the right bytes on its own disk, and they are given to who asks for them.
    private func bytes(_ evidence: SoakEvidence, _ versions: [SoakEvidence.Version]) -> [Finding] {
        var findings: [Finding] = []
        for version in versions where version.sha256 != nil {
            let text = version.dot.text
            let right = evidence.given[text] ?? .missing
            if case .write = right {
            } else {
                findings.append(.broken("\(name): for version \(text) there come \(right)"))
            }
            for node in nodes where evidence.holdings[node]?.contains(where: { $0.dot == version.dot }) == true {
                let own = evidence.held[node]?[text] ?? .missing
                if case .write = own, own == right { continue }
                findings.append(.broken("\(name): \(node) has \(own) on its disk as version \(text)"))
            }
        }
        return findings
    }

    /// What a get answers is the head of what is kept, and the history tells all of it.
    private func heads(_ evidence: SoakEvidence, _ versions: [SoakEvidence.Version]) -> [Finding] {
        var findings: [Finding] = []
        for node in nodes {
            guard let answer = evidence.answers[node], let head = versions.first else { continue }
            let isRight =
                head.sha256 == nil
                ? answer.bytes == .missing
                : answer.version == head.dot.text && answer.bytes == evidence.given[head.dot.text]
            if !isRight {
                findings.append(
                    .broken(
                        "\(name): \(node) answers with \(answer.bytes) (\(answer.version ?? "no version")); the head is "
                            + "\(head.dot.text)\(head.sha256 == nil ? ", a delete" : "")"))
            }
            if answer.history != Self.history(versions, like: answer.history) {
                findings.append(.broken("\(name): what \(node) tells as its history is not what is kept"))
            }
        }
        return findings
    }

    /// What is to be told of the versions; the rest as it was told.
    private static func history(
        _ versions: [SoakEvidence.Version], like told: [API.HistoryEntry]
    ) -> [API.HistoryEntry] {
        versions.enumerated().map { index, version in
            let isSeen = versions.contains { $0.hasSeen(version.dot) }
            let like = told.indices.contains(index) ? told[index] : nil
            return API.HistoryEntry(
                version: version.dot.text, kind: index == 0 ? .head : isSeen ? .earlier : .conflict,
                deleted: version.sha256 == nil, sha256: version.sha256, size: like?.size ?? 0,
                modified: API.Timestamp.text(unixMilliseconds: version.milliseconds), contentType: like?.contentType,
                home: like?.home)
        }
    }

    private func count(
        _ range: ClosedRange<Int>, _ acknowledged: [String], _ versions: [SoakEvidence.Version],
        _ evidence: SoakEvidence
    ) -> [Finding] {
        guard let head = versions.first else { return [] }
        var findings: [Finding] = []
        if case .write(let value) = evidence.given[head.dot.text] ?? .missing, range.contains(value) {
        } else {
            findings.append(
                .lost(
                    "\(name) has \(evidence.given[head.dot.text] ?? .missing), but \(range.lowerBound) conditional writes "
                        + "were acknowledged and \(range.count - 1) may have been"))
        }
        // Each was judged by the one before it: the head has seen them all.
        let gone = acknowledged.compactMap { SoakEvidence.Dot($0) }.filter { dot in
            head.dot != dot && !head.hasSeen(dot) && !Self.mayHaveForgotten(head, dot)
        }
        if let dot = gone.first {
            findings.append(
                .lost("\(name): \(gone.count) acknowledged increments were not seen by its head, of them \(dot.text)"))
        }
        return findings
    }

    static func mayHaveForgotten(_ version: SoakEvidence.Version, _ dot: SoakEvidence.Dot) -> Bool {
        version.context.count >= bootsMax
            && !version.context.contains { $0.node == dot.node && $0.epoch == dot.epoch }
    }
}

// MARK: Every acknowledged write

extension SoakAudit {
    private func accounts(
        _ attempts: [SoakBook.Attempt], _ versions: [SoakEvidence.Version], _ evidence: SoakEvidence, at holder: String
    ) -> [Finding] {
        var findings = identities(attempts, versions, evidence)
        let deleters = Deleters(attempts, of: versions)
        for (number, attempt) in attempts.enumerated().dropFirst() {
            guard let text = attempt.acknowledged, let dot = SoakEvidence.Dot(text) else { continue }
            if let version = versions.first(where: { $0.dot == dot }) {
                if version.milliseconds < attempt.begun {
                    findings.append(.broken("\(name): write \(number), \(text), is dated before it was asked for"))
                }
                continue
            }
            if let why = unaccounted(number, attempt, dot, attempts, versions, deleters) {
                findings.append(
                    .lost("\(name): write \(number), \(text), was acknowledged and is gone at \(holder): \(why)"))
            }
        }
        return findings
    }

    /// Each version is of a write that was asked for and not refused, and those acknowledged are what was written then.
    private func identities(
        _ attempts: [SoakBook.Attempt], _ versions: [SoakEvidence.Version], _ evidence: SoakEvidence
    ) -> [Finding] {
        var findings: [Finding] = []
        for version in versions {
            let text = version.dot.text
            let told = attempts.firstIndex { $0.acknowledged == text }
            guard version.sha256 != nil else {
                if let told, !attempts[told].isDelete {
                    findings.append(.broken("\(name): \(text) was acknowledged as write \(told), and is a delete"))
                } else if told == nil, !attempts.dropFirst().contains(where: { $0.isDelete && $0.outcome != .refused })
                {
                    findings.append(.broken("\(name): \(text) is a delete that nobody asked for"))
                }
                continue
            }
            guard case .write(let number) = evidence.given[text] ?? .missing else { continue }
            guard attempts.indices.contains(number), !attempts[number].isDelete else {
                findings.append(.broken("\(name): \(text) is a write \(number) that nobody asked for"))
                continue
            }
            if let told, told != number {
                findings.append(
                    .broken("\(name): \(text) was acknowledged as write \(told), and has those of \(number)"))
            }
            if attempts[number].outcome == .refused {
                findings.append(.broken("\(name): write \(number) was refused, and is there as \(text)"))
            }
        }
        return findings
    }

    /// - Returns: why the write's absence has no reason; `nil` when it has one.
    private func unaccounted(
        _ number: Int, _ attempt: SoakBook.Attempt, _ dot: SoakEvidence.Dot, _ attempts: [SoakBook.Attempt],
        _ versions: [SoakEvidence.Version], _ deleters: Deleters
    ) -> String? {
        if versions.count >= Self.versionsMax, versions.allSatisfy({ $0.milliseconds >= attempt.begun }) { return nil }
        let deletes = versions.filter { $0.sha256 == nil && $0.milliseconds >= attempt.begun }
        guard !deletes.isEmpty else {
            return versions.count < Self.versionsMax
                ? "there is room for it, and no delete" : "an older one is kept in its place"
        }
        if deletes.contains(where: { Self.mayHaveForgotten($0, dot) }) { return nil }
        let seers = deletes.filter { $0.hasSeen(dot) }
        if seers.contains(where: { deleters.mayHaveDeleted(number, by: $0.dot) }) { return nil }
        guard seers.isEmpty else { return "the delete that had seen it was over before" }
        // The delete that took the others away is none of those that had pushed it out.
        return greater(than: number, attempt, attempts, versions, deletes) > Self.versionsMax
            ? nil : "no delete had seen it"
    }

    /// Which of the name's deletes each delete in the history may be.
    private struct Deleters {
        /// Of those that were acknowledged, by version.
        private var told: [String: Int] = [:]
        private var lastTold = 0
        private var hasUnknown = false

        init(_ attempts: [SoakBook.Attempt], of versions: [SoakEvidence.Version]) {
            let kept = Set(versions.filter { $0.sha256 == nil }.map(\.dot.text))
            for (number, attempt) in attempts.enumerated().dropFirst() where attempt.isDelete {
                switch attempt.outcome {
                case .unknown: hasUnknown = true
                case .refused: break
                case .acknowledged(let version):
                    lastTold = number
                    if kept.contains(version) { told[version] = number }
                }
            }
        }

        /// Whether it may be one that was asked for after the write, or that had no answer by then.
        func mayHaveDeleted(_ number: Int, by dot: SoakEvidence.Dot) -> Bool {
            if let told = told[dot.text] { return told > number }
            return hasUnknown || lastTold > number
        }
    }

    /// How many versions may go before the write that are in the history, or that its deletes may have taken away.
    private func greater(
        than number: Int, _ attempt: SoakBook.Attempt, _ attempts: [SoakBook.Attempt],
        _ versions: [SoakEvidence.Version], _ deletes: [SoakEvidence.Version]
    ) -> Int {
        var count = 0
        for (index, other) in attempts.enumerated().dropFirst() where index != number {
            // Made late, or dated ahead.
            guard index > number || !other.isSingle && other.ended &+ Self.lateMilliseconds >= attempt.begun else {
                continue
            }
            switch other.outcome {
            case .refused: break
            case .unknown: count += nodes.count
            case .acknowledged(let text):
                guard let dot = SoakEvidence.Dot(text),
                    versions.contains(where: { $0.dot == dot }) || deletes.contains(where: { $0.hasSeen(dot) })
                else { break }
                count += other.isSingle ? 1 : nodes.count
            }
        }
        return count
    }
}
