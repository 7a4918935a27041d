import Vocabulary

/// How far a member had come in its lives: its boot, and what it had said of itself within that. It only grows, so that of two
/// words about a member it is told which is the later.
public struct Life: Hashable, Comparable, Sendable {
    public let epoch: UInt64
    public let incarnation: UInt32

    public init(epoch: UInt64, incarnation: UInt32) {
        self.epoch = epoch
        self.incarnation = incarnation
    }

    /// Of one of whom the name is known and nothing else.
    public static let unknown = Life(epoch: 0, incarnation: 0)

    public static func < (a: Life, b: Life) -> Bool { (a.epoch, a.incarnation) < (b.epoch, b.incarnation) }
}

/// Everybody whom a node has met in all its lives, or heard of from who had: who may hold, on a disk that is not here now, what
/// was deleted meanwhile. Longer than any list of members keeps the departed.
public struct Acquaintances: Sendable, Hashable {
    /// As they were met last.
    public private(set) var lives: [NodeName: Life] = [:]
    /// Of whom an operator said that they never come back, and in which life, until they do: others who were not told so may
    /// speak of them still.
    public private(set) var struck: [NodeName: Life] = [:]

    public init(known: [NodeName: Life] = [:], struck: [NodeName: Life] = [:]) {
        for (name, life) in struck.sorted(by: { $0.key < $1.key }) { strike(name, in: life) }
        for (name, life) in known.sorted(by: { $0.key < $1.key }) { meet(name, in: life, isPresent: false) }
    }

    public init(known: some Sequence<NodeName>) {
        for name in known { meet(name, in: .unknown, isPresent: false) }
    }

    public var known: Set<NodeName> { Set(lives.keys) }

    /// A name of 63 bytes each: many times as many as a cluster has members, in however many years. Whoever has met more knows
    /// some of them only, for good, and agrees to nothing any more.
    public static let countMax = 4_096

    var isWhole: Bool { lives.count < Self.countMax }

    /// - Parameter isPresent: it is a member now.
    mutating func meet(_ name: NodeName, in life: Life, isPresent: Bool) {
        if let last = struck[name] {
            guard isPresent || life > last else { return }
            struck[name] = nil
        }
        if let known = lives[name] {
            if life > known { lives[name] = life }
        } else if isWhole {
            lives[name] = life
        }
    }

    /// One that was met in a later life than it was struck in came back, whoever has not heard so.
    mutating func strike(_ name: NodeName, in life: Life) {
        guard isWhole, lives[name].map({ $0 <= life }) ?? true else { return }
        lives[name] = nil
        if let earlier = struck[name] {
            struck[name] = max(earlier, life)
        } else if struck.count < Self.countMax {
            struck[name] = life
        }
    }

    mutating func merge(_ earlier: Acquaintances) {
        for (name, life) in earlier.struck.sorted(by: { $0.key < $1.key }) where lives[name] == nil {
            strike(name, in: life)
        }
        for (name, life) in earlier.lives.sorted(by: { $0.key < $1.key }) { meet(name, in: life, isPresent: false) }
    }

    /// Whether the next life has to know of the difference: what members say of themselves within a boot it hears anew.
    func isWorthKeeping(after earlier: Acquaintances) -> Bool {
        struck != earlier.struck || lives.count != earlier.lives.count
            || !lives.allSatisfy { $0.value.epoch == earlier.lives[$0.key]?.epoch }
    }
}

// MARK: - As they are kept

/// The names by themselves, as an earlier release has them, and the lives beside them.
extension Acquaintances: Codable {
    private struct Entry: Codable {
        let name: NodeName
        let epoch: UInt64
        let incarnation: UInt32
    }

    private enum CodingKeys: CodingKey { case known, struck, lives }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let entries = try fields.decodeIfPresent([Entry].self, forKey: .lives) ?? []
        let last = Dictionary(
            entries.map { ($0.name, Life(epoch: $0.epoch, incarnation: $0.incarnation)) }, uniquingKeysWith: max)
        func read(_ key: CodingKeys) throws -> [NodeName: Life] {
            let names = try fields.decode([NodeName].self, forKey: key)
            return Dictionary(names.map { ($0, last[$0] ?? .unknown) }, uniquingKeysWith: max)
        }
        self.init(known: try read(.known), struck: try read(.struck))
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(lives.keys.sorted(), forKey: .known)
        try fields.encode(struck.keys.sorted(), forKey: .struck)
        let all = lives.merging(struck) { life, _ in life }.sorted { $0.key < $1.key }
        try fields.encode(
            all.map { Entry(name: $0.key, epoch: $0.value.epoch, incarnation: $0.value.incarnation) }, forKey: .lives)
    }
}
