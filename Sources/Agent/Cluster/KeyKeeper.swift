import Client
import Gossip
import NIOConcurrencyHelpers
import Storage
import Vocabulary

/// The cluster keys of this node: created by the first one, handed over at a join, kept on disk, given to the gossip
/// port at every change (DESIGN §4). No secret is copied by hand besides the certificate.
final class KeyKeeper: Sendable {
    private static let storageKey = "keyring"

    private let store: Store
    private let ring: NIOLockedValueBox<Keyring?>
    private let onChange: @Sendable (Keyring) -> Void

    /// Takes the keys of the last start, if there were any.
    init(store: Store, onChange: @escaping @Sendable (Keyring) -> Void) async throws {
        self.store = store
        self.onChange = onChange
        let saved = try await store.load(Self.storageKey)
        let keyring = try saved.map { try API.JSON.decode(Keyring.self, from: $0) }
        ring = NIOLockedValueBox(keyring.flatMap { $0.keys.isEmpty ? nil : $0 })
        if let current = ring.withLockedValue({ $0 }) { onChange(current) }
    }

    var current: Keyring? { ring.withLockedValue { $0 } }

    /// A node that has nobody to get a key from makes the cluster's first one.
    func createIfNeeded() async throws -> Keyring {
        if let current { return current }
        let fresh = try Keyring.create(createdAt: WallClock.milliseconds)
        let (kept, isNew) = ring.withLockedValue { ring in
            if let ring { return (ring, false) }
            ring = fresh
            return (fresh, true)
        }
        if isNew { try await keep(kept) }
        return kept
    }

    /// Adds what another member of the cluster knows.
    ///
    /// - Returns: whether there was anything new.
    func merge(_ other: Keyring) async throws -> Bool {
        // A newcomer has none yet. An empty ring must not pass for one: two newcomers would never make a key.
        guard !other.keys.isEmpty else { return false }
        let changed = ring.withLockedValue { ring -> Keyring? in
            guard var mine = ring else {
                ring = other
                return other
            }
            guard mine.merge(with: other) else { return nil }
            ring = mine
            return mine
        }
        guard let changed else { return false }
        try await keep(changed)
        return true
    }

    private func keep(_ keyring: Keyring) async throws {
        onChange(keyring)
        try await store.save(API.JSON.encode(keyring), for: Self.storageKey)
    }
}
