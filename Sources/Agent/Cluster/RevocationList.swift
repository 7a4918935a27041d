import Client
import Logging
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

    private struct Names {
        var uris: Set<String>
        /// The nodes among them, for each datagram to be looked up in.
        var nodes: Set<NodeName>

        init(_ uris: Set<String>, _ cluster: ClusterName) {
            self.uris = uris
            nodes = Set(
                uris.compactMap { uri in
                    guard let name = try? CertificateName(uri: uri), name.role == .node, name.cluster == cluster
                    else { return nil }
                    return name.name
                })
        }
    }

    private let cluster: ClusterName
    private let names: NIOLockedValueBox<Names>
    private let saver: LatestSaver

    convenience init(store: Store, cluster: ClusterName, log: Logger) async throws {
        let saved = try await store.load(Self.storageKey)
        let uris = try saved.map { try API.JSON.decode([String].self, from: $0) } ?? []
        self.init(saved: uris, cluster: cluster, log: log) { bytes in try await store.save(bytes, for: Self.storageKey)
        }
    }

    init(
        saved: [String], cluster: ClusterName, log: Logger, pauseFirst: Duration = LatestSaver.pauseFirst,
        write: @escaping LatestSaver.Write
    ) {
        let names = NIOLockedValueBox(Names(Set(saved.filter { Self.isName($0, of: cluster) }), cluster))
        self.cluster = cluster
        self.names = names
        saver = LatestSaver(
            "revocations", log: log, pauseFirst: pauseFirst,
            value: { try API.JSON.encode(names.withLockedValue { $0.uris.sorted() }) }, write: write)
    }

    /// The URI names revoked, sorted.
    var all: [String] { names.withLockedValue { $0.uris.sorted() } }

    var count: Int { names.withLockedValue { $0.uris.count } }

    /// No more can be revoked.
    var isFull: Bool { count >= Self.countMax }

    func contains(_ name: CertificateName) -> Bool { contains(uri: name.uri) }

    func contains(uri: String) -> Bool { names.withLockedValue { $0.uris.contains(uri) } }

    /// Whether the node's certificate of this cluster was revoked.
    func contains(node: NodeName) -> Bool { names.withLockedValue { $0.nodes.contains(node) } }

    var nodesIfAny: Set<NodeName> { names.withLockedValue { $0.nodes } }

    /// Another cluster's names have no rights here to lose, and there are as many as anybody makes up: they would fill the
    /// list.
    private static func isName(_ uri: String, of cluster: ClusterName) -> Bool {
        (try? CertificateName(uri: uri))?.cluster == cluster
    }

    /// Adds what is new; what is no certificate's name of this cluster is left out, as is all that does not fit. What the
    /// disk refuses now is written later: it counts and is told on all the same.
    ///
    /// - Parameter counting: called when there is anything new, as soon as it counts: before the disk has it.
    /// - Returns: whether there was anything new.
    func add(_ uris: [String], counting: () -> Void = {}) async -> Bool {
        let valid = uris.filter { Self.isName($0, of: cluster) }
        let isNew = names.withLockedValue { names in
            let before = names.uris.count
            for uri in valid where names.uris.count < Self.countMax { names.uris.insert(uri) }
            guard names.uris.count != before else { return false }
            names = Names(names.uris, cluster)
            return true
        }
        guard isNew else { return false }
        counting()
        await saver.save()
        return true
    }
}
