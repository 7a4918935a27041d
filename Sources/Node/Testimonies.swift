import Relocation
import Resources
import Vocabulary

/// What a node answers when it is asked what it holds of a name that is to be written.
public struct Testimony: Hashable, Sendable {
    public let versions: [Version]
    /// It is still to hear what it is to hold: what it held once may not be on its disk.
    public let isBehind: Bool
    /// Writes of the name that it knows to be elsewhere, and has not seen.
    public let elsewhere: [Dot]

    public init(versions: [Version] = [], isBehind: Bool = false, elsewhere: [Dot] = []) {
        self.versions = versions
        // More than anybody keeps of a name is no list of them.
        let isLegal = elsewhere.count <= VersionSet.versionCountMax
        self.isBehind = isBehind || !isLegal
        self.elsewhere = isLegal ? elsewhere : []
    }
}

/// What a node knows of a name besides what it holds. It has to be asked for this before its disk: in the other order, what
/// becomes durable in between would be in neither.
public struct Outlook: Sendable {
    let isBehind: Bool
    let elsewhere: [Version]

    public func testimony(holding held: VersionSet?) -> Testimony {
        Testimony(
            versions: held?.versions ?? [], isBehind: isBehind,
            elsewhere: elsewhere.filter { held?.misses($0) ?? true }.map(\.dot).sorted())
    }
}

extension NodeMachine {
    public func outlook(on name: ResourceName, at now: Instant) -> Outlook {
        let slot = Slot(ofName: name.text, in: identity.cluster)
        return Outlook(
            isBehind: stoodStill(at: now) || !convergence.knowsWhatItLacks(of: slot),
            elsewhere: convergence.knownElsewhere(of: name))
    }
}

/// What a write is judged by: what this node holds of its name, and what others say that they do.
public struct Testimonies: Sendable {
    /// All that is held, also what somebody has let go of since.
    public private(set) var seen: VersionSet?
    private var latest: [NodeName: Testimony] = [:]
    private var speechless: Set<NodeName> = []
    /// Also of what is held no more, since greater ones fill the history.
    private var told: Set<Dot> = []
    private let name: ResourceName

    public init(of name: ResourceName, held: VersionSet?) {
        self.name = name
        holds(held)
    }

    /// Adds what this node holds now: it may let go of it while it asks.
    public mutating func holds(_ set: VersionSet?) { add(set?.versions ?? []) }

    /// - Parameter testimony: nil when the node gave none.
    public mutating func heard(_ testimony: Testimony?, from node: NodeName) {
        guard let testimony else {
            latest[node] = nil
            speechless.insert(node)
            return
        }
        latest[node] = testimony
        speechless.remove(node)
        add(testimony.versions)
    }

    /// All are asked anew: whoever is not there by then has not been heard.
    public mutating func askAgain() { latest = [:] }

    private mutating func add(_ versions: [Version]) {
        let ours = versions.filter { $0.name == name }
        told.formUnion(ours.prefix(VersionSet.versionCountMax).map(\.dot))
        seen = seen?.merged(with: ours) ?? VersionSet(ours)
    }

    /// Those that gave no answer, sorted.
    public var silent: [NodeName] { speechless.sorted() }

    /// Those that gave one, sorted.
    var answered: [NodeName] { latest.keys.sorted() }

    /// Those of them that are still to hear what they are to hold.
    public var behind: [NodeName] { latest.filter(\.value.isBehind).map(\.key).sorted() }

    /// Those of them that know of a write that nobody told of: whoever has it is silent.
    public var expecting: [NodeName] {
        let context = seen?.context ?? CausalContext()
        let isTold = { (dot: Dot) in told.contains(dot) || context.covers(dot) }
        return latest.filter { !$0.value.elsewhere.allSatisfy(isTold) }.map(\.key).sorted()
    }
}
