import Client
import Gossip
import Logging
import NIOConcurrencyHelpers
import Storage
import Vocabulary

/// The cluster keys of this node: created by the first one, handed over at a join, kept on disk, given to the gossip
/// port at every change (DESIGN §4). No secret is copied by hand besides the certificate.
final class KeyKeeper: Sendable {
    private static let storageKey = "keyring"

    /// Clocks of hosts differ by less. Keys from beyond it would stay the greatest whatever is rotated, and four of them
    /// would push out all others.
    static let aheadMax = ClaimVerifier.epochAheadMax

    private let ring: NIOLockedValueBox<Keyring?>
    private let onChange: @Sendable (Keyring) -> Void
    private let saver: LatestSaver
    private let wallMilliseconds: @Sendable () -> UInt64
    private let log: Logger
    /// Said once in a life: such keys come with every exchange.
    private let hasSaidAhead = NIOLockedValueBox(false)

    /// Takes the keys of the last start, if there were any.
    ///
    /// - Parameter onChange: called in the order of the changes; it must not wait, nor call back.
    convenience init(store: Store, log: Logger, onChange: @escaping @Sendable (Keyring) -> Void) async throws {
        let saved = try await store.load(Self.storageKey)
        let keyring = try saved.map { try API.JSON.decode(Keyring.self, from: $0) }
        self.init(saved: keyring, log: log, onChange: onChange) { bytes in
            try await store.save(bytes, for: Self.storageKey)
        }
    }

    init(
        saved: Keyring?, log: Logger, pauseFirst: Duration = LatestSaver.pauseFirst,
        wallMilliseconds: @escaping @Sendable () -> UInt64 = { WallClock.milliseconds },
        onChange: @escaping @Sendable (Keyring) -> Void, write: @escaping LatestSaver.Write
    ) {
        self.onChange = onChange
        self.wallMilliseconds = wallMilliseconds
        self.log = log
        let ring = NIOLockedValueBox(saved.flatMap { $0.keys.isEmpty ? nil : $0 })
        self.ring = ring
        saver = LatestSaver(
            "cluster keys", log: log, pauseFirst: pauseFirst,
            value: { try ring.withLockedValue { $0 }.map { try API.JSON.encode($0) } }, write: write)
        if let current { onChange(current) }
    }

    var current: Keyring? { ring.withLockedValue { $0 } }

    /// A node that has nobody to get a key from makes the cluster's first one.
    func createIfNeeded() async throws -> Keyring {
        if let current { return current }
        let fresh = try Keyring.create(createdAt: WallClock.milliseconds)
        let (kept, isNew) = change { ring in
            if let ring { return (ring, false) }
            ring = fresh
            return (fresh, true)
        }
        if isNew { await saver.save() }
        return kept
    }

    /// Adds what another member of the cluster knows. What the disk refuses now is written later: a key that this node
    /// uses is told on all the same.
    ///
    /// - Returns: whether there was anything new.
    func merge(_ theirs: Keyring) async -> Bool {
        let other = withoutThoseAhead(theirs)
        // A newcomer has none yet. An empty ring must not pass for one: two newcomers would never make a key.
        guard !other.keys.isEmpty else { return false }
        let isNew = change { ring in
            guard var mine = ring else {
                ring = other
                return true
            }
            guard mine.merge(with: other) else { return false }
            ring = mine
            return true
        }
        if isNew { await saver.save() }
        return isNew
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
    private func change<T>(_ body: (inout Keyring?) -> T) -> T {
        ring.withLockedValue { ring in
            let before = ring
            let result = body(&ring)
            if let ring, ring != before { onChange(ring) }
            return result
        }
    }
}
