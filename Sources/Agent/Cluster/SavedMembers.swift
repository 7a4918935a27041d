import Client
import Logging
import NIOConcurrencyHelpers
import SWIM
import Storage
import Vocabulary

/// The members of this node's earlier lives: whom to ask for the way in, and who may have gone on without it.
///
/// Who was not met in this life is not forgotten for that: it may be on the other side of a cut that lasted longer than
/// a restart.
final class SavedMembers: Sendable {
    private static let storageKey = "members"
    /// Of those not met in this life; each is an address that is tried now and then.
    static let unmetMax = 256

    private let me: NodeName
    private let unmetBox: NIOLockedValueBox<[Claim]>
    /// Those remembered at the start that were members then, by name: owners still, as far as is known.
    var atStart: [NodeName] { atStartBox.withLockedValue { $0 } }
    private let atStartBox: NIOLockedValueBox<[NodeName]>
    private let write: LatestSaver.Write

    convenience init(store: Store, me: NodeName, log: Logger) async throws {
        var claims: [Claim] = []
        if let bytes = try await store.load(Self.storageKey) {
            do { claims = try API.JSON.decode([Claim].self, from: bytes) } catch {
                log.warning("could not read the saved members; going on without", metadata: ["error": "\(error)"])
            }
        }
        self.init(claims, me: me) { bytes in try await store.save(bytes, for: Self.storageKey) }
    }

    init(_ claims: [Claim], me: NodeName, write: @escaping LatestSaver.Write) {
        self.me = me
        self.write = write
        let others = claims.filter { $0.name != me && $0.status != .left }
        // The crashed last: should there be too many, they are the likeliest to be gone.
        let kept = (others.filter { !$0.status.isDeparted } + others.filter(\.status.isDeparted)).prefix(Self.unmetMax)
        unmetBox = NIOLockedValueBox(Array(kept))
        atStartBox = NIOLockedValueBox(kept.filter { !$0.status.isDeparted }.map(\.name).sorted())
    }

    /// Remembered, and not met in this life.
    var unmet: [Claim] { unmetBox.withLockedValue { $0 } }

    func remembers(_ name: NodeName) -> Bool { unmet.contains { $0.name == name } }

    func forget(_ name: NodeName) {
        unmetBox.withLockedValue { $0.removeAll { $0.name == name } }
        atStartBox.withLockedValue { $0.removeAll { $0 == name } }
    }

    /// Writes down the members known now, and those remembered that were not met.
    func save(_ current: [Claim]) async throws {
        let met = Set(current.map(\.name))
        let unmet = unmetBox.withLockedValue { unmet in
            unmet.removeAll { met.contains($0.name) }
            return unmet
        }
        try await write(API.JSON.encode(current + unmet))
    }
}
