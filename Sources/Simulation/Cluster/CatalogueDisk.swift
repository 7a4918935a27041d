import Relocation
import Resources
import SWIM
import Vocabulary

/// What an agent's data folder holds, as a value: the catalogue, the bytes (by digest and size only), the boot epoch
/// and the members last known.
///
/// What is visible to the agent is `SimulatedDisk.durable`: SQLite shows a transaction when it is committed, which is
/// when it is synced, and a blob has its name when it is synced.
public struct CatalogueDisk: DiskState {
    public enum Write: Sendable {
        case epoch(UInt64)
        case claims([Claim])
        case acquaintances(Acquaintances)
        case blob(ContentDigest, size: UInt64)
        case removeBlobs([ContentDigest])
        /// One transaction on the catalogue.
        case sets(changed: [VersionSet], removed: [ResourceName])
    }

    public private(set) var epoch: UInt64 = 0
    public private(set) var claims: [Claim] = []
    public private(set) var acquaintances = Acquaintances()
    public private(set) var blobs: [ContentDigest: UInt64] = [:]
    /// Those of `blobs` whose bytes are not what they were, or not all of them.
    public private(set) var rotten: Set<ContentDigest> = []
    public private(set) var sets: [ResourceName: VersionSet] = [:]
    public private(set) var byteCount = 0

    public init() {}

    public mutating func apply(_ write: Write) {
        byteCount += growth(of: write)
        switch write {
        case .epoch(let epoch): self.epoch = epoch
        case .claims(let claims): self.claims = claims
        case .acquaintances(let met): acquaintances = met
        case .blob(let digest, let size):
            blobs[digest] = size
            rotten.remove(digest)
        case .removeBlobs(let digests):
            for digest in digests { blobs[digest] = nil }
            rotten.subtract(digests)
        case .sets(let changed, let removed):
            for set in changed { sets[set.name] = set }
            for name in removed { sets[name] = nil }
        }
    }

    public func growth(of write: Write) -> Int {
        switch write {
        case .epoch: epoch == 0 ? 8 : 0
        case .claims(let new): Self.size(new) - Self.size(claims)
        case .acquaintances(let new): 16 * (new.known.count - acquaintances.known.count)
        case .blob(let digest, let size): blobs[digest] == nil ? Int(clamping: size) : 0
        case .removeBlobs(let digests): -digests.reduce(0) { $0 + Int(clamping: blobs[$1] ?? 0) }
        case .sets(let changed, let removed):
            changed.reduce(0) { $0 + rowBytes * ($1.versions.count - (sets[$1.name]?.versions.count ?? 0)) }
                - removed.reduce(0) { $0 + rowBytes * (sets[$1]?.versions.count ?? 0) }
        }
    }

    private var rowBytes: Int { 200 }
    private static func size(_ claims: [Claim]) -> Int { claims.reduce(0) { $0 + $1.wireSize } }

    /// A bit of these bytes changes, or some of them are gone.
    public mutating func rot(_ digest: ContentDigest) {
        if blobs[digest] != nil { rotten.insert(digest) }
    }

    // MARK: Looking in

    public func sets(in key: GroupKey, _ cluster: ClusterName) -> [VersionSet] {
        sets.values.filter { $0.group(in: cluster) == key }.sorted { $0.name < $1.name }
    }

    public func summary(of key: GroupKey, _ cluster: ClusterName) -> GroupSummary {
        var summary = GroupSummary(key: key)
        for set in sets(in: key, cluster) { summary.add(set) }
        return summary
    }

    public func groups(_ cluster: ClusterName) -> [GroupSummary] {
        Set(sets.values.map { $0.group(in: cluster) }).sorted().map { summary(of: $0, cluster) }
    }

    /// The versions that are served, by name; or so many that were written last.
    func live(_ last: Int? = nil) -> [Version] {
        let live = sets.values.compactMap(\.live)
        guard let last else { return live.sorted { $0.name < $1.name } }
        return Array(live.sorted { Version.precedes($1, $0) }.prefix(last))
    }

    public func needs(_ digest: ContentDigest) -> Bool {
        sets.values.contains { $0.versions.contains { $0.digest == digest } }
    }

    /// Whether the version, or what made it unneeded, is here with its bytes.
    public func holds(_ version: Version) -> Bool {
        guard let set = sets[version.name], set.dominates(VersionSet(version)) else { return false }
        guard let kept = set.version(version.dot), let digest = kept.digest else { return true }
        return isWhole(digest)
    }

    /// Whether the bytes are here, right, and here to stay: those of a write under way go with it.
    public func keeps(_ digest: ContentDigest) -> Bool { isWhole(digest) && needs(digest) }

    /// Whether the bytes are here, and right.
    public func isWhole(_ digest: ContentDigest) -> Bool { blobs[digest] != nil && !rotten.contains(digest) }
}
