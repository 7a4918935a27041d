import Vocabulary

/// A suspicion that runs: since when the suspect may refute. Who accuses it, its claim tells.
struct Suspicion: Sendable {
    var startedAt: Instant
    /// When this node looked once more before its verdict.
    var lookedAt: Instant?
    /// Finds the timer that is in force; older ones in the heap mean nothing.
    var stamp: UInt64
}

/// Whether a member knows this node's latest word of itself, as far as can be told.
enum Acquaintance: Sendable {
    /// Packets to it carry that word while the news of it goes round.
    case unknown
    /// It has shown so.
    case introduced
    /// Something that it said shows that it does not: packets to it carry the word until it has shown that it does.
    case lacking
}

/// All that this node keeps of one member.
struct MemberRecord: Sendable {
    var claim: Claim
    var since: Instant
    var lastHeard: Instant?
    var roundTrip: RoundTrip?
    var coordinate: Coordinate?
    /// Probes in a row that had no direct answer, while others vouched for the member.
    var detours = 0
    var reach = Member.Reach.direct
    /// How the present suspicion or verdict came about, the latest last.
    var findings: [Finding] = []
    var suspicion: Suspicion?
    var acquaintance = Acquaintance.unknown
    /// It has its place in the present round of probes.
    var isInRound = false
    /// Free places of the table keep their last record, so that no index ever points past it.
    var isVacant = false

    init(claim: Claim, since: Instant) {
        self.claim = claim
        self.since = since
    }

    var isPresent: Bool { !isVacant && !claim.status.isDeparted }
    var isSuspect: Bool { !isVacant && claim.status == .suspect }

    mutating func note(_ what: Finding.What, at now: Instant) {
        if findings.count >= Finding.countMax { findings.removeFirst(findings.count - Finding.countMax + 1) }
        findings.append(Finding(what: what, at: now))
    }

    var member: Member {
        Member(claim: claim, since: since, rtt: roundTrip?.smoothed, lastHeard: lastHeard, reach: reach)
    }
}

/// The members by place and by name. A place stays a member's own until it is removed, so that rounds, timers and news
/// can hold four bytes instead of a name; the dictionary is only ever looked into, never walked, so its order
/// (which differs from process to process) decides nothing.
struct MemberTable: Sendable {
    typealias Place = Int32

    private var records: [MemberRecord] = []
    private var places: [NodeName: Place] = [:]
    private var vacant: [Place] = []
    /// By name, so that telling the whole list needs no sorting: it is told a thousand times as often as it changes.
    private(set) var byName: [Place] = []
    /// Members that are not departed, this node included.
    private(set) var presentCount = 0
    /// Of those, the suspects.
    private(set) var suspectCount = 0
    /// Those present, by zone; a zone of which nobody is left is not kept.
    private var zones: [String: ZoneTally] = [:]

    struct ZoneTally: Sendable {
        var present = 0
        var suspects = 0
    }

    var count: Int { places.count }
    var allPlaces: Range<Place> { 0..<Place(records.count) }

    func place(of name: NodeName) -> Place? { places[name] }

    func tally(of zone: String) -> ZoneTally { zones[zone] ?? ZoneTally() }

    /// Reads, or changes what does not touch the count of those present: claims change through `setClaim`.
    subscript(_ place: Place) -> MemberRecord {
        get { records[Int(place)] }
        _modify { yield &records[Int(place)] }
    }

    mutating func insert(_ claim: Claim, at now: Instant) -> Place {
        let record = MemberRecord(claim: claim, since: now)
        count(record, 1)
        if let place = vacant.popLast() {
            records[Int(place)] = record
            places[claim.name] = place
            enter(place)
            return place
        }
        let place = Place(records.count)
        records.append(record)
        places[claim.name] = place
        enter(place)
        return place
    }

    /// Where the name is, or would be.
    private func rank(of name: NodeName) -> Int {
        byName.partitioningIndex(behind: { records[Int($0)].claim.name < name })
    }

    private mutating func enter(_ place: Place) {
        byName.insert(place, at: rank(of: records[Int(place)].claim.name))
    }

    mutating func setClaim(_ claim: Claim, at place: Place, now: Instant) {
        let before = records[Int(place)]
        count(before, -1)
        records[Int(place)].claim = claim
        if before.claim.status != claim.status { records[Int(place)].since = now }
        count(records[Int(place)], 1)
    }

    private mutating func count(_ record: MemberRecord, _ change: Int) {
        guard record.isPresent else { return }
        presentCount += change
        if record.isSuspect { suspectCount += change }
        guard let zone = record.claim.metadata.zone else { return }
        var tally = tally(of: zone)
        tally.present += change
        if record.isSuspect { tally.suspects += change }
        zones[zone] = tally.present > 0 ? tally : nil
    }

    mutating func remove(_ place: Place) {
        guard !records[Int(place)].isVacant else { return }
        count(records[Int(place)], -1)
        let name = records[Int(place)].claim.name
        places[name] = nil
        byName.remove(at: rank(of: name))
        records[Int(place)].isVacant = true
        records[Int(place)].suspicion = nil
        vacant.append(place)
    }
}
