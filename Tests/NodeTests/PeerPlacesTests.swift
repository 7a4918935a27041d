import Node
import Testing
import Vocabulary

/// Who may be connected when there are few places (DESIGN §7).
@Suite struct PeerPlacesTests {
    private struct Peer: PeerUse {
        var isBusy = true
        var lastUsed = 0

        func active(_ kind: PeerPlaces.Kind) -> Int { isBusy ? 1 : 0 }
    }

    private let (ada, bob, cid): (NodeName, NodeName, NodeName)

    init() throws { (ada, bob, cid) = (try NodeName("ada"), try NodeName("bob"), try NodeName("cid")) }

    @Test("the last place is kept for asking others, and for callers whose answer takes nobody else")
    func lastPlace() {
        let places = PeerPlaces(peersMax: 2)
        // A write that ada has passed on here is under way.
        let one = [ada: Peer()]
        #expect(places.placeForCaller(bob, for: .long, among: one) == .none)
        #expect(places.placeForCaller(bob, for: .brief, among: one) == .free)
        #expect(places.placeForCaller(ada, for: .long, among: one) == .free, "it has its place")
        #expect(places.place(for: bob, among: one) == .free)
        var two = [ada: Peer(), bob: Peer()]
        for stay in [.brief, .long] as [PeerPlaces.Stay] {
            #expect(places.placeForCaller(cid, for: stay, among: two) == .none, "more than peers.max are none's")
        }
        two[bob] = Peer(isBusy: false)
        #expect(places.placeForCaller(cid, for: .brief, among: two) == .insteadOf(bob))
        #expect(places.placeForCaller(cid, for: .long, among: two) == .none)
    }
}
