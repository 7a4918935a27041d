import Resources
import Vocabulary

/// When a deleted name is forgotten altogether (DESIGN §6): `keep` after the delete, and only when every member that this node,
/// or any of those asked, has ever met has said that it holds nothing of the name but the tombstone. Who is away is waited for,
/// however long it takes, until an operator has it forgotten: its disk may hold what was deleted (law 3).
///
/// The first owner of a name asks all others in two rounds, and in a third has all of them forget. After the first nobody holds
/// what was deleted; whatever was on its way then has come, or is given up, `settle` later, when the second begins. Who keeps a
/// tombstone that others have forgotten gives it back to them, and it is collected anew.
///
/// A value without a clock: its driver reads the catalogue, sends, removes and reports back.
public struct TombstoneCollection: Sendable {
    public struct Settings: Sendable, Hashable {
        /// How long deleted names are kept at least, by the wall clocks of who deleted them and of who looks.
        public var keep: Duration
        /// Between two looks for names that are due. At half, a catalogue is read through twice as often in vain; at double, a
        /// name is kept for that much longer.
        public var interval: Duration
        /// Longer than a request may be on its way: TCP gives up what it sends after some 15 minutes (`tcp_retries2`). At half, one
        /// that a cut held back may come when the tombstone is gone; at double, a batch takes twice as long.
        public var settle: Duration
        /// Names in one cycle, some 4 MB of memory. At half, a node that deletes a hundred thousand names a day may fall behind.
        public var namesPerCycle = 16_384
        /// Names in one request, some 50 KiB.
        public var namesPerRequest = 256

        /// - Parameter keep: with less than a day, all else is shorter, too.
        public init(keep: Duration = .seconds(10 * 86_400)) {
            self.keep = keep
            interval = min(.seconds(3600), keep / 24)
            settle = min(.seconds(1200), keep / 72)
        }
    }

    public enum Input: Sendable {
        /// Whom this node had met in its earlier lives.
        case known([NodeName])
        /// What was to be read; nothing where that failed.
        /// - next: where the next look begins; nil at the end of the catalogue.
        case loaded([VersionSet], next: ResourceName?)
        /// - nil: no answer.
        case answered(CallID, TombstoneReply?)
    }

    public enum Effect: Sendable {
        /// Make this durable, for the next life.
        case remember([NodeName])
        /// Read the sets after this name that hold nothing but tombstones as old as `keep`, at most so many.
        case load(after: ResourceName?, keep: Duration, limit: Int)
        case ask(CallID, NodeName, TombstoneRequest)
        /// Remove the names of which exactly this is held.
        case forget([VersionSet])
    }

    public struct CallID: Hashable, Sendable { public let number: UInt64 }

    private enum Round: Sendable { case first, second, last }

    private enum State: Sendable {
        case resting
        case loading
        case asking(Round)
        /// Between the first round and the second.
        case settling
    }

    public let settings: Settings
    /// Everybody ever met but this node itself and those whom an operator had forgotten.
    public private(set) var known: Set<NodeName> = []
    /// Members that names which are due wait for, sorted: they are away.
    public private(set) var waitsFor: [NodeName] = []
    /// Names that were forgotten by this node's word since its start.
    public private(set) var collected: UInt64 = 0

    private var state = State.resting
    private var due: Instant
    private var next: ResourceName?
    private var pages: [[VersionSet]] = []
    private var members: [NodeName] = []
    /// Still to be asked, the next one last.
    private var line: [(member: NodeName, page: Int)] = []
    private var calls: [CallID: Int] = [:]
    private var callNumber: UInt64 = 0

    /// Of the last round: who forgets later than the others gives them the tombstone back meanwhile.
    private static let callsMax = 8
    /// A name of 63 bytes each: many times as many as a cluster has members, in however many years. With more, nothing is collected.
    static let knownMax = 4_096

    public init(_ settings: Settings, at now: Instant) {
        self.settings = settings
        due = now + settings.interval
    }

    public var deadline: Instant? {
        switch state {
        case .resting, .settling: due
        case .loading, .asking: nil
        }
    }

    // MARK: Who has to be asked

    /// - Parameter names: members present or departed, this node perhaps among them.
    public mutating func met(_ names: some Sequence<NodeName>, besides me: NodeName, into effects: inout [Effect]) {
        let fresh = names.filter { $0 != me && !known.contains($0) }
        guard !fresh.isEmpty, known.count <= Self.knownMax else { return }
        known.formUnion(fresh)
        effects.append(.remember(known.sorted()))
    }

    /// An operator says that it never comes back.
    public mutating func forget(_ name: NodeName, into effects: inout [Effect]) {
        waitsFor.removeAll { $0 == name }
        guard known.remove(name) != nil else { return }
        effects.append(.remember(known.sorted()))
    }

    // MARK: The cycle

    public mutating func handle(
        _ input: Input, at now: Instant, by convergence: Convergence, into effects: inout [Effect]
    ) {
        switch input {
        case .known(let names): known.formUnion(names.filter { $0 != convergence.me })
        case .loaded(let sets, let next):
            guard case .loading = state else { return }
            self.next = next
            begin(sets, at: now, convergence, into: &effects)
        case .answered(let id, let reply):
            guard let page = calls.removeValue(forKey: id) else { return }
            take(reply, about: page, at: now, convergence, into: &effects)
        }
    }

    public mutating func tick(at now: Instant, by convergence: Convergence, into effects: inout [Effect]) {
        guard let deadline, deadline <= now else { return }
        switch state {
        case .resting:
            guard convergence.isInStep, known.count <= Self.knownMax else {
                return rest(until: now + settings.interval)
            }
            state = .loading
            effects.append(.load(after: next, keep: settings.keep, limit: settings.namesPerCycle))
        case .settling: ask(.second, at: now, convergence, into: &effects)
        case .loading, .asking: break
        }
    }

    private mutating func begin(
        _ sets: [VersionSet], at now: Instant, _ convergence: Convergence, into effects: inout [Effect]
    ) {
        let mine = sets.filter { set in
            convergence.owners(of: set.group(in: convergence.cluster)).first == convergence.me
                && set.versions.allSatisfy(\.isTombstone) && !convergence.isExpecting(set.name)
        }
        guard !mine.isEmpty else {
            if next == nil { waitsFor = [] }
            return rest(until: next == nil ? now + settings.interval : now)
        }
        let size = max(1, settings.namesPerRequest)
        pages = stride(from: 0, to: mine.count, by: size).map { Array(mine[$0..<min($0 + size, mine.count)]) }
        members = known.sorted()
        ask(.first, at: now, convergence, into: &effects)
    }

    private mutating func ask(
        _ round: Round, at now: Instant, _ convergence: Convergence, into effects: inout [Effect]
    ) {
        waitsFor = known.filter { !convergence.view.canCall($0) }.sorted()
        // Who was met since has not been asked in the round before.
        guard waitsFor.isEmpty, members == known.sorted(), convergence.isInStep else { return giveUp(at: now) }
        for index in pages.indices { pages[index].removeAll { convergence.isExpecting($0.name) } }
        state = .asking(round)
        line = pages.indices.reversed().flatMap { page in
            pages[page].isEmpty ? [] : members.reversed().map { (member: $0, page: page) }
        }
        proceed(at: now, convergence, into: &effects)
    }

    private mutating func proceed(at now: Instant, _ convergence: Convergence, into effects: inout [Effect]) {
        guard case .asking(let round) = state else { return }
        while calls.count < (round == .last ? Self.callsMax : 1), let next = line.popLast() {
            guard !pages[next.page].isEmpty else { continue }
            callNumber &+= 1
            let id = CallID(number: callNumber)
            calls[id] = next.page
            effects.append(
                .ask(
                    id, next.member,
                    TombstoneRequest(
                        members: ([convergence.me] + members).sorted(), sets: pages[next.page], isLast: round == .last))
            )
        }
        guard calls.isEmpty else { return }
        switch round {
        case .first:
            state = .settling
            due = now + settings.settle
            if pages.allSatisfy(\.isEmpty) { finish(at: now) }
        case .second: ask(.last, at: now, convergence, into: &effects)
        case .last:
            let sets = pages.flatMap { $0 }
            collected &+= UInt64(sets.count)
            if !sets.isEmpty { effects.append(.forget(sets)) }
            finish(at: now)
        }
    }

    private mutating func take(
        _ reply: TombstoneReply?, about page: Int, at now: Instant, _ convergence: Convergence,
        into effects: inout [Effect]
    ) {
        guard let reply, reply.unlisted.isEmpty else {
            met(reply?.unlisted ?? [], besides: convergence.me, into: &effects)
            waitsFor = known.filter { !convergence.view.canCall($0) }.sorted()
            return giveUp(at: now)
        }
        let confirmed = Set(reply.confirmed)
        pages[page].removeAll { !confirmed.contains($0.name) }
        proceed(at: now, convergence, into: &effects)
    }

    private mutating func finish(at now: Instant) {
        clear()
        rest(until: next == nil ? now + settings.interval : now)
    }

    /// Until the next look: whoever is away has come back by then, or not.
    private mutating func giveUp(at now: Instant) {
        clear()
        next = nil
        rest(until: now + settings.interval)
    }

    private mutating func clear() {
        (pages, members, line, calls) = ([], [], [], [:])
    }

    private mutating func rest(until time: Instant) {
        state = .resting
        due = time
    }
}

/// "Of these names I hold nothing but these tombstones: do you hold anything else?"
public struct TombstoneRequest: Hashable, Sendable {
    /// All that are asked, and the asker.
    public let members: [NodeName]
    public let sets: [VersionSet]
    /// All have said so twice: they are to be forgotten.
    public let isLast: Bool

    public init(members: [NodeName], sets: [VersionSet], isLast: Bool) {
        self.members = members
        self.sets = sets
        self.isLast = isLast
    }

    /// Those names of which nothing else is held.
    ///
    /// - Parameter held: of the names, what is held.
    public func confirmed(by held: [ResourceName: VersionSet]) -> [VersionSet] {
        sets.filter { set in held[set.name].map { $0 == set } ?? true }
    }
}

public struct TombstoneReply: Hashable, Sendable {
    public let confirmed: [ResourceName]
    /// Whom the answerer has met, and the asker does not ask. Nothing is confirmed then.
    public let unlisted: [NodeName]

    public init(confirmed: [ResourceName] = [], unlisted: [NodeName] = []) {
        self.confirmed = confirmed
        self.unlisted = unlisted
    }
}

// MARK: - As they go from node to node

extension TombstoneRequest {
    /// - Throws: `ByteError`, `NameError`.
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let isLast = try reader.readFlag()
        let members = try reader.readList { try NodeName($0.readShortText()) }
        let sets = try reader.readList { try VersionSet(&$0) }
        guard reader.remaining == 0, sets.allSatisfy({ $0.versions.allSatisfy(\.isTombstone) }) else {
            throw ByteError.illegal
        }
        self.init(members: members, sets: sets, isLast: isLast)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 64 + members.count * 32 + sets.count * 192)
        writer.write(flag: isLast)
        writer.write(list: members) { $1.write(shortText: $0.text) }
        writer.write(list: sets) { $0.write(to: &$1) }
        return writer.bytes
    }
}

extension TombstoneReply {
    /// - Throws: `ByteError`, `NameError`.
    public init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = ByteReader(bytes)
        let confirmed = try reader.readList { try ResourceName(&$0) }
        let unlisted = try reader.readList { try NodeName($0.readShortText()) }
        guard reader.remaining == 0 else { throw ByteError.illegal }
        self.init(confirmed: confirmed, unlisted: unlisted)
    }

    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 64 + confirmed.count * 64)
        writer.write(list: confirmed) { $0.write(to: &$1) }
        writer.write(list: unlisted) { $1.write(shortText: $0.text) }
        return writer.bytes
    }
}
