import Client
import Logging
import NIOConcurrencyHelpers
import Node
import Relocation
import Resources
import Storage
import Vocabulary

/// What becomes of a blob that was found missing or wrong, by the scrub or by a read: its file is set aside, the others
/// hear that this node does not vouch for it, and its bytes are fetched from another holder.
actor BlobRepairs {
    struct Counts: Sendable, Hashable {
        var found: [BlobFault: UInt64] = [:]
        var repaired: UInt64 = 0
        /// Lacking now.
        var lacking = 0

        var rotten: UInt64 { found.values.reduce(0, +) }
    }

    private struct Lack {
        let size: UInt64
        var groups: Set<GroupKey>
    }

    /// Members that have the bytes not, or not now, are asked again after so long; at half, a cluster without the bytes is
    /// asked for them twice as often.
    private static let retryInterval = Duration.seconds(60)
    /// Whether somebody has come who may have them is looked at so often, while something is lacking.
    private static let lookInterval = Duration.seconds(5)
    /// What would be one more is not remembered: its file is aside all the same, and the next pass finds it missing.
    private static let lackingMax = 65_536
    /// Besides the owners, so many other members are asked whether they have the bytes.
    private static let othersMax = 16
    private static let namesShown = 3

    private let name: NodeName
    private let store: Store
    private let puller: Puller
    private let driver: NodeDriver
    private let events: EventLog
    private let log: Logger
    private var lacks: [ContentDigest: Lack] = [:]
    private var underWay: Set<ContentDigest> = []
    private nonisolated let shown = NIOLockedValueBox(Counts())
    private nonisolated let wishes: AsyncStream<Void>
    private nonisolated let wish: AsyncStream<Void>.Continuation

    init(name: NodeName, store: Store, puller: Puller, driver: NodeDriver, events: EventLog, log: Logger) {
        self.name = name
        self.store = store
        self.puller = puller
        self.driver = driver
        self.events = events
        self.log = log
        (wishes, wish) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    nonisolated var counts: Counts { shown.withLockedValue { $0 } }

    // MARK: Finding

    /// A read met it. Returns at once; the repair follows.
    nonisolated func met(_ digest: ContentDigest, _ fault: BlobFault, _ reader: BlobReader?) {
        Task {
            guard await note(digest, fault, reader) else { return }
            wish.yield()
        }
    }

    /// A read failed; of what says nothing of the bytes, such as too many open files, nothing follows.
    nonisolated func met(_ digest: ContentDigest, _ error: StorageError, _ reader: BlobReader?) {
        if let fault = BlobFault(error) { met(digest, fault, reader) }
    }

    /// The scrub found it. Returns when its repair was tried once.
    func found(_ finding: Scrubber.Finding) async {
        let digest = finding.blob.digest
        guard await note(digest, finding.fault, finding.reader) || lacks[digest] != nil else { return }
        if await repair(digest), lacks.isEmpty { await trim() }
    }

    /// - Returns: whether it is new, and this node lacks it now.
    private func note(_ digest: ContentDigest, _ fault: BlobFault, _ reader: BlobReader?) async -> Bool {
        // What is aside already is missing to everybody who asks meanwhile.
        if fault == .missing, lacks[digest] != nil { return false }
        let use: BlobUse?
        do {
            use = try await store.setAside(digest, fault, reader)
        } catch {
            log.error(
                "a blob is wrong and could not be set aside",
                metadata: ["sha256": "\(digest)", "fault": "\(fault.rawValue)", "error": "\(error)"])
            return false
        }
        // Another file is in its place by now, or nobody needs it any more.
        guard let use else { return false }
        let names = use.names.prefix(Self.namesShown).map(\.text).joined(separator: ", ")
        let isNew = lacks[digest] == nil
        if isNew, lacks.count < Self.lackingMax {
            lacks[digest] = Lack(size: use.size, groups: use.groups)
            tellOthers()
        }
        guard isNew || fault != .missing else { return false }
        shown.withLockedValue { $0.found[fault, default: 0] &+= 1 }
        tell("rotten", "\(fault.rawValue): \(digest), \(use.size) bytes of \(names)")
        log.error(
            "the bytes of a version are not what they should be; another holder is asked for them",
            metadata: ["sha256": "\(digest)", "fault": "\(fault.rawValue)", "names": "\(names)"])
        return true
    }

    // MARK: Repairing

    /// Goes after what is lacking until it is cancelled: at once when told, else once a while.
    func run() async {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.watch() }
            for await _ in wishes {
                if Task.isCancelled { break }
                var isRepaired = false
                for digest in lacks.keys.sorted() {
                    if Task.isCancelled { break }
                    if await repair(digest) { isRepaired = true }
                }
                if isRepaired { await trim() }
            }
            tasks.cancelAll()
        }
    }

    /// Wishes for another try when a member has come, and once a while.
    private nonisolated func watch() async {
        var known: Set<NodeName> = []
        var tried = NodeDriver.now
        while (try? await Task.sleep(for: Self.lookInterval)) != nil {
            guard counts.lacking > 0 else { continue }
            let present = driver.read { Set($0.convergence.view.contactable) }
            let hasCome = !present.isSubset(of: known)
            known = present
            guard hasCome || NodeDriver.now - tried >= Self.retryInterval else { continue }
            tried = NodeDriver.now
            wish.yield()
        }
    }

    /// What an earlier life set aside and did not get again: to be known before anybody is told what is held here.
    func recall() async {
        do {
            for (blob, use) in try await store.lacking() where lacks[blob.digest] == nil {
                guard lacks.count < Self.lackingMax else { break }
                lacks[blob.digest] = Lack(size: blob.size, groups: use.groups)
            }
        } catch {
            log.warning("could not look for bytes that are lacking", metadata: ["error": "\(error)"])
        }
        tellOthers()
        if !lacks.isEmpty { wish.yield() }
    }

    /// - Returns: whether its bytes are here again.
    private func repair(_ digest: ContentDigest) async -> Bool {
        guard let lack = lacks[digest], underWay.insert(digest).inserted else { return false }
        defer { underWay.remove(digest) }
        do {
            guard let use = try await store.use(of: digest) else {
                forget(digest)
                return false
            }
            lacks[digest]?.groups = use.groups
            let lease = try await puller.obtain(digest, size: lack.size, from: holders(of: use), for: .move)
            defer { withExtendedLifetime(lease) {} }
            forget(digest)
            shown.withLockedValue { $0.repaired &+= 1 }
            let names = use.names.prefix(Self.namesShown).map(\.text).joined(separator: ", ")
            tell("repaired", "\(digest), \(lack.size) bytes of \(names)")
            log.notice("bytes were repaired", metadata: ["sha256": "\(digest)", "names": "\(names)"])
            return true
        } catch {
            log.warning(
                "could not repair bytes yet; it is tried again",
                metadata: ["sha256": "\(digest)", "error": "\(error)"])
            return false
        }
    }

    private func forget(_ digest: ContentDigest) {
        lacks[digest] = nil
        shown.withLockedValue { $0.lacking = lacks.count }
        // That the word holds again can wait where there are thousands: all of them are gone through to tell it.
        if lacks.count < 256 || lacks.count % 256 == 0 { tellOthers() }
    }

    /// Of what is kept aside more than enough goes.
    private func trim() async {
        do { try await store.trimSetAside() } catch {
            log.warning("could not trim what was set aside", metadata: ["error": "\(error)"])
        }
    }

    /// Those that are to have it first, the nearest of them before the others.
    private func holders(of use: BlobUse) -> [NodeName] {
        let (likely, others) = driver.read { machine in
            let view = machine.convergence.view
            let likely = Set(use.groups.flatMap { machine.convergence.likelyHolders(of: $0) })
            let others = view.contactable.filter { !likely.contains($0) }
            return (likely.filter { view.canCall($0) }, others)
        }
        let me = name
        return driver.nearestFirst(likely.sorted().filter { $0 != me })
            + driver.nearestFirst(others.filter { $0 != me }).prefix(Self.othersMax)
    }

    // MARK: Telling

    private func tellOthers() {
        let groups = lacks.values.reduce(into: Set<GroupKey>()) { $0.formUnion($1.groups) }
        shown.withLockedValue { $0.lacking = lacks.count }
        driver.feed(.convergence(.lacking(groups)))
    }

    private func tell(_ type: String, _ detail: String) {
        events.append(
            type: type, node: name.text, by: name.text, detail: detail,
            time: API.Timestamp.text(unixMilliseconds: WallClock.milliseconds))
    }
}
