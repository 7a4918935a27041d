import Resources
import Testing
import Vocabulary

@testable import Relocation

@Suite("Sums that are kept until something changes")
struct SharedSumsTests {
    private let names = ["ada", "bob", "cid"]

    @Test("a sum is kept for just these slots and this peer, until a group of one of them changes")
    func keeps() {
        let slots = (0...2).map { Slot.all[$0] }
        let digest = SetDigest(high: 1, low: 2)
        var sums = SharedSums()
        sums.keep(digest, of: SlotSet(slots[...1]), with: World.node("ada"))
        sums.keep(digest + digest, of: SlotSet(slots[1...]), with: World.node("ada"))
        #expect(sums.sum(of: SlotSet(slots[...1]), with: World.node("ada")) == digest)
        #expect(sums.sum(of: SlotSet(slots[1...]), with: World.node("ada")) == digest + digest)
        #expect(sums.sum(of: SlotSet(slots[...1]), with: World.node("bob")) == nil)
        #expect(sums.sum(of: SlotSet(slots), with: World.node("ada")) == nil)
        sums.forget(slots[0])
        #expect(sums.sum(of: SlotSet(slots[...1]), with: World.node("ada")) == nil)
        #expect(sums.sum(of: SlotSet(slots[1...]), with: World.node("ada")) == digest + digest)
    }

    @Test("whatever changes of a group, the sum that is told is what is held now")
    func staysTrue() throws {
        let sets = (0..<40).map { VersionSet(World.version("name-\($0)", by: "ada")) }
        var subject = Subject("ada", among: names)
        subject.feed(.loaded(World.summary(sets)))
        func isTrue(_ step: String) {
            for peer in names where peer != "ada" {
                let node = World.node(peer)
                var sum = SetDigest.empty
                for set in sets {
                    let status = subject.core.status(of: set.group(in: World.cluster))
                    let owners = subject.core.owners(of: status.key)
                    if status.digest != .empty, owners.contains(node), owners.contains(World.node("ada")) {
                        sum = sum + SharedDigest.of(status)
                    }
                }
                let ask = CompareRequest(slots: SlotSet.all, groups: [], shared: sum)
                for time in 1...2 { #expect(subject.core.answer(ask, from: node).same, "\(step), \(time)") }
            }
        }
        isTrue("as loaded")
        let key = sets[0].group(in: World.cluster)
        let more = sets[0].merged(with: [World.version("name-0", by: "bob", time: 2000, seen: sets[0])])
        subject.feed(.stored(World.summary([more])))
        isTrue("another version")
        subject.feed(.lacking([key]))
        isTrue("bytes lost")
        subject.feed(.lacking([]))
        isTrue("bytes found")
        subject.feed(.view(World.view(["ada", "cid"], for: "ada"), hear: .asOwnersChange, restarted: []))
        isTrue("another ring")
        subject.feed(.stored([GroupSummary(key: key)]))
        isTrue("a group gone")
    }
}
