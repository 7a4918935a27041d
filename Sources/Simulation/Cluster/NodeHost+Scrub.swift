import Node
import Relocation
import Resources
import Vocabulary

// Bytes that are not what they should be: the counterparts of the agent's ScrubService and BlobRepairs.

extension NodeHost {
    /// A real disk is read through in days. That is too seldom for a minute's run, and what a read meets is the same.
    private static var scrubInterval: Duration { .seconds(20) }
    private static var repairInterval: Duration { .seconds(5) }

    /// What an earlier life set aside and did not get again, and from now on what the scrub finds.
    mutating func beginScrubbing(_ context: inout Context) {
        guard configuration.scrubs else { return }
        let disk = context.disk.durable
        lacks = Set(disk.sets.values.flatMap { $0.versions.compactMap(\.digest) }).filter { disk.blobs[$0] == nil }
        tellLacks(&context)
        scrubLater(&context)
        repairLater(&context)
    }

    private mutating func scrubLater(_ context: inout Context) {
        after(Self.scrubInterval, &context) { host, context in
            for digest in context.disk.durable.rotten.sorted() { host.setAside(digest, &context) }
            host.scrubLater(&context)
        }
    }

    private mutating func repairLater(_ context: inout Context) {
        after(Self.repairInterval, &context) { host, context in
            for digest in host.lacks.sorted() { host.repair(digest, &context) }
            host.repairLater(&context)
        }
    }

    /// Whether the bytes can be read. What is wrong with them is found by that, as an agent finds it by their digest.
    mutating func mayRead(_ digest: ContentDigest, _ context: inout Context) -> Bool {
        if has(.trustsItsDisk) { return context.disk.durable.blobs[digest] != nil }
        if context.disk.durable.rotten.contains(digest) { setAside(digest, &context) }
        return context.disk.durable.blobs[digest] != nil
    }

    private mutating func setAside(_ digest: ContentDigest, _ context: inout Context) {
        try? context.disk.write(.removeBlobs([digest]))
        context.disk.syncNow()
        guard context.disk.durable.needs(digest), !has(.vouchesForWhatItLacks) else { return }
        lacks.insert(digest)
        tellLacks(&context)
        repair(digest, &context)
    }

    private mutating func repair(_ digest: ContentDigest, _ context: inout Context) {
        let disk = context.disk.durable
        let needing = disk.sets.values.filter { $0.versions.contains { $0.digest == digest } }
        let versions = needing.flatMap(\.versions)
        guard disk.blobs[digest] == nil, let version = versions.first(where: { $0.digest == digest }) else {
            lacks.remove(digest)
            return tellLacks(&context)
        }
        let groups = Set(needing.map { $0.group(in: cluster) }).sorted()
        let likely = Set(groups.flatMap { machine.convergence.likelyHolders(of: $0) })
        let view = machine.convergence.view
        let holders =
            likely.filter { $0 != name && view.canCall($0) }.sorted() + view.contactable.filter { !likely.contains($0) }
        obtain(version.content, from: holders, &context) { host, end, context in
            guard end == .durable else { return }
            host.lacks.remove(digest)
            host.tellLacks(&context)
            host.release(digest, &context)
        }
    }

    private mutating func tellLacks(_ context: inout Context) {
        let disk = context.disk.durable
        var keys: Set<GroupKey> = []
        for set in disk.sets.values where isLackingBytes(of: set) { keys.insert(set.group(in: cluster)) }
        feed(.convergence(.lacking(keys)), &context)
    }

    private func isLackingBytes(of set: VersionSet) -> Bool {
        set.versions.compactMap(\.digest).contains(where: lacks.contains)
    }
}
