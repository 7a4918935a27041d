import Node
import Placement
import Relocation
import Resources
import SWIM
import Vocabulary

/// What must never be seen, and when it was.
public struct Violation: Hashable, Sendable, CustomStringConvertible {
    /// The number in DESIGN §2.
    public let law: Int
    public let at: Instant
    public let text: String

    public var description: String { "law \(law) at \(at): \(text)" }
}

/// The clients' book of all that was asked and answered, and the laws of DESIGN §2 held against it and against what the
/// hosts' disks hold.
public struct Laws: Sendable {
    struct Write: Sendable {
        let number: Int
        let name: ResourceName
        let digest: ContentDigest?
        let precondition: Precondition
        let dependsOnState: Bool
        let issued: Instant
        /// When its client knew what became of it; a write without an answer stays open for ever.
        var ended: Instant?
        /// When its client was told that it had been taken, or that nothing had happened.
        var settled: Instant?
        /// The versions that it became: more than one when a node that took it fell silent.
        var makings: [Version] = []
        /// What it was acknowledged as, whatever the copies.
        var taken: Version?
        /// With all the copies of law 1.
        var acknowledged: Version?

        var isDelete: Bool { digest == nil }
        /// The greatest of the versions that it became.
        var made: Version? { makings.max { Version.precedes($0, $1) } }
    }

    public private(set) var violations: [Violation] = []
    public private(set) var acknowledgedCount = 0
    /// Writes that were kept on fewer nodes than wanted (202).
    public private(set) var shortCount = 0
    public private(set) var readCount = 0
    /// Of them those that no law could be held against, for members were apart meanwhile.
    public private(set) var apartReadCount = 0
    let replicas: Int
    let cluster: ClusterName
    var writes: [ResourceName: [Write]] = [:]
    /// A disk with copies was emptied, and its copies are not all made anew yet.
    var isShortOfOneDisk = false
    /// When there was rot last that nobody had read: it counts as a copy until then, and a little longer for whoever is
    /// about to drop one on the word of its holder (seed 5786).
    var rotUnreadAt: Instant?
    /// How long it takes until the others know of what a disk has lost.
    static var timeToHear: Duration { .seconds(15) }
    /// A cut keeps members from one another, or did so until lately and they have not yet told each other what
    /// happened. Each side goes on by itself then, as it must, and knows nothing of what the other takes: what is
    /// promised of reads and of the number of copies is promised of a cluster that is one. What was acknowledged is
    /// kept all the same.
    var isApart = false
    /// When that was so last.
    var apartAt = Instant(nanoseconds: .min)
    /// Who was stopped, and until when: others may have given its place away.
    var pausedUntil: [HostID: Instant] = [:]
    /// On how many disks a version was at least at some time, up to the copies wanted: fewer it must not become.
    var floors: [Dot: Int] = [:]
    /// Versions that have been pushed out of a history by so many greater ones as it keeps: the bound of law 4.
    var outrun: Set<Dot> = []
    /// Of each name, the deletes that were forgotten by the word of all members, and what those had seen: nobody has to
    /// hold that, and writes need not have seen it.
    var forgotten: [ResourceName: CausalContext] = [:]
    var forgottenCount = 0
    /// Of each name the acknowledged versions that no acknowledged one has replaced, and that have not come to the end
    /// of a history; made anew when one of these changes.
    var heads: [ResourceName: [Version]] = [:]
    /// Who held what of those when its disk had changed last.
    var holders: [Dot: Set<HostID>] = [:]
    /// Hosts that left in good order: what is on their disks counts for nothing.
    var departed: Set<HostID> = []

    init(replicas: Int, cluster: ClusterName) {
        self.replicas = replicas
        self.cluster = cluster
    }

    /// From a pause's end until the others have heard so.
    private static let timeToReturn = Duration.seconds(10)

    private func wasApart(since start: Instant) -> Bool { isApart || apartAt >= start }

    mutating func broken(_ law: Int, _ at: Instant, _ text: String) {
        // The first few tell the story.
        if violations.count < 8 { violations.append(Violation(law: law, at: at, text: text)) }
    }

    // MARK: Writes

    mutating func issued(_ number: Int, _ request: WriteRequest, at now: Instant) {
        writes[request.name, default: []].append(
            Write(
                number: number, name: request.name, digest: request.digest, precondition: request.precondition,
                dependsOnState: request.dependsOnState, issued: now))
    }

    mutating func answered(_ number: Int, _ name: ResourceName, _ result: WriteResult, _ simulator: Simulator<NodeHost>)
    {
        let now = simulator.now
        guard let index = writes[name]?.firstIndex(where: { $0.number == number }), let write = writes[name]?[index]
        else { return }
        if result == .unavailable || result == .undecided, write.made != nil, hasOwnBytes(write) {
            broken(4, now, "write \(number) of \(name) was made, and answered as one that nobody took")
        }
        if result != .unknown { writes[name]?[index].settled = now }
        switch result {
        // An outranked write is in the history, and may have been seen before it was known to be one.
        case .unavailable, .undecided, .unknown, .refused(.outranked), .refused(.overdue), .refused(.overtaken),
            .refused(.builtUpon):
            break
        case .refused(.notFound):
            writes[name]?[index].ended = now
            checkRead(name, since: write.issued, .missing, besides: number, at: now)
        case .refused(.preconditionFailed): writes[name]?[index].ended = now
        case .written(let version, let copies, let wanted):
            writes[name]?[index].taken = version
            if let made = write.made, Version.precedes(version, made), hasOwnBytes(write) {
                broken(4, now, "\(name) \(version.dot) was acknowledged, and is \(made.dot) as well, which goes before")
            }
            guard copies.count >= wanted else {
                shortCount += 1
                return
            }
            writes[name]?[index].ended = now
            writes[name]?[index].acknowledged = version
            acknowledgedCount += 1
            renewHeads(of: name)
            noteHolders(of: version, simulator)
            noteOutrun(simulator.hostIDs.map { simulator.disk(of: $0).durable }, of: heads.keys.sorted())
            floors[version.dot] = min(wanted, replicas)
            checkAcknowledged(version, copies, wanted, since: write.issued, simulator)
            checkSeen(version, by: write, at: now)
            if let both = bothFollowing(version, by: write) { broken(4, now, both) }
        }
    }

    /// A client's write became a version. One that is made once more when its client has gone on would go before
    /// whatever was written since, unless what was acknowledged goes before it.
    mutating func made(_ version: Version, at now: Instant) {
        guard
            let index = writes[version.name]?.firstIndex(where: { $0.digest != nil && $0.digest == version.digest }),
            let write = writes[version.name]?[index], hasOwnBytes(write)
        else { return }
        writes[version.name]?[index].makings.append(version)
        for making in write.makings {
            guard
                let undone = writes[version.name]?.compactMap(\.taken).first(where: {
                    $0.context.covers(making.dot) && version.context.covers($0.dot)
                })
            else { continue }
            let what = "\(version.name) \(version.dot) is write \(write.number) once more"
            broken(3, now, "\(what), on top of \(undone.dot), whose writer had seen it as \(making.dot)")
        }
        if let settled = write.settled, write.taken.map({ Version.precedes($0, version) }) ?? true {
            broken(4, now, "\(version.name) \(version.dot) is write \(write.number), which was answered at \(settled)")
        }
    }

    /// Now and then two writes have the same bytes: then nobody can tell which of them a version is.
    private func hasOwnBytes(_ write: Write) -> Bool {
        guard let digest = write.digest else { return false }
        return writes[write.name]?.count { $0.digest == digest } == 1
    }

    private mutating func checkAcknowledged(
        _ version: Version, _ copies: [NodeName], _ wanted: Int, since start: Instant, _ simulator: Simulator<NodeHost>
    ) {
        let now = simulator.now
        let ready = simulator.hostIDs.count { host in
            if let until = pausedUntil[host], now < until + Self.timeToReturn { return false }
            return simulator.machine(on: host).map { $0.machine.phase == .serving && !$0.isLeaving } ?? false
        }
        if wanted < min(replicas, ready), !wasApart(since: start) {
            broken(
                1, now, "\(version.name) \(version.dot) was acknowledged with \(wanted) copies wanted of \(replicas)")
        }
        let holders = simulator.hostIDs.filter { simulator.disk(of: $0).durable.holds(version) }
            .map { simulator.name(of: $0) }
        // One of those named may have handed it over meanwhile: the count is the law.
        if holders.count < wanted - (isShortOfOneDisk ? 1 : 0) {
            broken(1, now, "\(version.name) \(version.dot) was acknowledged as durable on \(copies), not on \(holders)")
        }
        if Set(copies).count < wanted { broken(1, now, "\(version.name) \(version.dot) names a copy twice") }
    }

    /// Law 4: no two writes pass for one, and what was judged by what a name is has seen what it was. A plain put need
    /// not: what it has not seen is history.
    private mutating func checkSeen(_ version: Version, by write: Write, at now: Instant) {
        for other in writes[version.name] ?? [] where other.number != write.number {
            guard let known = other.acknowledged else { continue }
            if known.dot == version.dot { broken(4, now, "\(version.name) \(version.dot) is two writes") }
            guard write.dependsOnState, let ended = other.ended, ended < write.issued,
                !wasApart(since: write.issued), !isOutrun(known), !isForgotten(known),
                !version.context.covers(known.dot)
            else { continue }
            broken(4, now, "\(version.name) \(version.dot) has not seen \(known.dot) of \(ended)")
        }
    }

    /// Law 4: of writes on the condition that a name is still one version no two are acknowledged, whoever crashes
    /// meanwhile. Who is taken for dead, and is not, may order writes by itself.
    private func bothFollowing(_ version: Version, by write: Write) -> String? {
        guard case .version(let base) = write.precondition, pausedUntil.values.allSatisfy({ $0 < write.issued }) else {
            return nil
        }
        for other in writes[version.name] ?? [] where other.number != write.number {
            guard let known = other.acknowledged, other.precondition == write.precondition,
                !wasApart(since: min(write.issued, other.issued))
            else { continue }
            return "\(version.name) \(version.dot) and \(known.dot) are both acknowledged as what followed \(base)"
        }
        return nil
    }

    /// Whether the version, or one that has seen it and took its place, has come to the end of a history.
    private func isOutrun(_ version: Version) -> Bool {
        outrun.contains(version.dot)
            || (writes[version.name] ?? []).compactMap(\.acknowledged).contains {
                outrun.contains($0.dot) && $0.context.covers(version.dot)
            }
    }

    // MARK: Reads

    mutating func read(_ name: ResourceName, since start: Instant, _ result: ReadResult, at now: Instant) {
        readCount += 1
        if wasApart(since: start) { apartReadCount += 1 }
        checkRead(name, since: start, result, besides: nil, at: now)
    }

    /// Law 6, and of law 3 what clients see: nothing older than what was acknowledged when the read began.
    private mutating func checkRead(
        _ name: ResourceName, since start: Instant, _ result: ReadResult, besides number: Int?, at now: Instant
    ) {
        guard !wasApart(since: start) else { return }
        let known = writes[name] ?? []
        for write in known {
            guard let version = write.acknowledged, let ended = write.ended, ended < start else { continue }
            switch result {
            case .unavailable, .behind, .silence, .busy: break
            case .found(let answer):
                guard version.context.covers(answer.dot) else { continue }
                let law = version.isTombstone ? 3 : 6
                broken(law, now, "\(name) was answered with \(answer.dot), older than \(version.dot) of \(ended)")
            case .missing:
                guard !version.isTombstone else { continue }
                // A delete that was under way or came later may have taken it.
                let deletes = known.contains {
                    guard $0.isDelete, $0.number != number, $0.issued <= now else { return false }
                    // Two that did not see one another are concurrent, whatever clients saw.
                    if let delete = $0.acknowledged { return !version.context.covers(delete.dot) }
                    return ($0.ended ?? now) >= write.issued
                }
                if !deletes { broken(6, now, "\(name) was answered as missing, but \(version.dot) is of \(ended)") }
            }
        }
    }

    // MARK: The end

    /// Law 5: what is not yet as it must be at rest; `nil` when all is.
    func unrest(_ simulator: Simulator<NodeHost>, _ metadata: [NodeName: Metadata]) -> String? {
        let running = simulator.hostIDs.filter { simulator.isRunning($0) }
        let names = running.map { simulator.name(of: $0) }.sorted()
        for host in running {
            guard let machine = simulator.machine(on: host)?.machine else { continue }
            let present = machine.membership.members.filter { !$0.status.isDeparted }
            if present.map(\.name) != names { return "\(machine.identity.name) sees \(present.map(\.name))" }
            if let accused = present.first(where: { $0.status != .alive }) {
                return "\(machine.identity.name) sees \(accused.name) \(accused.status)"
            }
            if machine.phase != .serving { return "\(machine.identity.name) is \(machine.phase)" }
            if !machine.convergence.totals.isConverged {
                return "\(machine.identity.name): \(machine.convergence.totals)"
            }
        }
        let ring = Ring(names.map { Candidate($0, metadata[$0] ?? .standard) })
        let disks = running.map { (name: simulator.name(of: $0), disk: simulator.disk(of: $0).durable) }
        for resource in Set(disks.flatMap { $0.disk.sets.keys }).sorted() {
            let sets = disks.compactMap { disk in disk.disk.sets[resource].map { (disk.name, $0) } }
            guard let first = sets.first?.1 else { continue }
            if let other = sets.first(where: { $0.1 != first }) {
                return "\(resource) differs on \(other.0) and \(sets[0].0)"
            }
            let key = first.group(in: cluster)
            let owners = ring.owners(of: key.slot, home: key.home, count: replicas)
            if sets.map(\.0).sorted() != owners.sorted() {
                return "\(resource) is on \(sets.map(\.0)) and belongs on \(owners)"
            }
            for version in first.versions {
                guard let digest = version.digest else { continue }
                if let lacking = disks.first(where: { owners.contains($0.name) && !$0.disk.isWhole(digest) }) {
                    return "\(lacking.name) has no bytes of \(resource)"
                }
            }
        }
        for disk in disks {
            if let extra = disk.disk.blobs.keys.sorted().first(where: { !disk.disk.needs($0) }) {
                return "\(disk.name) keeps bytes that nothing needs: \(extra)"
            }
        }
        return nil
    }

    /// Laws 3 and 4 at rest: what is held of each name is nothing older than what was acknowledged last.
    mutating func checkHeads(_ simulator: Simulator<NodeHost>) {
        for host in simulator.hostIDs where simulator.isRunning(host) {
            let sets = simulator.disk(of: host).durable.sets
            for name in sets.keys.sorted() {
                guard let head = sets[name]?.head else { continue }
                for write in writes[name] ?? [] {
                    guard let version = write.acknowledged, version.context.covers(head.dot) else { continue }
                    broken(
                        version.isTombstone ? 3 : 4, simulator.now,
                        "\(name) is \(head.dot) on \(simulator.name(of: host)), older than \(version.dot)")
                }
            }
        }
        checkCopies(simulator)
    }
}
