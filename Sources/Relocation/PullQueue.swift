import Resources
import Vocabulary

/// The versions that this node lacks, the most endangered first: those of which the fewest copies are left.
struct PullQueue: Sendable {
    private struct Entry: Sendable {
        let version: Version
        var holders: [NodeName]
        var copies: Int
        let order: UInt64
        var isActive = false
    }

    /// One version of one name. A dot alone is unique too; the name makes it so even after a repaired disk.
    private struct Key: Hashable, Sendable {
        let name: ResourceName
        let dot: Dot
    }

    /// A place in the waiting line: fewest copies first, then by arrival.
    private struct Place: Hashable, Comparable, Sendable {
        let copies: Int
        let order: UInt64
        let key: Key

        static func < (a: Place, b: Place) -> Bool { (a.copies, a.order) < (b.copies, b.order) }
    }

    private var entries: [Key: Entry] = [:]
    private var line: [Place] = []
    private var arrivals: UInt64 = 0
    private(set) var active = 0

    var count: Int { entries.count }

    /// At most this many holders are kept for one version.
    private static let holdersMax = 4

    mutating func add(_ version: Version, from holder: NodeName, copies: Int, limit: Int) {
        let key = Key(name: version.name, dot: version.dot)
        if var entry = entries[key] {
            if !entry.holders.contains(holder), entry.holders.count < Self.holdersMax { entry.holders.append(holder) }
            entries[key] = entry
            return
        }
        guard entries.count < limit else { return }
        arrivals &+= 1
        entries[key] = Entry(version: version, holders: [holder], copies: copies, order: arrivals)
        let place = Place(copies: copies, order: arrivals, key: key)
        line.insert(place, at: insertionIndex(for: place))
    }

    private func insertionIndex(for place: Place) -> Int {
        var low = 0
        var high = line.count
        while low < high {
            let middle = (low + high) / 2
            if line[middle] < place { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Takes the next version out of the line; it stays known until `finish`.
    mutating func start() -> (Version, holders: [NodeName])? {
        guard !line.isEmpty else { return nil }
        let place = line.removeFirst()
        guard var entry = entries[place.key] else { return nil }
        entry.isActive = true
        entries[place.key] = entry
        active += 1
        return (entry.version, entry.holders)
    }

    /// Forgets a version; its holders, if it was known.
    @discardableResult
    mutating func finish(_ dot: Dot, of name: ResourceName) -> [NodeName] {
        guard let entry = entries.removeValue(forKey: Key(name: name, dot: dot)) else { return [] }
        if entry.isActive { active -= 1 }
        return entry.holders
    }
}
