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
    /// Who crashed and was absent for so long, in however many lives of this node, is called no more: what a node that
    /// runs all the while keeps of the departed, and then of the forgotten.
    static let absentKeep: Duration = {
        let settings = Membership.Settings()
        return settings.departedKeep + settings.forgottenKeep
    }()

    private let me: NodeName
    private let unmetBox: NIOLockedValueBox<[Claim]>
    /// Since when each is known to be absent, in milliseconds of the wall clock.
    private let absentSinceBox: NIOLockedValueBox<[NodeName: UInt64]>
    private let wallMilliseconds: @Sendable () -> UInt64
    /// Those remembered at the start that were members then, by name: owners still, as far as is known.
    var atStart: [NodeName] { atStartBox.withLockedValue { $0 } }
    private let atStartBox: NIOLockedValueBox<[NodeName]>
    private let write: LatestSaver.Write

    convenience init(store: Store, me: NodeName, log: Logger) async throws {
        var bytes = try await store.load(Self.storageKey) ?? []
        do { _ = try Self.decode(bytes) } catch {
            log.warning("could not read the saved members; going on without", metadata: ["error": "\(error)"])
            bytes = []
        }
        try self.init(bytes, me: me) { bytes in try await store.save(bytes, for: Self.storageKey) }
    }

    /// - Parameter bytes: what `save` wrote in the life before; none in the first.
    /// - Throws: `DecodingError` for other bytes.
    init(
        _ bytes: [UInt8], me: NodeName, wallMilliseconds: @escaping @Sendable () -> UInt64 = { WallClock.milliseconds },
        write: @escaping LatestSaver.Write
    ) throws {
        self.me = me
        self.write = write
        self.wallMilliseconds = wallMilliseconds
        let now = wallMilliseconds()
        let keep = UInt64(clamping: Self.absentKeep.components.seconds) * 1000
        let others = try Self.decode(bytes).filter { saved in
            guard saved.claim.name != me, saved.claim.status != .left else { return false }
            // A clock that was set back makes nobody absent for longer; and one that was wrong for a while strikes nobody
            // off who was a member then, and is waited for.
            guard saved.claim.status.isDeparted, let since = saved.absentSince, since <= now else { return true }
            return now - since < keep
        }
        absentSinceBox = NIOLockedValueBox(
            Dictionary(others.compactMap { saved in saved.absentSince.map { (saved.claim.name, $0) } }) { min($0, $1) })
        // The crashed last: should there be too many, they are the likeliest to be gone.
        let claims = others.map(\.claim)
        let kept = (claims.filter { !$0.status.isDeparted } + claims.filter(\.status.isDeparted)).prefix(Self.unmetMax)
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
        let absent = Set((current.filter(\.status.isDeparted) + unmet).map(\.name))
        let now = wallMilliseconds()
        let absentSince = absentSinceBox.withLockedValue { since in
            since = since.filter { absent.contains($0.key) }
            for name in absent where since[name] == nil { since[name] = now }
            return since
        }
        let all = (current + unmet).map { SavedMember(claim: $0, absentSince: absentSince[$0.name]) }
        try await write(API.JSON.encode(all))
    }

    private static func decode(_ bytes: [UInt8]) throws -> [SavedMember] {
        bytes.isEmpty ? [] : try API.JSON.decode([SavedMember].self, from: bytes)
    }
}

/// A claim on disk, and, of one who is not there, since when.
private struct SavedMember: Codable {
    let claim: Claim
    /// Milliseconds of the wall clock.
    let absentSince: UInt64?

    private enum CodingKeys: String, CodingKey {
        case absentSince = "absent_since_ms"
    }

    init(claim: Claim, absentSince: UInt64?) {
        self.claim = claim
        self.absentSince = absentSince
    }

    init(from decoder: any Decoder) throws {
        claim = try Claim(from: decoder)
        absentSince = try decoder.container(keyedBy: CodingKeys.self)
            .decodeIfPresent(UInt64.self, forKey: .absentSince)
    }

    func encode(to encoder: any Encoder) throws {
        try claim.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(absentSince, forKey: .absentSince)
    }
}
