import Testing
import Vocabulary

@testable import Node
@testable import SWIM

@Suite("Places kept for crashed members")
struct PlacesKeptTests {
    private let (simba, mkango): (NodeName, NodeName)
    private let delay = Duration.seconds(30)
    private let limit = Duration.seconds(600)

    init() throws { (simba, mkango) = (try NodeName("simba"), try NodeName("mkango")) }

    private func at(_ seconds: Int64) -> Instant { .zero + .seconds(seconds) }

    /// This node and others, of which something came in at that time.
    private func members(_ count: Int, heardAt time: Instant?, _ status: Status = .alive) throws -> [Member] {
        try (0..<count).map { number in
            let name = try NodeName(number == 0 ? "me" : "\(status)-\(number)")
            let claim = Claim(
                name: name, endpoint: try Endpoint(host: "10.0.0.1", port: 7667), epoch: 1, incarnation: .zero,
                status: number == 0 ? .alive : status, metadata: .standard)
            return Member(claim: claim, since: .zero, rtt: nil, lastHeard: number == 0 ? nil : time, reach: .direct)
        }
    }

    private func settle(_ places: inout PlacesKept, among members: [Member], at now: Instant) throws {
        places.settle(among: members, me: try NodeName("me"), at: now, delay: delay)
    }

    @Test("a newcomer keeps a place until the moment at which whoever let it in gives it away")
    func told() {
        var elder = PlacesKept()
        elder.crashed(simba, at: at(0), delay: delay, limit: limit)
        var newcomer = PlacesKept()
        newcomer.heard(elder.left(at: at(20)), at: at(20), limit: limit) { _ in true }
        #expect(newcomer.end(of: simba) == elder.end(of: simba))
        #expect(elder.end(of: simba) == at(30))
        // And tells the next one the same.
        #expect(newcomer.left(at: at(25)) == [simba: .seconds(5)])
        #expect(newcomer.left(at: at(30)).isEmpty)
        #expect(newcomer.witnessed.isEmpty)
    }

    @Test("nobody's word keeps the place of one that is there, for longer than any, or against what was seen")
    func bounds() {
        var places = PlacesKept()
        places.crashed(simba, at: at(0), delay: delay, limit: limit)
        places.heard([simba: .seconds(500), mkango: .seconds(5_000)], at: at(1), limit: limit) { _ in true }
        #expect(places.end(of: simba) == at(30))
        #expect(places.end(of: mkango) == at(601))
        var others = PlacesKept()
        others.heard([simba: .seconds(5), mkango: .seconds(-5)], at: at(1), limit: limit) { $0 != simba }
        #expect(others.left(at: at(1)).isEmpty)
    }

    @Test("places are kept for as long as more are missing at once than are here, and for a while after that")
    func outnumbered() throws {
        var places = PlacesKept()
        let names = try ["a", "b", "c"].map { try NodeName($0) }
        for (second, name) in names.enumerated() {
            places.crashed(name, at: at(Int64(second)), delay: delay, limit: limit)
        }
        try settle(&places, among: members(2, heardAt: at(31)), at: at(31))
        #expect(places.isOutnumbered)
        #expect(names.map { places.end(of: $0) } == [at(61), at(61), at(32)], "whose time is over keeps it for longer")
        try settle(&places, among: members(2, heardAt: at(61)), at: at(61))
        #expect(Set(places.left(at: at(61)).keys) == Set(names))
        // One of them comes back: the others have their time once more.
        places.changed(names[0])
        try settle(&places, among: members(3, heardAt: at(62)), at: at(62))
        #expect(!places.isOutnumbered)
        #expect(places.left(at: at(62)) == [names[1]: delay, names[2]: delay])
        try settle(&places, among: members(3, heardAt: at(92)), at: at(92))
        #expect(places.left(at: at(92)).isEmpty && places.end(of: names[1]) == nil)
    }

    @Test("who went for good before does not count, nor does an equal number keep anything")
    func oneAfterTheOther() throws {
        var places = PlacesKept()
        let names = try ["a", "b", "c"].map { try NodeName($0) }
        for (index, name) in names.enumerated() {
            let time = at(Int64(index) * 100)
            places.crashed(name, at: time, delay: delay, limit: limit)
            try settle(&places, among: members(3 - index, heardAt: time), at: time)
            #expect(places.end(of: name) == time + delay && !places.isOutnumbered)
            try settle(&places, among: members(3 - index, heardAt: time + delay), at: time + delay)
            #expect(places.end(of: name) == nil)
        }
    }

    @Test("nor is the first of several taken for gone while the others that may be have not shown that they are here")
    func verdictsApart() throws {
        var places = PlacesKept()
        places.crashed(simba, at: at(0), delay: delay, limit: limit)
        // Five, of which two are left, and the verdicts on the others are not in yet.
        let silent = try members(4, heardAt: at(-1))
        try settle(&places, among: silent, at: at(30))
        #expect(places.end(of: simba) == at(30) + PlacesKept.nextLook && !places.isOutnumbered)
        let suspects = try members(4, heardAt: at(29), .suspect)
        try settle(&places, among: suspects, at: at(31))
        #expect(places.end(of: simba) == at(31) + PlacesKept.nextLook)
        // As many as are missing, or may be, are here.
        try settle(&places, among: members(2, heardAt: at(31)) + silent.suffix(1), at: at(32))
        #expect(places.end(of: simba) == nil)
    }

    @Test("of many it is enough to have heard of a few more than are missing", arguments: [(9, true), (8, false)])
    func many(heard: Int, isEnough: Bool) throws {
        var places = PlacesKept()
        places.crashed(simba, at: at(0), delay: delay, limit: limit)
        try settle(
            &places, among: members(heard, heardAt: at(20)) + members(500, heardAt: at(-5)).dropFirst(), at: at(30))
        #expect((places.end(of: simba) == nil) == isEnough)
    }

    @Test("who waits for nobody does not wait for a sign of life either")
    func noDelay() throws {
        var places = PlacesKept()
        places.crashed(simba, at: at(0), delay: .zero, limit: .zero)
        places.settle(among: try members(4, heardAt: nil), me: try NodeName("me"), at: at(0), delay: .zero)
        #expect(places.end(of: simba) == nil)
    }

    @Test("who returns, or is no member any more, has nothing to lose")
    func over() {
        var places = PlacesKept()
        places.crashed(simba, at: at(0), delay: delay, limit: limit)
        places.heard([mkango: .seconds(50)], at: at(0), limit: limit) { _ in true }
        places.changed(simba)
        #expect(places.end(of: simba) == nil)
        places.keep(whereMember: { _ in false }, whereCrashed: { _ in false })
        #expect(places.end(of: mkango) == nil)
    }
}
