import Placement
import Relocation
import Resources
import Testing
import Vocabulary

@Suite("What a change would move")
struct MovePlanTests {
    private static let members = ["mpologoma", "simba", "mkango", "duma"]

    /// A thousand groups of different sizes, each on its owners; every tenth has a home.
    private static func holdings(_ ring: Ring) -> [NodeName: [GroupSummary]] {
        var random = SeededGenerator(seed: 7)
        var held: [NodeName: [GroupSummary]] = [:]
        for (number, slot) in Slot.all.prefix(1000).enumerated() {
            let home = number % 10 == 0 ? World.node(members[number / 10 % members.count]) : nil
            let key = GroupKey(slot: slot, home: home)
            let summary = GroupSummary(
                key: key, names: 1 + number % 3, resources: 1 + number % 3,
                bytes: UInt64.random(in: 1...1_000_000, using: &random))
            for owner in ring.owners(of: slot, home: home, count: 2) { held[owner, default: []].append(summary) }
        }
        return held
    }

    private static func bytes(_ groups: [GroupSummary]?) -> UInt64 { (groups ?? []).reduce(0) { $0 + $1.bytes } }

    @Test("what one who leaves holds, and nothing else, is fetched by others", arguments: members)
    func leaving(name: String) {
        let ring = World.ring(Self.members)
        let held = Self.holdings(ring)
        let node = World.node(name)
        let plan = MovePlan(.leave(node), ring: ring, replicas: 2, holdings: held)
        #expect(plan.total.bytes == Self.bytes(held[node]))
        #expect(plan.total.resources == held[node]?.reduce(0) { $0 + $1.resources })
        #expect(plan.fetched[node] == nil && plan.dropped.isEmpty && plan.short == MovePlan.Amount())
        #expect(plan == MovePlan(.fail(node), ring: ring, replicas: 2, holdings: held.filter { $0.key != node }))
    }

    @Test("one who joins fetches its share, and the others drop as much")
    func joining() {
        let ring = World.ring(Array(Self.members.prefix(3)))
        let held = Self.holdings(ring)
        let duma = Candidate(name: World.node("duma"), weight: 1)
        let plan = MovePlan(.join(duma), ring: ring, replicas: 2, holdings: held)
        #expect(Array(plan.fetched.keys) == [duma.name])
        let dropped = plan.dropped.values.reduce(UInt64(0)) { $0 + $1.bytes }
        #expect(dropped == plan.total.bytes)
        let all = held.values.reduce(UInt64(0)) { $0 + Self.bytes($1) }
        // A quarter, by a thousand groups of any size.
        #expect((0.2...0.3).contains(Double(plan.total.bytes) / Double(all)))
    }

    @Test("what a newcomer has already is not counted again")
    func heldAlready() throws {
        let ring = World.ring(Array(Self.members.prefix(3)))
        var held = Self.holdings(ring)
        let duma = Candidate(name: World.node("duma"), weight: 1)
        let groups = held.values.flatMap { $0 }
        held[duma.name] = groups
        #expect(MovePlan(.join(duma), ring: ring, replicas: 2, holdings: held).fetched.isEmpty)
    }

    @Test("two members are too few for two copies when one goes")
    func tooFew() {
        let ring = World.ring(["mpologoma", "simba"])
        let held = Self.holdings(ring)
        let plan = MovePlan(.leave(World.node("simba")), ring: ring, replicas: 2, holdings: held)
        #expect(plan.fetched.isEmpty)
        #expect(plan.short.bytes == Self.bytes(held[World.node("mpologoma")]))
    }

    @Test("a change of who is no member moves nothing")
    func stranger() {
        let ring = World.ring(Self.members)
        let held = Self.holdings(ring)
        let plan = MovePlan(.leave(World.node("savanna")), ring: ring, replicas: 2, holdings: held)
        #expect(plan.fetched.isEmpty && plan.dropped.isEmpty)
    }
}
