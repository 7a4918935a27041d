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

    private let ring: NIOLockedValueBox<Keyring?>
    private let onChange: @Sendable (Keyring) -> Void
    private let saver: LatestSaver

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
        onChange: @escaping @Sendable (Keyring) -> Void, write: @escaping LatestSaver.Write
    ) {
        self.onChange = onChange
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
    func merge(_ other: Keyring) async -> Bool {
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
