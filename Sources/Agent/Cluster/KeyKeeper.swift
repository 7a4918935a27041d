import Client
import Gossip
import Logging
import NIOConcurrencyHelpers
import Storage
import Vocabulary

/// The cluster keys of this node: created by the first one, handed over at a join, rotated online, kept on disk, given to
/// the gossip port at every change (DESIGN §4). No secret is copied by hand besides the certificate.
final class KeyKeeper: Sendable {
    private static let storageKey = "keyring"

    /// Clocks of hosts differ by less. Keys from beyond it would stay the greatest whatever is rotated, and four of them
    /// would push out all others.
    static let aheadMax = ClaimVerifier.epochAheadMax

    /// What the disk keeps.
    struct Saved: Codable, Sendable, Hashable {
        var keys: Keyring
        /// Keys before this one are not taken again.
        var retired: KeyMark?

        init(keys: Keyring, retired: KeyMark? = nil) {
            self.keys = keys
            self.retired = retired
        }

        /// Also of an agent from before keys were rotated: the list of the keys alone.
        init(from bytes: [UInt8]) throws {
            do {
                self = try API.JSON.decode(Saved.self, from: bytes)
            } catch {
                guard let keys = try? API.JSON.decode(Keyring.self, from: bytes) else { throw error }
                self.init(keys: keys)
            }
        }
    }

    private let box: NIOLockedValueBox<KeyRotation?>
    private let onChange: @Sendable (Keyring) -> Void
    private let saver: LatestSaver
    private let wallMilliseconds: @Sendable () -> UInt64
    private let log: Logger
    let settings: KeyRotation.Settings
    /// Said once in a life: such keys come with every exchange.
    private let hasSaidAhead = NIOLockedValueBox(false)

    /// Takes the keys of the last start, if there were any.
    ///
    /// - Parameter onChange: called in the order of the changes; it must not wait, nor call back.
    convenience init(
        store: Store, settings: KeyRotation.Settings, log: Logger, onChange: @escaping @Sendable (Keyring) -> Void
    ) async throws {
        let saved = try await store.load(Self.storageKey).map { try Saved(from: $0) }
        self.init(saved: saved, settings: settings, log: log, onChange: onChange) { bytes in
            try await store.save(bytes, for: Self.storageKey)
        }
    }

    init(
        saved: Saved?, settings: KeyRotation.Settings = .init(), log: Logger,
        pauseFirst: Duration = LatestSaver.pauseFirst,
        wallMilliseconds: @escaping @Sendable () -> UInt64 = { WallClock.milliseconds },
        onChange: @escaping @Sendable (Keyring) -> Void, write: @escaping LatestSaver.Write
    ) {
        self.onChange = onChange
        self.wallMilliseconds = wallMilliseconds
        self.settings = settings
        self.log = log
        let rotation = saved.flatMap { saved in
            saved.keys.keys.isEmpty
                ? nil : KeyRotation(ring: saved.keys, retired: saved.retired, at: NodeDriver.now)
        }
        let box = NIOLockedValueBox(rotation)
        self.box = box
        saver = LatestSaver(
            "cluster keys", log: log, pauseFirst: pauseFirst,
            value: {
                try box.withLockedValue { $0 }.map {
                    try API.JSON.encode(Saved(keys: $0.ring, retired: $0.retired))
                }
            }, write: write)
        if let current { onChange(current) }
    }

    var rotation: KeyRotation? { box.withLockedValue { $0 } }
    var current: Keyring? { rotation?.ring }

    /// A node that has nobody to get a key from makes the cluster's first one.
    ///
    /// - Parameter revocations: nodes whose certificates have been revoked.
    func createIfNeeded(revocations: Int) async throws -> Keyring {
        if let current { return current }
        let fresh = try Keyring.create(createdAt: WallClock.milliseconds, revocations: revocations)
        let (kept, isNew) = change { rotation in
            if let rotation { return (rotation.ring, false) }
            rotation = KeyRotation(ring: fresh, at: NodeDriver.now)
            return (fresh, true)
        }
        if isNew { await saver.save() }
        return kept
    }

    /// Adds what another member of the cluster knows. What the disk refuses now is written later: a key that this node
    /// uses is told on all the same.
    ///
    /// - Returns: whether this node seals with a key now that it did not know before: others may not know it either.
    func merge(_ theirs: Keyring) async -> Bool {
        let other = withoutThoseAhead(theirs)
        // A newcomer has none yet. An empty ring must not pass for one: two newcomers would never make a key.
        guard !other.keys.isEmpty else { return false }
        let (isNew, isUrgent) = change { rotation in
            guard var mine = rotation else {
                rotation = KeyRotation(ring: other, at: NodeDriver.now)
                return (true, true)
            }
            let result = mine.merge(other, at: NodeDriver.now)
            rotation = mine
            return result
        }
        if isNew { await saver.save() }
        return isUrgent
    }

    /// Makes a new key, which nobody seals with before the others have it.
    ///
    /// - Parameter joining: a rotation that is under way is as good: no other is begun.
    /// - Returns: the key on its way into use, and whether it was made now. `nil` before this node has any.
    func begin(revocations: Int, joining: Bool) async throws -> (key: ClusterKey, isNew: Bool)? {
        let createdAt = wallMilliseconds()
        let (begun, isNew) = try change { rotation throws -> (ClusterKey?, Bool) in
            guard var mine = rotation else { return (nil, false) }
            if joining, let pending = mine.ring.pending { return (pending, false) }
            try mine.begin(createdAt: createdAt, revocations: revocations, at: NodeDriver.now)
            rotation = mine
            return (mine.ring.keys.first, true)
        }
        if isNew { await saver.save() }
        return begun.map { ($0, isNew) }
    }

    /// Lets the rotation go on, where it is time for that.
    ///
    /// - Returns: the keys as they were, when they are others now.
    func step(_ others: [KeyRotation.Holder]) async -> (before: Keyring, now: Keyring)? {
        let settings = settings
        let rings: (Keyring, Keyring)? = change { rotation in
            guard var mine = rotation else { return nil }
            let before = mine.ring
            guard mine.step(others, at: NodeDriver.now, settings) else { return nil }
            rotation = mine
            return (before, mine.ring)
        }
        guard let rings else { return nil }
        await saver.save()
        return rings
    }

    private func withoutThoseAhead(_ theirs: Keyring) -> Keyring {
        let (latest, isBeyond) = wallMilliseconds().addingReportingOverflow(Self.aheadMax)
        let kept = isBeyond ? theirs : theirs.made(until: latest)
        if kept != theirs,
            !hasSaidAhead.withLockedValue({ hasSaid in
                defer { hasSaid = true }
                return hasSaid
            })
        {
            log.warning(
                "a member has cluster keys from more than a day ahead; they are not taken: compare the clocks of the hosts",
                metadata: ["keys": "\(theirs.keys.filter { !kept.keys.contains($0) })"])
        }
        return kept
    }

    /// Changes the ring and hands it on in one step: the gossip port must not end with an earlier one.
    private func change<T>(_ body: (inout KeyRotation?) throws -> T) rethrows -> T {
        try box.withLockedValue { rotation in
            let before = rotation?.ring
            let result = try body(&rotation)
            if let ring = rotation?.ring, ring != before { onChange(ring) }
            return result
        }
    }
}
