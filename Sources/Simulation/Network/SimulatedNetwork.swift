import Vocabulary

/// What lies between the hosts: it decides for each datagram whether and when it arrives (once, twice, late or never),
/// and for each leg of a call how long it takes. It holds no traffic; the simulator's queue does.
public struct SimulatedNetwork: Sendable {
    /// Where nothing else is said.
    public var standard: Link
    private var siteLinks: [Pair: Link] = [:]
    private var pairLinks: [Pair: Link] = [:]
    private var places: [Place] = []
    private var cuts: [Pair: Link.Carriers] = [:]
    private var random: SeededGenerator

    /// What belongs to one host.
    private struct Place: Sendable {
        var site = 0
        /// Hosts of different groups do not reach each other.
        var group = 0
        var lossIn = Chance.never
        var lossOut = Chance.never
    }

    public init(standard: Link = .lan, seed: UInt64) {
        self.standard = standard
        random = SeededGenerator(seed: seed)
    }

    mutating func add(site: Int) { places.append(Place(site: site)) }

    // MARK: Shape

    /// Both directions between two sites (or inside one).
    public mutating func setLink(_ link: Link, betweenSite a: Int, andSite b: Int) {
        siteLinks[Pair(from: a, to: b)] = link
        siteLinks[Pair(from: b, to: a)] = link
    }

    /// One direction between two hosts; `nil` goes back to what the sites have.
    public mutating func setLink(_ link: Link?, from: HostID, to: HostID) {
        pairLinks[Pair(from: from.number, to: to.number)] = link
    }

    public func link(from: HostID, to: HostID) -> Link {
        if !pairLinks.isEmpty, let link = pairLinks[Pair(from: from.number, to: to.number)] { return link }
        guard !siteLinks.isEmpty else { return standard }
        return siteLinks[Pair(from: places[from.number].site, to: places[to.number].site)] ?? standard
    }

    // MARK: Faults

    /// Loss at one host's own connection, besides that of the links.
    public mutating func setLoss(in lossIn: Chance, out lossOut: Chance, at host: HostID) {
        places[host.number].lossIn = lossIn
        places[host.number].lossOut = lossOut
    }

    /// Nothing of that kind passes from one to the other; the way back is another cut.
    public mutating func cut(from: HostID, to: HostID, _ carriers: Link.Carriers = .all) {
        cuts[Pair(from: from.number, to: to.number), default: []].formUnion(carriers)
    }

    public mutating func cutBothWays(_ a: HostID, _ b: HostID, _ carriers: Link.Carriers = .all) {
        cut(from: a, to: b, carriers)
        cut(from: b, to: a, carriers)
    }

    public mutating func mend(from: HostID, to: HostID) { cuts[Pair(from: from.number, to: to.number)] = nil }

    /// Each set is cut off from all others; hosts in none of them stay together.
    public mutating func partition(_ groups: [[HostID]]) {
        for index in places.indices { places[index].group = 0 }
        for (number, group) in groups.enumerated() {
            for host in group { places[host.number].group = number + 1 }
        }
    }

    /// Partitions and cuts end; loss and links stay as they are.
    public mutating func heal() {
        for index in places.indices { places[index].group = 0 }
        cuts = [:]
    }

    public func isCut(from: HostID, to: HostID, _ carrier: Link.Carriers) -> Bool {
        guard from != to else { return false }
        if places[from.number].group != places[to.number].group { return true }
        return !cuts.isEmpty && !(cuts[Pair(from: from.number, to: to.number)] ?? []).isDisjoint(with: carrier)
    }

    // MARK: Traffic

    enum Fate {
        case lost
        case arrives(after: Duration)
        case arrivesTwice(after: Duration, and: Duration)
    }

    mutating func fateOfDatagram(from: HostID, to: HostID) -> Fate {
        guard !isCut(from: from, to: to, .datagrams) else { return .lost }
        let link = link(from: from, to: to)
        guard !loss(link, from, to).happens(using: &random) else { return .lost }
        let first = delay(of: link)
        guard link.duplication.happens(using: &random) else { return .arrives(after: first) }
        return .arrivesTwice(after: first, and: delay(of: link))
    }

    /// How long one direction of a call takes, and `nil` while it is cut. TCP repairs loss: what is lost costs time
    /// (RFC 6298's 200 ms as Linux has it, doubled each time), not the call.
    mutating func timeOfLeg(bytes: Int, from: HostID, to: HostID) -> Duration? {
        guard !isCut(from: from, to: to, .calls) else { return nil }
        let link = link(from: from, to: to)
        let loss = loss(link, from, to)
        var time = delay(of: link) + .nanoseconds(Int64(bytes) * 1_000_000_000 / Int64(link.bytesPerSecond))
        var timeout = Duration.milliseconds(200)
        for _ in 0..<Self.retransmissionsMax where loss.happens(using: &random) {
            time += timeout
            timeout = timeout * 2
        }
        return time
    }

    private static let retransmissionsMax = 8

    private func loss(_ link: Link, _ from: HostID, _ to: HostID) -> Chance {
        link.loss.or(places[from.number].lossOut).or(places[to.number].lossIn)
    }

    private mutating func delay(of link: Link) -> Duration {
        var delay = link.delay
        let jitter = link.jitter.saturatingNanoseconds
        if jitter > 0 { delay += .nanoseconds(Int64.random(in: 0...jitter, using: &random)) }
        if link.reordering.happens(using: &random) { delay += link.detour }
        return delay
    }
}
