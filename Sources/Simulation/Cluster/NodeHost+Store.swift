import Node
import Relocation
import Resources
import Vocabulary

// The store: one writer, whose transactions are seen when they are synced, and bytes that are kept while a version or a
// lease needs them.

extension NodeHost {
    enum Work: Sendable {
        case merge([Version])
        /// - seen: what others hold of the name.
        /// - told: what this node was told of by others before the write was judged.
        case write(WriteRequest, seen: VersionSet?, told: Set<Dot>)
        case drop(GroupKey, SetDigest)
        /// Names of which nothing but this is held.
        case forget([VersionSet])
    }

    enum Done: Sendable {
        /// The groups that changed, as they are now.
        case merged([GroupSummary])
        case wrote(Version, [GroupSummary])
        case refused(WriteRequest.Refusal)
        case dropped(Bool)
        /// The disk is full, or bytes are missing.
        case failed
    }

    struct Transaction: Sendable {
        let work: Work
        let then: @Sendable (inout NodeHost, Done, inout HostContext<NodeHost>) -> Void
    }

    mutating func transact(
        _ work: Work, _ context: inout Context,
        then: @escaping @Sendable (inout NodeHost, Done, inout HostContext<NodeHost>) -> Void
    ) {
        transactions.append(Transaction(work: work, then: then))
        nextTransaction(&context)
    }

    private mutating func nextTransaction(_ context: inout Context) {
        guard !isWriting, !transactions.isEmpty else { return }
        isWriting = true
        let transaction = transactions.removeFirst()
        switch transaction.work {
        case .merge(let versions):
            merge(versions, &context, transaction.then) { groups in .merged(groups) }
        case .write(let request, let seen, let told):
            let old = context.disk.durable.sets[request.name]
            let all = seen.map { old?.merged(with: $0.versions) ?? $0 } ?? old
            guard
                !request.dependsOnState || !machine.isOvertaken(writeOf: request.name, seen: all, told: told)
            else { return finish(.refused(.overtaken), transaction.then, &context) }
            writeCounter += 1
            if hasForgotten { beginEpoch(&context) }
            let dot = lastDot
            do {
                let honest = try request.version(
                    after: all, dot: dot, clock: &hybridClock, wallMilliseconds: context.wallMilliseconds)
                let version = spoiled(honest, wallMilliseconds: context.wallMilliseconds)
                merge([version], &context, transaction.then) { groups in .wrote(version, groups) }
            } catch {
                finish(.refused(error), transaction.then, &context)
            }
        case .drop(let key, let digest):
            guard context.disk.durable.summary(of: key, cluster).digest == digest,
                has(.dropsUnconfirmed) || machine.mayStillDrop(key, digest, at: context.now)
            else {
                return finish(.dropped(false), transaction.then, &context)
            }
            let sets = context.disk.durable.sets(in: key, cluster)
            if sets.contains(where: { $0.tells(ofWritesBy: name, in: writeEpoch) }) { hasForgotten = true }
            commit(changed: [], removed: sets.map(\.name), &context, transaction.then) { _ in .dropped(true) }
        case .forget(let sets):
            let held = sets.filter { context.disk.durable.sets[$0.name] == $0 }
            guard !held.isEmpty else { return finish(.merged([]), transaction.then, &context) }
            if held.contains(where: { $0.tells(ofWritesBy: name, in: writeEpoch) }) { hasForgotten = true }
            context.observe(.collected(held))
            commit(changed: [], removed: held.map(\.name), &context, transaction.then) { groups in .merged(groups) }
        }
    }

    /// The one that was given last.
    var lastDot: Dot { Dot(node: name, epoch: has(.reusesDots) ? 1 : writeEpoch, counter: writeCounter) }

    private mutating func beginEpoch(_ context: inout Context) {
        // On a disk too full for it the write fails, too.
        guard (try? context.disk.write(.epoch(writeEpoch + 1))) != nil else { return }
        writeEpoch += 1
        hasForgotten = false
    }

    private mutating func merge(
        _ versions: [Version], _ context: inout Context,
        _ then: @escaping @Sendable (inout NodeHost, Done, inout HostContext<NodeHost>) -> Void,
        _ done: @escaping @Sendable ([GroupSummary]) -> Done
    ) {
        let durable = context.disk.durable
        for version in versions { hybridClock.observe(version.time) }
        var changed: [VersionSet] = []
        var outrun: [Version] = []
        for version in versions {
            let old = durable.sets[version.name]
            let merged = merge(old, version)
            if let least = merged.versions.last, merged.versions.count == VersionSet.versionCountMax {
                outrun += (old?.versions ?? []).filter {
                    merged.version($0.dot) == nil && Version.precedes($0, least)
                }
            }
            guard merged != old else { continue }
            if merged.version(version.dot) != nil, let digest = version.digest, durable.blobs[digest] == nil,
                !has(.pullsNoBytes)
            {
                return finish(.failed, then, &context)
            }
            changed.append(merged)
        }
        guard !changed.isEmpty else { return finish(done([]), then, &context) }
        commit(
            changed: changed, removed: [], &context,
            { [outrun] host, done, context in
                for version in outrun { context.observe(.outran(version)) }
                then(&host, done, &context)
            }, done)
    }

    private mutating func commit(
        changed: [VersionSet], removed: [ResourceName], _ context: inout Context,
        _ then: @escaping @Sendable (inout NodeHost, Done, inout HostContext<NodeHost>) -> Void,
        _ done: @escaping @Sendable ([GroupSummary]) -> Done
    ) {
        let cluster = cluster
        let before = (changed.map(\.name) + removed).compactMap { context.disk.durable.sets[$0] }
        do {
            try context.disk.write(.sets(changed: changed, removed: removed))
        } catch {
            return finish(has(.ignoresFullDisk) ? done([]) : .failed, then, &context)
        }
        let keys = Set((before + changed).map { $0.group(in: cluster) }).sorted()
        let released = Set(before.flatMap { $0.versions.compactMap(\.digest) }).sorted()
        if has(.writesUnsynced) {
            return finish(done(keys.map { context.disk.durable.summary(of: $0, cluster) }), then, &context)
        }
        sync(&context) { host, context in
            let groups = keys.map { context.disk.durable.summary(of: $0, cluster) }
            host.collect(released, &context)
            host.finish(done(groups), then, &context)
        }
    }

    private mutating func finish(
        _ done: Done, _ then: @Sendable (inout NodeHost, Done, inout HostContext<NodeHost>) -> Void,
        _ context: inout Context
    ) {
        isWriting = false
        then(&self, done, &context)
        nextTransaction(&context)
    }

    // MARK: Bytes

    typealias Obtained = @Sendable (inout NodeHost, Convergence.PullEnd, inout HostContext<NodeHost>) -> Void

    mutating func lease(_ digest: ContentDigest) { leases[digest, default: 0] += 1 }

    mutating func release(_ digest: ContentDigest?, _ context: inout Context) {
        guard let digest, let count = leases[digest] else { return }
        leases[digest] = count > 1 ? count - 1 : nil
        collect([digest], &context)
    }

    func collect(_ digests: [ContentDigest], _ context: inout Context) {
        let unneeded = digests.filter {
            leases[$0] == nil && context.disk.durable.blobs[$0] != nil
                && (has(.collectsShared) || !context.disk.durable.needs($0))
        }
        guard !unneeded.isEmpty else { return }
        // Freeing always succeeds. At once, so that nobody counts on bytes that are about to go.
        try? context.disk.write(.removeBlobs(unneeded))
        context.disk.syncNow()
    }

    /// Makes bytes that just came durable; the lease is the caller's then.
    mutating func keep(
        _ digest: ContentDigest, size: UInt64, _ context: inout Context,
        then: @escaping @Sendable (inout NodeHost, Bool, inout HostContext<NodeHost>) -> Void
    ) {
        lease(digest)
        do {
            try context.disk.write(.blob(digest, size: size))
        } catch {
            if has(.ignoresFullDisk) { return then(&self, true, &context) }
            release(digest, &context)
            return then(&self, false, &context)
        }
        sync(&context) { host, context in then(&host, true, &context) }
    }

    /// The bytes of a version, from whoever has them: durable here, and leased, when `then` is told `.durable`.
    mutating func obtain(
        _ content: Version.Content, from holders: [NodeName], _ context: inout Context,
        then: @escaping Obtained
    ) {
        guard case .blob(let digest, let size, _) = content else { return then(&self, .durable, &context) }
        if has(.pullsNoBytes) || mayRead(digest, &context) {
            lease(digest)
            return then(&self, .durable, &context)
        }
        let isUnderWay = pulls[digest] != nil
        pulls[digest, default: []].append(then)
        if !isUnderWay { fetch(digest, size: size, from: holders[...], &context) }
    }

    private mutating func fetch(
        _ digest: ContentDigest, size: UInt64, from holders: ArraySlice<NodeName>, _ context: inout Context
    ) {
        guard let holder = holders.first else { return fetched(digest, .unavailable, &context) }
        call(holder, .blob(digest), within: Self.transferLimit(size), &context) { host, response, context in
            guard case .blob = response else {
                return host.fetch(digest, size: size, from: holders.dropFirst(), &context)
            }
            host.keep(digest, size: size, &context) { host, isKept, context in
                host.fetched(digest, isKept ? .durable : .refused, &context)
                if isKept { host.release(digest, &context) }
            }
        }
    }

    private mutating func fetched(_ digest: ContentDigest, _ end: Convergence.PullEnd, _ context: inout Context) {
        for waiter in pulls.removeValue(forKey: digest) ?? [] {
            if end == .durable { lease(digest) }
            waiter(&self, end, &context)
        }
    }

    static func transferLimit(_ bytes: UInt64) -> Duration { .seconds(10 + Int64(clamping: bytes / 1_048_576)) }
}
