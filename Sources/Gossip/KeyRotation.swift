import Vocabulary

/// The life of the cluster's keys at one node, as a value: what it holds, what it may seal with, and what it retires.
///
/// A new key is first known to everybody, then used, then the one before goes. Of several that are made at once the
/// newest wins (`ClusterKey`'s order); the others go with the one before. Nobody leads: what is in use is a mark that only
/// grows, so that any member may move it on, and one that dies in the middle leaves nothing undone.
public struct KeyRotation: Hashable, Sendable {
    public struct Settings: Hashable, Sendable {
        /// How long a new key waits for members that are present and do not take it. Who is cut off from it then gets it
        /// over TLS. At half, members on slow links are cut off from datagrams for moments; at double, one that hangs
        /// holds the rotation up for as much longer.
        public var wait: Duration = .seconds(30)
        /// How long the keys before still open datagrams once a new one seals. Members that have not heard that it does
        /// seal with the one before; they are told at once, and hear of it in the regular exchanges (30 s) at the latest.
        public var overlap: Duration = .seconds(60)

        public init() {}
    }

    /// What is known of another member that is present.
    public struct Holder: Hashable, Sendable {
        /// The newest key that it has.
        public let newest: KeyMark?
        /// The one that it seals with.
        public let inUse: KeyMark?

        public init(newest: KeyMark? = nil, inUse: KeyMark? = nil) {
            self.newest = newest
            self.inUse = inUse
        }

        public init(_ ring: Keyring) { self.init(newest: ring.keys.first?.mark, inUse: ring.primary?.mark) }
    }

    public private(set) var ring: Keyring
    /// Keys before this one are not taken again: who was away for long still has them.
    public private(set) var retired: KeyMark?
    /// When this process first knew of the newest key while nobody sealed with it.
    private var pendingSince: Instant?
    /// When this process first sealed with the present one while it had others.
    private var inUseSince: Instant?

    /// - Parameter now: of a start with keys in the middle of a rotation, whose times begin anew.
    public init(ring: Keyring, retired: KeyMark? = nil, at now: Instant) {
        self.ring = retired.map { ring.since($0) } ?? ring
        self.retired = retired
        note(at: now)
    }

    /// Nothing is under way.
    public var isCalm: Bool { ring.pending == nil && ring.former.isEmpty }

    /// What is left until the keys before the present one go; `nil` when there are none.
    public func retiring(at now: Instant, _ settings: Settings) -> Duration? {
        guard !ring.former.isEmpty, let inUseSince else { return nil }
        return max(.zero, settings.overlap - (now - inUseSince))
    }

    // MARK: Inputs

    /// Takes over another member's keys.
    ///
    /// - Returns: whether anything changed, and whether this node seals with a key now that it did not know before:
    ///   then the others may not know it either.
    public mutating func merge(_ theirs: Keyring, at now: Instant) -> (isNew: Bool, isUrgent: Bool) {
        let before = ring
        let accepted = retired.map { theirs.since($0) } ?? theirs
        guard !accepted.keys.isEmpty, ring.merge(with: accepted) else { return (false, false) }
        note(at: now, before: before)
        let isKnown = ring.primary.map { before.keys.contains($0) } ?? true
        return (true, !isKnown)
    }

    /// Makes a new key.
    public mutating func begin(createdAt: UInt64, revocations: Int, at now: Instant) throws(GossipError) {
        let before = ring
        try ring.add(createdAt: createdAt, revocations: revocations)
        note(at: now, before: before)
    }

    /// What it is time for.
    ///
    /// - Parameter others: the members that are present besides this one.
    /// - Returns: whether anything changed.
    public mutating func step(_ others: some Collection<Holder>, at now: Instant, _ settings: Settings) -> Bool {
        let before = ring
        if let pending = ring.pending, let pendingSince {
            let isEverywhere = others.allSatisfy { holder in holder.newest.map { $0 >= pending.mark } ?? false }
            if isEverywhere || now - pendingSince >= settings.wait { ring.useNewest() }
        }
        if !ring.former.isEmpty, let inUseSince, let primary = ring.primary, now - inUseSince >= settings.overlap,
            ring == before
        {
            retired = max(retired ?? primary.mark, primary.mark)
            ring = ring.since(primary.mark)
        }
        guard ring != before else { return false }
        note(at: now, before: before)
        return true
    }

    /// Whether a member that is present must be told: it lacks the newest key, or does not know what is in use.
    public func isBehind(_ holder: Holder) -> Bool {
        guard !isCalm, let newest = ring.keys.first, let primary = ring.primary else { return false }
        guard let theirs = holder.newest, let inUse = holder.inUse else { return true }
        return theirs < newest.mark || inUse < primary.mark
    }

    /// Times count from a change on, and only while there is something to wait for.
    private mutating func note(at now: Instant, before: Keyring? = nil) {
        if ring.pending == nil {
            pendingSince = nil
        } else if pendingSince == nil || ring.pending != before?.pending {
            pendingSince = now
        }
        if ring.former.isEmpty {
            inUseSince = nil
        } else if inUseSince == nil || ring.primary != before?.primary {
            inUseSince = now
        }
    }
}
