import Client
import Glibc
import Vocabulary

/// What is done to the agents, drawn from a seed: kills, stand-stills, orderly stops, emptied disks, and returns; with
/// `ground`, full disks and lost packets too.
///
/// Copies are two: a disk is emptied only while everything has both of them. Killed agents keep their disks, so two of
/// them may be down at once, where there are five nodes and more.
struct SoakFaults {
    enum Kind: String, CaseIterable {
        case kill, restart, freeze, stop, wipe, fill, loss, cut
    }

    private enum State {
        case running
        case down(back: ContinuousClock.Instant)
        case frozen(until: ContinuousClock.Instant)
    }

    let cluster: DemoCluster
    let names: [String]
    private var states: [String: State]
    private var random: SeededGenerator
    private(set) var counts: [Kind: Int] = [:]
    /// Who was emptied last, until every copy has been made anew.
    private var isHealing = false
    private let ground: SoakGround?
    /// When the disk that is full gets room again, and the wire is well again.
    private var emptied: ContinuousClock.Instant?
    private var calm: ContinuousClock.Instant?
    /// Whom nothing reaches.
    private var cut: String?

    /// - Parameter ground: `nil` without a network and mounts of our own.
    init(cluster: DemoCluster, names: [String], seed: UInt64, ground: SoakGround?) {
        self.cluster = cluster
        self.names = names
        self.ground = ground
        states = Dictionary(uniqueKeysWithValues: names.map { ($0, .running) })
        random = SeededGenerator(seed: seed)
    }

    private var running: [String] {
        names.filter { if case .running = states[$0] { true } else { false } }
    }

    private var downMax: Int { names.count >= 5 ? 2 : 1 }

    /// Makes faults until the end, then brings everybody back.
    mutating func run(until end: ContinuousClock.Instant, tell: (String) -> Void) async throws {
        var next = ContinuousClock.now + .seconds(2)
        while ContinuousClock.now < end {
            try await bringBack(all: false, tell)
            if next <= ContinuousClock.now {
                try await make(tell)
                next = ContinuousClock.now + .milliseconds(Int64.random(in: 500...8000, using: &random))
            }
            try await cluster.checkRunning()
            try await Task.sleep(for: .milliseconds(100))
        }
        try await bringBack(all: true, tell)
    }

    private mutating func make(_ tell: (String) -> Void) async throws {
        guard let kind = Kind.allCases.randomElement(using: &random),
            let name = running.randomElement(using: &random)
        else { return }
        if [.fill, .loss, .cut].contains(kind) { return try await harm(kind, name, tell) }
        // Nobody could tell whether it came back.
        guard name != cut else { return }
        guard names.count - running.count + (cut == nil ? 0 : 1) < downMax else { return }
        // A drain waits for those who stand still, and this schedule for the drain.
        if kind == .stop, running.count < names.count || cut != nil { return }
        if isHealing || kind == .wipe {
            // Somebody is short of a copy, or is about to be: first all must be whole.
            guard running.count == names.count, cut == nil, await isWhole() else { return }
            isHealing = false
        }
        let back = ContinuousClock.now + .milliseconds(Int64.random(in: 200...20_000, using: &random))
        switch kind {
        case .kill:
            try await cluster.kill(name)
            states[name] = .down(back: back)
        case .restart:
            try await cluster.kill(name)
            try await start(name)
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
        case .fill, .loss, .cut: break
        }
        counts[kind, default: 0] += 1
        tell("\(kind.rawValue) \(name)")
    }

    /// A disk without room, a wire that loses packets, or a node that nothing reaches, for a while.
    private mutating func harm(_ kind: Kind, _ name: String, _ tell: (String) -> Void) async throws {
        guard let ground else { return }
        let end = ContinuousClock.now + .milliseconds(Int64.random(in: 2000...20_000, using: &random))
        switch kind {
        case .fill:
            guard emptied == nil else { return }
            try ground.fill()
            emptied = end
            tell("the disk of \(ground.narrow) is full")
        case .cut:
            // It counts as one that is down.
            guard calm == nil, running.count == names.count else { return }
            try await ground.rule(losing: 0, cutting: cluster.endpoint(name).port)
            calm = end
            cut = name
            tell("nothing reaches \(name)")
        default:
            guard calm == nil else { return }
            let percent = [5, 10, 20].randomElement(using: &random) ?? 5
            try await ground.rule(losing: percent, cutting: nil)
            calm = end
            tell("\(percent) % of all packets are lost")
        }
        counts[kind, default: 0] += 1
    }

    private mutating func endHarm(all: Bool, _ tell: (String) -> Void) async throws {
        if let time = emptied, all || time <= ContinuousClock.now {
            try ground?.makeRoom()
            emptied = nil
            tell("there is room again")
        }
        if let time = calm, all || time <= ContinuousClock.now {
            try await ground?.rule(losing: 0, cutting: nil)
            calm = nil
            cut = nil
            tell("every packet passes again")
        }
    }

    private mutating func bringBack(all: Bool, _ tell: (String) -> Void) async throws {
        try await endHarm(all: all, tell)
        for name in names {
            switch states[name] {
            case .down(let back) where all || back <= ContinuousClock.now:
                try await start(name)
                tell("\(name) is back")
            case .frozen(let until) where all || until <= ContinuousClock.now:
                try await cluster.thaw(name)
                states[name] = .running
                tell("\(name) goes on")
            default: break
            }
        }
    }

    private mutating func start(_ name: String) async throws {
        _ = try await cluster.end(of: name, within: .seconds(10))
        try await cluster.start(name, joining: running.first { $0 != name && $0 != cut } ?? names.first { $0 != name })
        states[name] = .running
    }

    /// Whether everybody is there and has all that is its own; one that does not say so has not.
    private func isWhole() async -> Bool {
        do { return try await cluster.unrest(names) == nil } catch { return false }
    }
}
