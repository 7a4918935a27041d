import Placement
import Relocation
import Resources
import Testing
import Vocabulary

/// Small means for these tests: names, versions, views, and a Convergence that is fed and drained by hand.
enum World {
    static let cluster = name(ClusterName.init, "crane")

    static func node(_ text: String) -> NodeName { name(NodeName.init, text) }

    private static func name<Name>(_ make: (String) throws -> Name, _ text: String) -> Name {
        do { return try make(text) } catch { preconditionFailure("\(text) is a name: \(error)") }
    }

    static func resource(_ text: String) -> ResourceName { name(ResourceName.init, text) }

    static func version(
        _ text: String, by node: String, counter: UInt64 = 1, time: UInt64 = 1000, seen: VersionSet? = nil,
        home: String? = nil, deleted: Bool = false, size: UInt64 = 10
    ) -> Version {
        let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: counter), count: 32)
        var content = Version.Content.tombstone
        if !deleted, let digest = ContentDigest(bytes: bytes) {
            content = .blob(digest: digest, size: size, mediaType: "text/plain")
        }
        return Version(
            name: resource(text), dot: Dot(node: self.node(node), epoch: 1, counter: counter),
            context: seen?.context ?? CausalContext(),
            time: HybridTime(wallMilliseconds: time, counter: 0),
            content: content, home: home.map { self.node($0) })
    }

    static func summary(_ sets: [VersionSet]) -> [GroupSummary] {
        var groups: [GroupKey: GroupSummary] = [:]
        for set in sets {
            let key = set.group(in: cluster)
            groups[key, default: GroupSummary(key: key)].add(set)
        }
        return groups.values.sorted { $0.key < $1.key }
    }

    static func ring(_ names: [String]) -> Ring {
        Ring(names.map { Candidate(name: node($0), weight: 1, zone: nil) })
    }

    /// - Parameters:
    ///   - besides: those that can be called and have no place.
    ///   - away: those that keep their place and can not be called; of them `restarting` said that they are back soon.
    static func view(
        _ names: [String], for me: String, doubtful: [String] = [], besides: [String] = [], away: [String] = [],
        restarting: [String] = []
    ) -> View {
        let gone = away + restarting + [me]
        return View(
            ring: ring(names), contactable: (names + besides).filter { !gone.contains($0) }.map { node($0) },
            doubtful: doubtful.map { node($0) }, restarting: restarting.map { node($0) })
    }

    /// A name whose slot has these owners, in this order, under a ring of `names`.
    static func nameOwned(by owners: [String], among names: [String]) -> String {
        let ring = ring(names)
        for number in 0..<100_000 {
            let text = "resource-\(number)"
            let found = ring.owners(of: Slot(ofName: text, in: cluster), home: nil, count: 2)
            if found == owners.map({ node($0) }) { return text }
        }
        preconditionFailure("no name is owned by \(owners)")
    }
}

/// A failed expectation shows what it was about, which is not the owners of 16,384 slots: a megabyte of them hides it.
extension Convergence: CustomDebugStringConvertible {
    public var debugDescription: String {
        "\(me) among \(view.ring.candidates.map(\.name)), \(totals), \(slotsUnsynced) slots to be heard"
    }
}

/// One node's convergence, and what it asked for since the last look.
struct Subject {
    var core: Convergence
    var effects: [Convergence.Effect] = []
    var now = Instant.zero

    /// - Parameters:
    ///   - gathering: what a newcomer waits before it compares; nothing where that is not the subject.
    ///   - groupsPerSum: by lists where sums are not the subject.
    init(
        _ me: String, among names: [String], replicas: Int = 2, gathering: Duration = .zero, groupsPerSum: Int = .max
    ) {
        var settings = Convergence.Settings(replicas: replicas)
        settings.groupsPerSum = groupsPerSum
        settings.antiEntropy = .seconds(3600)
        settings.gathering = gathering
        core = Convergence(
            me: World.node(me), cluster: World.cluster, settings: settings, view: World.view(names, for: me), at: .zero)
    }

    mutating func feed(_ input: Convergence.Input, after pause: Duration = .zero) {
        now = now + pause
        core.handle(input, at: now, into: &effects)
    }

    /// What is dropped once the grace is over.
    mutating func drops() -> [GroupKey] {
        feed(.tick, after: core.settings.dropGrace)
        return effects.compactMap { if case .drop(let key, _) = $0 { key } else { nil } }
    }

    mutating func takeDrops() -> [GroupKey] {
        defer { effects.removeAll { if case .drop = $0 { true } else { false } } }
        return drops()
    }

    mutating func takeCompare(with node: String) -> Convergence.CallID? {
        for (index, effect) in effects.enumerated() {
            if case .compare(let id, let name, _) = effect, name == World.node(node) {
                effects.remove(at: index)
                return id
            }
        }
        return nil
    }

    mutating func takeExchange(with node: String) -> (id: Convergence.CallID, intents: [Convergence.ExchangeIntent])? {
        for (index, effect) in effects.enumerated() {
            if case .exchange(let id, let name, let intents) = effect, name == World.node(node) {
                effects.remove(at: index)
                return (id, intents)
            }
        }
        return nil
    }

    /// Answers the next comparison with `node`, which must be there, as a peer that holds the same.
    mutating func confirm(
        _ node: String, _ summaries: [GroupSummary], owner: Bool = true, at location: SourceLocation = #_sourceLocation
    ) {
        guard let id = takeCompare(with: node) else {
            Issue.record("nothing was compared with \(node)", sourceLocation: location)
            return
        }
        let groups = summaries.map { GroupStatus(key: $0.key, digest: $0.digest, owner: owner) }
        feed(.compared(id, CompareReply(groups: groups)))
    }
}
