import Testing
import Vocabulary

@testable import Node

@Suite("Places kept for crashed members")
struct PlacesKeptTests {
    private let (simba, mkango): (NodeName, NodeName)
    private let delay = Duration.seconds(30)
    private let limit = Duration.seconds(600)

    init() throws { (simba, mkango) = (try NodeName("simba"), try NodeName("mkango")) }

    private func at(_ seconds: Int64) -> Instant { .zero + .seconds(seconds) }

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
        places.settle(present: 2, at: at(31), delay: delay)
        #expect(places.isOutnumbered)
        #expect(names.map { places.end(of: $0) } == [at(61), at(61), at(32)], "whose time is over keeps it for longer")
        places.settle(present: 2, at: at(61), delay: delay)
        #expect(Set(places.left(at: at(61)).keys) == Set(names))
        // One of them comes back: the others have their time once more.
        places.changed(names[0])
        places.settle(present: 3, at: at(62), delay: delay)
        #expect(!places.isOutnumbered)
        #expect(places.left(at: at(62)) == [names[1]: delay, names[2]: delay])
        places.settle(present: 3, at: at(92), delay: delay)
        #expect(places.left(at: at(92)).isEmpty && places.end(of: names[1]) == nil)
    }

    @Test("who went for good before does not count, nor does an equal number keep anything")
    func oneAfterTheOther() throws {
        var places = PlacesKept()
        let names = try ["a", "b", "c"].map { try NodeName($0) }
        for (index, name) in names.enumerated() {
            let time = at(Int64(index) * 100)
            places.crashed(name, at: time, delay: delay, limit: limit)
            places.settle(present: 3 - index, at: time, delay: delay)
            #expect(places.end(of: name) == time + delay && !places.isOutnumbered)
            places.settle(present: 3 - index, at: time + delay, delay: delay)
            #expect(places.end(of: name) == nil)
        }
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
