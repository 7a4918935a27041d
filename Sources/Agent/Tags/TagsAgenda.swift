import Vocabulary

/// Which tags are to be fetched still, of whom, and when: a value, so that its bounds show without waiting for them.
///
/// A member has its own tags for certain, and in a small cluster it is asked. In a large one all would ask it at once
/// when its tags change; there some sixteen do, and the others ask one another, each time twice as many knowing, as with
/// any rumour. Whoever does not get them in eight tries comes again more and more seldom: tags are never urgent, and a
/// member that does not deliver its own must cost little.
struct TagsAgenda {
    struct Question: Hashable, Sendable {
        let node: NodeName
        let digests: [TagsDigest]
    }

    /// So many ask the member itself in the first rounds.
    static let askersOfOwner = 16
    static let quickTries = 8
    static let pauseQuick = Duration.seconds(1)
    static let pauseMax = Duration.seconds(600)
    /// A member that changes its tags again and again is followed at this pace: 4 KiB in each.
    static let pauseOfMember = Duration.seconds(5)
    /// Calls in one round.
    static let questionsMax = 4

    private struct Entry {
        /// The present members that have these tags.
        var owners: [NodeName]
        let teller: NodeName?
        var tries = 0
        var due: Instant
    }

    private var entries: [TagsDigest: Entry] = [:]
    private var cameAt: [NodeName: Instant] = [:]

    var count: Int { entries.count }
    /// When the next is due; in the past when one has waited for a turn.
    var next: Instant? { entries.values.map(\.due).min() }

    /// - Parameters:
    ///   - missing: all tags that are not known, with the present members that have them.
    ///   - tellers: from whom they were heard of, where that is known.
    mutating func update(
        _ missing: [TagsDigest: [NodeName]], tellers: [TagsDigest: NodeName], members: Int, at now: Instant,
        using rng: inout some RandomNumberGenerator
    ) {
        entries = entries.filter { missing[$0.key] != nil }
        cameAt = cameAt.filter { now - $0.value < Self.pauseOfMember }
        // All hear of a change within moments: in a large cluster they do not all ask in the same.
        let spread = min(.seconds(2), Duration.milliseconds(10) * min(members, 1_000))
        for (digest, owners) in missing {
            if entries[digest] != nil {
                entries[digest]?.owners = owners
                continue
            }
            var due = now + Self.part(spread, &rng)
            let latest = owners.map { cameAt[$0] }
            // One of the owners that has not changed its tags just now makes them worth asking for at once.
            if !latest.contains(nil), let first = latest.compactMap(\.self).min() {
                due = max(due, first + Self.pauseOfMember)
            }
            entries[digest] = Entry(owners: owners, teller: tellers[digest], due: due)
        }
    }

    /// Whom to ask now. Each question counts as a try; what comes is taken off by `came`.
    ///
    /// - Parameter connected: peers whom to ask costs no handshake.
    mutating func questions(
        connected: [NodeName], members: Int, limit: Int = questionsMax, at now: Instant,
        using rng: inout some RandomNumberGenerator
    ) -> [Question] {
        var due = entries.filter { $0.value.due <= now }.keys.sorted()
        due.shuffle(using: &rng)
        var told: [NodeName: Int] = [:]
        for digest in due {
            if let entry = entries[digest], entry.tries == 0, let teller = entry.teller {
                told[teller, default: 0] += 1
            }
        }
        var batches: [NodeName: [TagsDigest]] = [:]
        for digest in due {
            guard var entry = entries[digest],
                let node = Self.choose(entry, told: told, connected: connected, members: members, &rng)
            else { continue }
            guard batches[node] != nil || batches.count < limit, batches[node]?.count ?? 0 < TagsBook.wantedMax
            else { continue }
            batches[node, default: []].append(digest)
            entry.tries += 1
            entry.due = now + Self.pause(after: entry.tries, &rng)
            entries[digest] = entry
        }
        return batches.keys.sorted().map { Question(node: $0, digests: batches[$0] ?? []) }
    }

    private static func choose(
        _ entry: Entry, told: [NodeName: Int], connected: [NodeName], members: Int,
        _ rng: inout some RandomNumberGenerator
    ) -> NodeName? {
        if entry.tries == 0, let teller = entry.teller, told[teller] ?? 0 > 1 {
            // Who told of many at once, as to a newcomer, has them all.
            return teller
        }
        let isOwnersTurn =
            entry.tries.isMultiple(of: 2)
            && (entry.tries >= quickTries || Int.random(in: 0..<max(members, 1), using: &rng) < askersOfOwner)
        let owner = entry.owners.randomElement(using: &rng)
        if isOwnersTurn, let owner { return owner }
        if entry.tries == 0, let teller = entry.teller { return teller }
        return connected.filter { !entry.owners.contains($0) }.randomElement(using: &rng) ?? owner
    }

    private static func pause(after tries: Int, _ rng: inout some RandomNumberGenerator) -> Duration {
        let doublings = min(max(0, tries - quickTries), 10)
        let pause = min(pauseMax, pauseQuick * (1 << doublings))
        return pause / 2 + part(pause, &rng)
    }

    private static func part(_ duration: Duration, _ rng: inout some RandomNumberGenerator) -> Duration {
        .nanoseconds(Int64.random(in: 0...max(0, duration.saturatingNanoseconds), using: &rng))
    }

    /// - Returns: the members that have these tags.
    mutating func came(_ digest: TagsDigest, at now: Instant) -> [NodeName] {
        guard let entry = entries.removeValue(forKey: digest) else { return [] }
        for owner in entry.owners { cameAt[owner] = now }
        return entry.owners
    }
}
