import Vocabulary

/// A suspicion that runs: until when the suspect may refute, and who accuses it.
struct Suspicion: Sendable {
    var deadline: Instant
    /// Finds the timer that is in force; older ones in the heap mean nothing.
    var stamp: UInt64
    /// Independent accusers, the first one first.
    var accusers: [NodeName]

    /// As many as a person wants to read; Lifeguard's confirmations need fewer.
    static let accusersMax = 8
}

/// All that this node keeps of one member.
struct MemberRecord: Sendable {
    var claim: Claim
    var since: Instant
    var lastHeard: Instant?
    var rtt: Duration?
    var suspicion: Suspicion?
    /// The member has shown that it knows this node; until then packets to it carry this node's own claim.
    var isIntroduced = false
    /// It has its place in the present round of probes.
    var isInRound = false
    /// Free places of the table keep their last record, so that no index ever points past it.
    var isVacant = false

    init(claim: Claim, since: Instant) {
        self.claim = claim
        self.since = since
    }

    var isPresent: Bool { !isVacant && !claim.status.isDeparted }

    var member: Member {
        Member(claim: claim, since: since, rtt: rtt, lastHeard: lastHeard, accusers: suspicion?.accusers ?? [])
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
    /// Members that are not departed, this node included.
    private(set) var presentCount = 0

    var count: Int { places.count }
    var allPlaces: Range<Place> { 0..<Place(records.count) }

    func place(of name: NodeName) -> Place? { places[name] }

    /// Reads, or changes what does not touch the count of those present: claims change through `setClaim`.
    subscript(_ place: Place) -> MemberRecord {
        get { records[Int(place)] }
        _modify { yield &records[Int(place)] }
    }

    mutating func insert(_ claim: Claim, at now: Instant) -> Place {
        let record = MemberRecord(claim: claim, since: now)
        if record.isPresent { presentCount += 1 }
        if let place = vacant.popLast() {
            records[Int(place)] = record
            places[claim.name] = place
            return place
        }
        let place = Place(records.count)
        records.append(record)
        places[claim.name] = place
        return place
    }

    mutating func setClaim(_ claim: Claim, at place: Place, now: Instant) {
        let before = records[Int(place)]
        if before.isPresent { presentCount -= 1 }
        records[Int(place)].claim = claim
        if before.claim.status != claim.status { records[Int(place)].since = now }
        if records[Int(place)].isPresent { presentCount += 1 }
    }

    mutating func remove(_ place: Place) {
        guard !records[Int(place)].isVacant else { return }
        if records[Int(place)].isPresent { presentCount -= 1 }
        places[records[Int(place)].claim.name] = nil
        records[Int(place)].isVacant = true
        records[Int(place)].suspicion = nil
        vacant.append(place)
    }

    /// Every member's record, in the order of the places.
    var all: some Sequence<MemberRecord> { records.lazy.filter { !$0.isVacant } }
}
