import GRDB
import NIOConcurrencyHelpers
import Resources
import Vocabulary

/// What a write left: the version that it became, all that is held of the name now, and the groups that changed.
public struct WriteOutcome: Sendable, Hashable {
    public let version: Version
    public let set: VersionSet
    /// As they are now, sorted; one with no names left is included, with `isEmpty`.
    public let groups: [GroupSummary]
}

extension Store {
    /// The time that this node's next version is stamped with, or an earlier one.
    public func time(wallMilliseconds: UInt64) -> HybridTime {
        stamp.withLockedValue { $0.clock.reading(wallMilliseconds: wallMilliseconds) }
    }

    /// What this node has given last: the dot of whatever it writes from now on is later.
    public var lastDot: Dot {
        stamp.withLockedValue { Dot(node: node, epoch: $0.epoch, counter: $0.counter) }
    }

    /// Turns a put or a delete into a version and commits it, in one transaction with the look at its precondition.
    ///
    /// - Parameters:
    ///   - known: what other nodes hold of the name: the write has seen that, too, though it is not kept here.
    ///   - blob: what `IncomingBlob.finish` gave, for a put. It may be left out when a version of this node names the
    ///     same bytes already.
    ///   - isOvertaken: looked at in the transaction, given all that the write will have seen: it is refused as `.overtaken`
    ///     then. It must not wait.
    ///   - committed: called on the writer when it is durable, before anything else can be written: who keeps a picture
    ///     of the catalogue hears of its changes in their order. It must not wait.
    /// - Throws: `.refused` with nothing written; `.missingBlob`; `.full`.
    public func write(
        _ request: WriteRequest, knowing known: VersionSet? = nil, wallMilliseconds: UInt64,
        holding blob: BlobLease? = nil, unless isOvertaken: @escaping @Sendable (VersionSet?) -> Bool = { _ in false },
        committed: @escaping @Sendable (WriteOutcome) -> Void = { _ in }
    ) async throws(StorageError) -> WriteOutcome {
        let own = lease(for: request.content)
        let (node, cluster, path, blobs, stamp) = (node, cluster, catalogue.path, blobs, stamp)
        let begin: @Sendable ((WriteOutcome, Set<ContentDigest>)) -> Void = { result in
            stamp.withLockedValue { $0.begin(result.0.version.dot.epoch) }
            committed(result.0)
        }
        let (outcome, released) = try await catalogue.write("write \(request.name)", committed: begin) { db in
            var change = CatalogueChange(db: db, path: path, cluster: cluster)
            let old = try change.queries.set(of: request.name)
            let seen = known.map { known in old?.set.merged(with: known.versions) ?? known } ?? old?.set
            guard !isOvertaken(seen) else { throw StorageError.refused(.overtaken) }
            let version: Version
            // It counts only when this transaction does: one that fails takes the same again.
            let epoch =
                try stamp.withLockedValue { $0.hasForgotten ? nil : $0.epoch }
                ?? Schema.nextEpoch(db, wallMilliseconds: 0, path: path)
            do {
                version = try stamp.withLockedValue { stamp in
                    // A number that a refused or failed write took is never given again.
                    stamp.counter &+= 1
                    return try request.version(
                        after: seen, dot: Dot(node: node, epoch: epoch, counter: stamp.counter),
                        clock: &stamp.clock, wallMilliseconds: wallMilliseconds)
                }
            } catch let refusal as WriteRequest.Refusal { throw StorageError.refused(refusal) }
            try change.merge([version], into: old) { digest, size in try blobs.has(digest, size: size) }
            let set = old.map { $0.set.merged(with: [version]) } ?? VersionSet(version)
            return (WriteOutcome(version: version, set: set, groups: try change.finish()), change.released)
        }
        own?.commit()
        if blob?.digest == own?.digest { blob?.commit() }
        blobs.suspectUnneeded(released)
        return withExtendedLifetime((own, blob)) { outcome }
    }

    /// Waits until what is being written is durable, or has failed: what was judged before this was asked is to be seen.
    public func settled() async throws(StorageError) {
        try await catalogue.onWriter("wait for what is being written") { _ in }
    }

    /// Merges versions that other nodes made, in one transaction: all of them or none. Callers bound the batch
    /// (1,000 is plenty). Merging what is held already changes nothing.
    ///
    /// - Parameters:
    ///   - leases: what `IncomingBlob.finish` or `lease` gave for their bytes.
    ///   - committed: as for `write`; given what is returned.
    /// - Returns: the groups that changed, as they are now.
    /// - Throws: `.missingBlob` when the bytes of a version that would be kept are not durable here.
    @discardableResult
    public func merge(
        _ versions: [Version], holding leases: [BlobLease] = [],
        committed: @escaping @Sendable ([GroupSummary]) -> Void = { _ in }
    ) async throws(StorageError) -> [GroupSummary] {
        let held = leases + versions.compactMap { lease(for: $0.content) }
        let (cluster, path, blobs, stamp) = (cluster, catalogue.path, blobs, stamp)
        let (groups, released, named) = try await catalogue.write(
            "merge \(versions.count) versions", committed: { committed($0.0) }
        ) { db in
            // What this node writes next comes after all that it knows of, however late its own clock is.
            stamp.withLockedValue { stamp in for version in versions { stamp.clock.observe(version.time) } }
            var change = CatalogueChange(db: db, path: path, cluster: cluster)
            var byName: [ResourceName: [Version]] = [:]
            for version in versions { byName[version.name, default: []].append(version) }
            for (name, versions) in byName.sorted(by: { $0.key < $1.key }) {
                try change.merge(versions, into: try change.queries.set(of: name)) { digest, size in
                    try blobs.has(digest, size: size)
                }
            }
            return (try change.finish(), change.released, change.named)
        }
        // The bytes of versions that the merge did not keep are looked at when their leases go.
        for lease in held where named.contains(lease.digest) { lease.commit() }
        blobs.suspectUnneeded(released)
        withExtendedLifetime(held) {}
        return groups
    }

    /// Removes a group that other nodes hold now (law 2 is the caller's: `Relocation` decides), then its bytes.
    ///
    /// - Parameters:
    ///   - isStillWanted: asked when all that was before in line is done; answered at once.
    ///   - committed: as for `write`; called only when the group was dropped.
    /// - Returns: false, with nothing changed, when the group is no longer what `digest` says, or not to be dropped any more.
    public func drop(
        _ group: GroupKey, ifDigest digest: SetDigest, while isStillWanted: @escaping @Sendable () -> Bool = { true },
        committed: @escaping @Sendable () -> Void = {}
    ) async throws(StorageError) -> Bool {
        let (node, cluster, path, stamp) = (node, cluster, catalogue.path, stamp)
        let released: Set<ContentDigest>? = try await catalogue.write(
            "drop group \(group)", committed: { if $0 != nil { committed() } }
        ) { db in
            var change = CatalogueChange(db: db, path: path, cluster: cluster)
            guard try change.queries.group(group).digest == digest, isStillWanted() else { return nil }
            for set in try change.queries.sets(in: group) {
                stamp.withLockedValue { $0.forgets(set, writtenBy: node) }
                try change.remove(set.name)
            }
            _ = try change.finish()
            return change.released
        }
        guard let released else { return false }
        blobs.suspectUnneeded(released)
        return true
    }

    /// Removes those names of which still exactly this is held: for tombstones that every member has confirmed (law 3 is the
    /// caller's).
    ///
    /// - Parameter committed: as for `merge`.
    public func forget(
        _ sets: [VersionSet], committed: @escaping @Sendable ([GroupSummary]) -> Void = { _ in }
    ) async throws(StorageError) {
        let (node, cluster, path, stamp) = (node, cluster, catalogue.path, stamp)
        let (_, released) = try await catalogue.write(
            "forget \(sets.count) deleted names", committed: { committed($0.0) }
        ) { db in
            var change = CatalogueChange(db: db, path: path, cluster: cluster)
            for set in sets where try change.queries.set(of: set.name)?.set == set {
                stamp.withLockedValue { $0.forgets(set, writtenBy: node) }
                try change.remove(set.name)
            }
            return (try change.finish(), change.released)
        }
        blobs.suspectUnneeded(released)
    }

    /// Waits until no blob is left that nothing needs, as far as it is known now.
    public func collect() async throws(StorageError) { try await collector.settle() }

    /// A lease of the bytes that a version names, whether or not they are here; `nil` for a tombstone.
    private func lease(for content: Version.Content) -> BlobLease? {
        guard case .blob(let digest, let size, _) = content else { return nil }
        return blobs.lease(digest, size: size)
    }
}
