import Resources
import Vocabulary

/// What this node lacks, the most endangered names first: those of which the fewest copies are left.
///
/// The unit is the name, and its greatest version comes first: who committed an older one while the head is still on
/// its way would be an owner in step that holds, and answers with, the past (law 6).
struct PullQueue: Sendable {
    private struct Entry: Sendable {
        /// Greatest first; never empty.
        var versions: [Version]
        var holders: [NodeName]
        var place: Place
        /// Another node asked for it, to hold it in the place of an owner.
        var isToStandIn: Bool
        /// The version that is being pulled.
        var active: Version?
    }

    /// A place in the waiting line: fewest copies first, then by arrival.
    private struct Place: Hashable, Comparable, Sendable {
        let copies: Int
        let order: UInt64
        let name: ResourceName

        static func < (a: Place, b: Place) -> Bool { (a.copies, a.order) < (b.copies, b.order) }
    }

    private var entries: [ResourceName: Entry] = [:]
    /// Sorted downwards: the next is the last.
    private var line: [Place] = []
    private var arrivals: UInt64 = 0
    private(set) var active = 0
    /// Of `unitsPerStream` each, what those under way take of the room that there is.
    private var unitsTaken = 0
    /// Versions, those being pulled included.
    private(set) var count = 0

    /// Bytes of one that goes together with others: what a round trip costs weighs more than they do.
    static let smallBytesMax: UInt64 = 64 * 1_024
    /// So many small ones are one stream. At half, a link of 150 ms carries two hundred names a second in each stream
    /// instead of four hundred; at double, a batch of them keeps a slow disk busy for a second.
    static let unitsPerStream = 32

    private static func units(of version: Version) -> Int { version.size <= smallBytesMax ? 1 : unitsPerStream }

    /// At most this many holders are kept for one name.
    static let holdersMax = 4

    /// Queues versions of one name. One that is there already moves forward when fewer copies of it are left than when it came.
    ///
    /// - Returns: whether they are in the queue now; `false` when it is full.
    mutating func add(
        _ versions: [Version], of name: ResourceName, from holder: NodeName, copies: Int, isToStandIn: Bool = false,
        limit: Int
    ) -> Bool {
        if var entry = entries[name] {
            if !entry.holders.contains(holder), entry.holders.count < Self.holdersMax { entry.holders.append(holder) }
            let news = versions.filter { version in !entry.versions.contains { $0.dot == version.dot } }
            entry.versions = (entry.versions + news).sorted { Version.precedes($1, $0) }
            count += news.count
            entry.isToStandIn = entry.isToStandIn || isToStandIn
            if copies < entry.place.copies {
                let waits = entry.active == nil
                if waits { leaveLine(entry.place) }
                entry.place = Place(copies: copies, order: entry.place.order, name: name)
                if waits { enqueue(entry.place) }
            }
            entries[name] = entry
            return true
        }
        guard !versions.isEmpty, count < limit else { return false }
        arrivals &+= 1
        let place = Place(copies: copies, order: arrivals, name: name)
        entries[name] = Entry(
            versions: versions.sorted { Version.precedes($1, $0) }, holders: [holder], place: place,
            isToStandIn: isToStandIn)
        count += versions.count
        enqueue(place)
        return true
    }

    /// Whether a version of the name waits, or is being pulled.
    func contains(_ name: ResourceName) -> Bool { entries[name] != nil }

    private mutating func enqueue(_ place: Place) {
        line.insert(place, at: line.partitioningIndex(behind: { place < $0 }))
    }

    private mutating func leaveLine(_ place: Place) {
        let index = line.partitioningIndex(behind: { place < $0 })
        if line.indices.contains(index), line[index] == place { line.remove(at: index) }
    }

    /// Takes the next name out of the line, for its greatest version; the name stays known until `finish`.
    ///
    /// - Parameter streams: blobs that may be under way at once; `unitsPerStream` small ones count as one. A large one that
    ///   has no room is waited for, for it is more endangered than whatever is behind it.
    mutating func start(within streams: Int) -> (Version, holders: [NodeName], isToStandIn: Bool)? {
        guard let place = line.last, var entry = entries[place.name], let version = entry.versions.first,
            unitsTaken + Self.units(of: version) <= max(1, streams) * Self.unitsPerStream
        else { return nil }
        line.removeLast()
        entry.active = version
        entries[place.name] = entry
        active += 1
        unitsTaken += Self.units(of: version)
        return (version, entry.holders, entry.isToStandIn)
    }

    /// Forgets a version that is durable now, and lines the name up for its next one; or forgets the whole name when
    /// the version could not be had.
    ///
    /// - Returns: the name's holders, if the version was known.
    @discardableResult
    mutating func finish(_ dot: Dot, of name: ResourceName, durable: Bool) -> [NodeName] {
        guard var entry = entries[name], let index = entry.versions.firstIndex(where: { $0.dot == dot }) else {
            return []
        }
        let wasActive = entry.active?.dot == dot
        if let version = entry.active, wasActive {
            active -= 1
            unitsTaken -= Self.units(of: version)
            entry.active = nil
        }
        if durable {
            entry.versions.remove(at: index)
            count -= 1
        } else {
            count -= entry.versions.count
            entry.versions = []
        }
        if entry.versions.isEmpty {
            entries[name] = nil
            if !wasActive { leaveLine(entry.place) }
        } else {
            entries[name] = entry
            if wasActive { enqueue(entry.place) }
        }
        return entry.holders
    }
}
