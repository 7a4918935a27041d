import Client
import NIOConcurrencyHelpers
import Storage
import TLS
import Vocabulary

/// Certificates' names that have lost their rights in the whole cluster: a set that only grows, told at every exchange
/// of members, kept on disk. Revoking is rare, so the whole set travels.
final class RevocationList: Sendable {
    private static let storageKey = "revoked"
    /// Past this, renewing the CA is cheaper than carrying the list.
    static let countMax = 10_000

    private let store: Store
    private let names: NIOLockedValueBox<Set<String>>

    init(store: Store) async throws {
        self.store = store
        let saved = try await store.load(Self.storageKey)
        names = NIOLockedValueBox(Set(try saved.map { try API.JSON.decode([String].self, from: $0) } ?? []))
    }

    /// The URI names revoked, sorted.
    var all: [String] { names.withLockedValue { $0.sorted() } }

    func contains(_ name: CertificateName) -> Bool { names.withLockedValue { $0.contains(name.uri) } }

    /// Adds what is new; what is no certificate's name is left out, as is all that does not fit.
    ///
    /// - Returns: whether there was anything new.
    func add(_ uris: [String]) async throws -> Bool {
        let valid = uris.filter { (try? CertificateName(uri: $0)) != nil }
        let changed = names.withLockedValue { names -> [String]? in
            let before = names.count
            for uri in valid where names.count < Self.countMax { names.insert(uri) }
            return names.count == before ? nil : names.sorted()
        }
        guard let changed else { return false }
        try await store.save(API.JSON.encode(changed), for: Self.storageKey)
        return true
    }
}
