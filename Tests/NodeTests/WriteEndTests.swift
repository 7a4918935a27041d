import Node
import Relocation
import Resources
import Testing
import Vocabulary

/// Law 4: what those that had no room for a write hold of its name decides whether its condition holds.
@Suite struct WriteEndTests {
    private func version(by text: String, time: UInt64, seen: VersionSet? = nil) throws -> Version {
        Version(
            name: try ResourceName("a"), dot: Dot(node: try NodeName(text), epoch: 1, counter: 1),
            context: seen?.context ?? CausalContext(), time: HybridTime(wallMilliseconds: time, counter: 0),
            content: .tombstone, home: nil)
    }

    @Test("a greater write that has not seen it outranks; one that has follows it")
    func rivals() throws {
        let mine = try version(by: "ada", time: 1000)
        let bob = try NodeName("bob")
        for (time, isGreater) in [(2000, true), (500, false)] as [(UInt64, Bool)] {
            let other = try version(by: "bob", time: time)
            var end = WriteEnd(copies: [try NodeName("ada")], wanted: 1)
            end.heard(Testimony(versions: [other]), from: bob, besides: mine)
            #expect(end.rival == (isGreater ? other.dot : nil) && end.unheard.isEmpty)
        }
        var end = WriteEnd()
        end.heard(
            Testimony(versions: [try version(by: "bob", time: 2000, seen: VersionSet(mine))]), from: bob, besides: mine)
        end.heard(Testimony(), from: bob, besides: mine)
        #expect(end.rival == nil)
    }

    @Test("who stood in for an owner was offered nothing: a lesser one may have been acknowledged")
    func standIn() throws {
        let mine = try version(by: "ada", time: 1000)
        let (bob, cid) = (try NodeName("bob"), try NodeName("cid"))
        var end = WriteEnd()
        end.isOfStandIn = true
        end.silent = [cid]
        for _ in 0..<2 { end.heard(Testimony(versions: [try version(by: "bob", time: 500)]), from: bob, besides: mine) }
        #expect(end.rival == nil && end.unheard == [cid, bob])
    }
}
