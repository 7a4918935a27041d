import Client
import Glibc
import Vocabulary

/// What is done to the agents, drawn from a seed: kills, stand-stills, orderly stops, emptied disks, and returns; with
/// `ground`, full disks, lost packets and networks that fall apart, too.
///
/// Copies are two: a disk is emptied only while everything has both of them. Killed agents keep their disks, so two of
/// them may be down at once, where there are five nodes and more. While the nodes are split nobody else fails, for each
/// side may hold the only copies of what it took.
struct SoakFaults {
    enum Kind: String, CaseIterable {
        case kill, restart, freeze, stop, wipe, fill, loss, cut, split
    }

    private enum State {
        case running
        case down(back: ContinuousClock.Instant)
        case frozen(until: ContinuousClock.Instant)
    }

    private enum Split {
        case none
        /// Nothing else fails until all are whole and it can be.
        case wanted
        /// Until all are of one mind again.
        case made
    }

    let cluster: DemoCluster
    let names: [String]
    private let book: SoakBook
    private var states: [String: State]
    private var random: SeededGenerator
    private(set) var counts: [Kind: Int] = [:]
    /// Who was emptied last, until every copy has been made anew.
    private var isHealing = false
    private let ground: SoakGround?
    /// When the disk that is full gets room again.
    private var emptied: ContinuousClock.Instant?
    private var weather = SoakGround.Weather.clear
    /// When that ends.
    private var clears: ContinuousClock.Instant?
    /// From a split or a cut until all have told each other what happened.
    private var isApart = false
    private var split = Split.none
    /// Everybody was there and had all that is its own, and nothing was done since.
    private var isWhole = true
    /// When to look next whether it is so.
    private var looks = ContinuousClock.now
    /// Nothing fails until all are whole: then one harm is judged by itself (`SoakHarms`).
    private var isResting = false

    /// At half, all would ask one another how they are for most of a rest; at double, less of it is known to be one.
    private static let lookInterval = Duration.milliseconds(500)

    /// - Parameter ground: `nil` without a network and mounts of our own.
    init(cluster: DemoCluster, names: [String], book: SoakBook, seed: UInt64, ground: SoakGround?) {
        self.cluster = cluster
        self.book = book
        self.names = names
        self.ground = ground
        states = Dictionary(uniqueKeysWithValues: names.map { ($0, .running) })
        random = SeededGenerator(seed: seed)
    }

    private var running: [String] {
        names.filter { if case .running = states[$0] { true } else { false } }
    }

    private var downMax: Int { names.count >= 5 ? 2 : 1 }

    /// Whom nothing reaches.
    private var cut: String? { if case .cut(let name) = weather { name } else { nil } }

    /// Makes faults until the end, then brings everybody back.
    mutating func run(until end: ContinuousClock.Instant, tell: (String) -> Void) async throws {
        var next = ContinuousClock.now + .seconds(2)
        while ContinuousClock.now < end {
            try await bringBack(all: false, tell)
            if split == .wanted { try await makeSplit(tell) }
            await look()
            if isResting, isWhole {
                isResting = false
                next = ContinuousClock.now + .milliseconds(Int64.random(in: 1000...4000, using: &random))
            }
            if next <= ContinuousClock.now {
                try await make(tell)
                next = ContinuousClock.now + .milliseconds(Int64.random(in: 500...8000, using: &random))
            }
            try await cluster.checkRunning()
            try await Task.sleep(for: .milliseconds(100))
        }
        try await bringBack(all: true, tell)
    }

    /// Whether it is whole again, when there is nothing that harms it.
    private mutating func look() async {
        guard !isWhole, looks <= ContinuousClock.now, running.count == names.count, weather == .clear, emptied == nil,
            !isApart
        else { return }
        looks = ContinuousClock.now + Self.lookInterval
        guard await allSettled() else { return }
        isWhole = true
        await book.whole()
    }

    /// - Parameter node: the only one that suffers; `nil` when others may, too.
    private mutating func harm(_ node: String?) async {
        isWhole = false
        await book.harm(node)
    }

    private mutating func make(_ tell: (String) -> Void) async throws {
        guard let kind = Kind.allCases.randomElement(using: &random),
            let name = running.randomElement(using: &random)
        else { return }
        guard split == .none, !isResting else { return }
        if Int.random(in: 0..<10, using: &random) == 0 {
            isResting = true
            return
        }
        switch kind {
        case .fill: return try await fill(tell)
        case .loss, .cut: return try await change(kind, name, tell)
        case .split:
            if ground != nil { split = .wanted }
            return
        case .kill, .restart, .freeze, .stop, .wipe: break
        }
        // Nobody could tell whether it came back.
        guard name != cut else { return }
        guard names.count - running.count + (cut == nil ? 0 : 1) < downMax else { return }
        // A drain waits for those who stand still, and this schedule for the drain.
        if kind == .stop, running.count < names.count || cut != nil { return }
        if isHealing || kind == .wipe {
            // Somebody is short of a copy, or is about to be: first all must be whole.
            guard running.count == names.count, cut == nil, await allSettled() else { return }
            isHealing = false
        }
        let back = ContinuousClock.now + .milliseconds(Int64.random(in: 200...20_000, using: &random))
        await harm(name)
        switch kind {
        case .kill:
            try await cluster.kill(name)
            states[name] = .down(back: back)
        case .restart:
            try await cluster.kill(name)
            try await start(name, tell)
        case .freeze:
            try await cluster.freeze(name)
            states[name] = .frozen(until: back)
        case .stop:
            try await cluster.stop(name)
            guard try await cluster.end(of: name, within: .seconds(90)) == .exited(0) else {
                throw DemoFailure("\(name) did not leave in good order: \(cluster.folder.lastLine(name))")
            }
            states[name] = .down(back: back)
        case .wipe:
            try await cluster.kill(name)
            _ = try await cluster.end(of: name, within: .seconds(10))
            try cluster.folder.empty(name)
            isHealing = true
            states[name] = .down(back: back)
        case .fill, .loss, .cut, .split: break
        }
        counts[kind, default: 0] += 1
        tell("\(kind.rawValue) \(name)")
    }

    private mutating func fill(_ tell: (String) -> Void) async throws {
        guard let ground, emptied == nil else { return }
        await harm(ground.narrow)
        try ground.fill()
        emptied = harmEnds()
        counts[.fill, default: 0] += 1
        tell("the disk of \(ground.narrow) is full")
    }

    private mutating func makeRoom(_ tell: (String) -> Void) throws {
        try ground?.makeRoom()
        emptied = nil
        tell("there is room again")
    }

    private mutating func harmEnds() -> ContinuousClock.Instant {
        ContinuousClock.now + .milliseconds(Int64.random(in: 2000...20_000, using: &random))
    }

    /// Two sides that hear nothing of one another, for a while.
    private mutating func makeSplit(_ tell: (String) -> Void) async throws {
        guard weather == .clear, emptied == nil, running.count == names.count, await allSettled(),
            await book.split(names)
        else { return }
        isHealing = false
        isApart = true
        split = .made
        let side = Array(names.shuffled(using: &random).prefix(Int.random(in: 1..<names.count, using: &random)))
        try await become(.split(side))
        counts[.split, default: 0] += 1
        tell("\(side.sorted().joined(separator: ", ")) and the others are parted")
    }

    private mutating func become(_ weather: SoakGround.Weather) async throws {
        await harm(nil)
        self.weather = weather
        clears = harmEnds()
        try await ground?.become(weather)
    }

    /// A wire that loses packets, or a node that nothing reaches, for a while.
    private mutating func change(_ kind: Kind, _ name: String, _ tell: (String) -> Void) async throws {
        guard ground != nil, weather == .clear else { return }
        switch kind {
        case .cut:
            // It counts as one that is down.
            guard running.count == names.count else { return }
            await book.part(name)
            isApart = true
            try await become(.cut(name))
            tell("nothing reaches \(name)")
        default:
            let percent = [5, 10, 20].randomElement(using: &random) ?? 5
            try await become(.losing(percent))
            tell("\(percent) % of all packets are lost")
        }
        counts[kind, default: 0] += 1
    }

    private mutating func endHarm(all: Bool, _ tell: (String) -> Void) async throws {
        if let time = emptied, all || time <= ContinuousClock.now { try makeRoom(tell) }
        if let time = clears, all || time <= ContinuousClock.now {
            weather = .clear
            clears = nil
            try await ground?.become(weather)
            tell("every packet passes again")
        }
        if isApart, weather == .clear, running.count == names.count, await allSettled() {
            isApart = false
            split = .none
            await book.reunite()
            tell("all are of one mind again")
        }
    }

    private mutating func bringBack(all: Bool, _ tell: (String) -> Void) async throws {
        try await endHarm(all: all, tell)
        for name in names {
            switch states[name] {
            case .down(let back) where all || back <= ContinuousClock.now:
                try await start(name, tell)
                tell("\(name) is back")
            case .frozen(let until) where all || until <= ContinuousClock.now:
                try await cluster.thaw(name)
                states[name] = .running
                tell("\(name) goes on")
            default: break
            }
        }
    }

    private mutating func start(_ name: String, _ tell: (String) -> Void) async throws {
        // Who can not write down that it starts ends at once, and says why.
        if name == ground?.narrow, emptied != nil { try makeRoom(tell) }
        _ = try await cluster.end(of: name, within: .seconds(10))
        try await cluster.start(name, joining: running.first { $0 != name && $0 != cut } ?? names.first { $0 != name })
        states[name] = .running
    }

    /// Whether everybody is there and has all that is its own; one that does not say so has not.
    private func allSettled() async -> Bool {
        do { return try await cluster.unrest(names) == nil } catch { return false }
    }
}
