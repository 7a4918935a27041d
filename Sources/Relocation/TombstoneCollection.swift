import Resources
import Vocabulary

/// When a deleted name is forgotten altogether (DESIGN §6): `keep` after the delete, and only when every member that this node,
/// or any of those asked, has ever met has said that it holds nothing of the name but the tombstone. Who is away is waited for,
/// however long it takes, until an operator has it forgotten: its disk may hold what was deleted (law 3).
///
/// The first owner of a name asks all others in two rounds, and in a third has all of them forget. What was deleted may go from one
/// that is asked late to one that was asked early; `settle` later, when the second round begins, it has come there, or is given up.
/// Who keeps a tombstone that others have forgotten gives it back to them when they have forgotten that, too
/// (`ForgottenNames`), and it is collected anew.
///
/// A value without a clock: its driver reads the catalogue, sends, removes and reports back.
public struct TombstoneCollection: Sendable {
    public struct Settings: Sendable, Hashable {
        /// How long deleted names are kept at least, by the wall clocks of who deleted them and of who looks.
        public var keep: Duration
        /// Between two looks for names that are due. At half, a catalogue is read through twice as often in vain; at double, a
        /// name is kept for that much longer.
        public var interval: Duration
        /// Longer than a request may be on its way, where `keep` is four hours or more: TCP gives up what it sends after some 15
        /// minutes (`tcp_retries2`). At half, one that a cut held back may come when the tombstone is gone; at double, a cycle takes
        /// twice as long.
        public var settle: Duration
        /// Names in one cycle, some 4 MB of memory. At half, a node that deletes a hundred thousand names a day may fall behind.
        public var namesPerCycle = 16_384
        /// Names in one request, some 50 KiB.
        public var namesPerRequest = 256

        /// - Parameter keep: with less than a day the intervals are shorter, too.
        public init(keep: Duration = .seconds(10 * 86_400)) {
            self.keep = keep
            interval = min(.seconds(3600), keep / 24)
            settle = min(.seconds(1200), keep / 12)
        }
    }

    public enum Input: Sendable {
        /// Whom this node had met in its earlier lives.
        case known(Acquaintances)
        /// Operators had these forgotten, as another member says.
        /// - present: those of them that are members now.
        case struck([NodeName: Life], present: Set<NodeName>)
        /// What was to be read; nothing where that failed.
        /// - next: where the next look begins; nil at the end of the catalogue.
        case loaded([VersionSet], next: ResourceName?)
        /// - nil: no answer.
        case answered(CallID, TombstoneReply?)
    }

    public enum Effect: Sendable {
        /// Make this, or what has become of it meanwhile, durable for the next life.
        case remember(Acquaintances)
        /// Read the sets after this name that hold nothing but tombstones as old as `keep`, at most so many.
        case load(after: ResourceName?, keep: Duration, limit: Int)
        case ask(CallID, NodeName, TombstoneRequest)
        /// Remove the names of which exactly this is held: so many as go in one request, at most.
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
    public private(set) var acquaintances = Acquaintances()
    /// As they were to be remembered last.
    private var kept = Acquaintances()
    /// Members that names which are due waited for when it was looked last, sorted.
    public private(set) var waitsFor: [NodeName] = []
    /// Names that were forgotten by this node's word since its start.
    public private(set) var collected: UInt64 = 0

    private var known: Set<NodeName> { acquaintances.known }

    private var state = State.resting
    private var due: Instant
    private var next: ResourceName?
    private var pages: [[VersionSet]] = []
    private var members: [NodeName] = []
    /// Still to be asked, the next one last.
    private var line: [(member: NodeName, page: Int)] = []
    private var calls: [CallID: Int] = [:]
    private var callNumber: UInt64 = 0

    /// Of the last round, in which nobody's answer decides what the next one is asked.
    private static let callsMax = 8

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

    /// Takes note of other members, and of those that are kept in mind.
    public mutating func met(
        _ others: some Sequence<(name: NodeName, life: Life, isPresent: Bool)>, into effects: inout [Effect]
    ) {
        change(into: &effects) { acquaintances in
            for other in others { acquaintances.meet(other.name, in: other.life, isPresent: other.isPresent) }
        }
        // The last word of one that has gone is for the next life as well: nobody says it again.
        let isLastWord = others.contains { !$0.isPresent && isNews($0.name, in: $0.life) }
        if isLastWord { keep(into: &effects) }
    }

    /// An operator says that it never comes back.
    ///
    /// - Parameter life: its last; nil when it is no member.
    public mutating func forget(_ name: NodeName, in life: Life?, into effects: inout [Effect]) {
        change(into: &effects) { acquaintances in
            acquaintances.strike(name, in: max(life ?? .unknown, acquaintances.lives[name] ?? .unknown))
        }
    }

    private mutating func change(into effects: inout [Effect], _ body: (inout Acquaintances) -> Void) {
        let before = acquaintances
        body(&acquaintances)
        guard acquaintances != before, acquaintances.isWorthKeeping(after: kept) else { return }
        let known = known
        waitsFor = waitsFor.filter(known.contains)
        keep(into: &effects)
    }

    private func isNews(_ name: NodeName, in life: Life) -> Bool {
        guard let known = kept.lives[name] else { return false }
        return known < life && acquaintances.lives[name] != known
    }

    private mutating func keep(into effects: inout [Effect]) {
        kept = acquaintances
        effects.append(.remember(acquaintances))
    }

    // MARK: The cycle

    public mutating func handle(
        _ input: Input, at now: Instant, by convergence: Convergence, into effects: inout [Effect]
    ) {
        switch input {
        case .known(let earlier): change(into: &effects) { $0.merge(earlier) }
        case .struck(let names, let present):
            change(into: &effects) { acquaintances in
                for (name, life) in names.sorted(by: { $0.key < $1.key }) where !present.contains(name) {
                    acquaintances.strike(name, in: life)
                }
            }
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
            guard convergence.isInStep, acquaintances.isWhole else {
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
                && set.versions.allSatisfy(\.isTombstone) && !convergence.isExpecting(moreThan: set)
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
        for index in pages.indices { pages[index].removeAll(where: convergence.isExpecting) }
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
            let request = TombstoneRequest(
                members: ([convergence.me] + members).sorted(), struck: acquaintances.struck,
                sets: pages[next.page], isLast: round == .last)
            effects.append(.ask(id, next.member, request))
        }
        if round == .last { forgetWhatAllHave(into: &effects) }
        guard calls.isEmpty else { return }
        switch round {
        case .first:
            guard pages.contains(where: { !$0.isEmpty }) else { return finish(at: now) }
            state = .settling
            due = now + settings.settle
        case .second: ask(.last, at: now, convergence, into: &effects)
        case .last: finish(at: now)
        }
    }

    /// Page by page: who forgets much later than the others would give it back to them.
    private mutating func forgetWhatAllHave(into effects: inout [Effect]) {
        let open = Set(calls.values).union(line.map(\.page))
        for page in pages.indices where !pages[page].isEmpty && !open.contains(page) {
            collected &+= UInt64(pages[page].count)
            effects.append(.forget(pages[page]))
            pages[page] = []
        }
    }

    private mutating func take(
        _ reply: TombstoneReply?, about page: Int, at now: Instant, _ convergence: Convergence,
        into effects: inout [Effect]
    ) {
        let unlisted = (reply?.unlisted ?? [:]).filter { $0.key != convergence.me }
        change(into: &effects) { acquaintances in
            for (name, life) in unlisted.sorted(by: { $0.key < $1.key }) {
                acquaintances.meet(name, in: life, isPresent: false)
            }
        }
        // One that an operator had forgotten is none that it is told of by who has not heard so: that one hears it with this.
        let listed = Set(members)
        guard unlisted.keys.allSatisfy({ acquaintances.lives[$0] == nil || listed.contains($0) }) else {
            waitsFor = known.filter { !convergence.view.canCall($0) }.sorted()
            return giveUp(at: now)
        }
        let confirmed = Set(reply?.confirmed ?? [])
        pages[page].removeAll { !confirmed.contains($0.name) }
        if pages[page].isEmpty { line.removeAll { $0.page == page } }
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
