import Gossip
import Testing
import Vocabulary

@Suite("The rotation of the cluster's keys, as a value") struct KeyRotationTests {
    private let settings = KeyRotation.Settings()

    private func at(_ seconds: Int64) -> Instant { Instant.zero + .seconds(seconds) }

    private func started(at now: Instant = .zero) throws -> KeyRotation {
        KeyRotation(ring: try Keyring.create(createdAt: 1), at: now)
    }

    @Test("a new key seals when all have it, the one before opens for the overlap, and is not taken again")
    func wholeStory() throws {
        var one = try started()
        var two = one
        let old = try #require(one.ring.primary)
        #expect(one.isCalm)
        let stranger = KeyRotation.Holder(two.ring)
        try one.begin(createdAt: 2, revocations: 0, at: at(10))
        let new = try #require(one.ring.pending)
        #expect(!one.isCalm && one.ring.primary == old && one.isBehind(stranger))
        let lacking = one.step([stranger], at: at(11), settings)
        #expect(!lacking, "the other lacks it")

        let (isNew, isUrgent) = two.merge(one.ring, at: at(11))
        #expect(isNew && !isUrgent && two.ring.primary == old, "known before it is used")
        let used = one.step([KeyRotation.Holder(two.ring)], at: at(12), settings)
        #expect(used && one.ring.primary == new && one.ring.former == [old])
        #expect(one.isBehind(KeyRotation.Holder(two.ring)), "it does not seal with it yet")
        let second = two.merge(one.ring, at: at(13))
        #expect(second.isNew && !second.isUrgent && two.ring.primary == new)
        #expect(!one.isBehind(KeyRotation.Holder(two.ring)))

        #expect(one.retiring(at: at(42), settings) == .seconds(30))
        let early = one.step([KeyRotation.Holder(two.ring)], at: at(71), settings)
        #expect(!early && one.ring.keys.count == 2)
        let late = one.step([KeyRotation.Holder(two.ring)], at: at(72), settings)
        #expect(late && one.ring.keys == [new] && one.isCalm && one.retired == new.mark)
        let back = one.merge(two.ring, at: at(72))
        #expect(!back.isNew && one.ring.keys == [new], "the other has not retired it yet")
    }

    @Test("who does not take the new key is waited for, and not for ever")
    func waiting() throws {
        var one = try started()
        try one.begin(createdAt: 2, revocations: 0, at: at(10))
        let silent = KeyRotation.Holder()
        let before = one.step([silent], at: at(39), settings)
        #expect(!before)
        let after = one.step([silent], at: at(40), settings)
        #expect(after && one.ring.pending == nil)
    }

    @Test("alone, the new key seals at the next step")
    func alone() throws {
        var one = try started()
        try one.begin(createdAt: 2, revocations: 0, at: at(1))
        let stepped = one.step([], at: at(1), settings)
        #expect(stepped && one.ring.pending == nil && one.ring.former.count == 1)
    }

    @Test("of two that are begun at once all end with the same, the newest", arguments: [0, 1])
    func twoAtOnce(first: Int) throws {
        let start = try started()
        var nodes = [start, start, start]
        try nodes[0].begin(createdAt: 5, revocations: 0, at: at(1))
        try nodes[1].begin(createdAt: 5, revocations: 0, at: at(1))
        let wanted = try #require([nodes[0], nodes[1]].compactMap(\.ring.pending).max())
        // One of the two is in use at its side before it hears of the other.
        let holders = nodes.map { _ in KeyRotation.Holder(nodes[first].ring) }
        let used = nodes[first].step(holders, at: at(2), settings)
        #expect(used)
        for round in 0..<4 {
            for from in nodes.indices {
                for to in nodes.indices where to != from {
                    let theirs = nodes[from].ring
                    _ = nodes[to].merge(theirs, at: at(3))
                }
            }
            for index in nodes.indices {
                let holders = nodes.map { KeyRotation.Holder($0.ring) }
                _ = nodes[index].step(holders, at: at(4 + Int64(round)), settings)
            }
        }
        #expect(nodes.allSatisfy { $0.ring.primary == wanted && $0.ring.pending == nil })
        for index in nodes.indices { _ = nodes[index].step([], at: at(200), settings) }
        #expect(nodes.allSatisfy { $0.ring.keys == [wanted] })
    }

    @Test("a start in the middle goes on: the times begin anew, nothing is lost")
    func restart() throws {
        var one = try started()
        try one.begin(createdAt: 2, revocations: 3, at: at(10))
        var again = KeyRotation(ring: one.ring, retired: one.retired, at: at(5))
        #expect(again.ring == one.ring && again.ring.keys.first?.revocations == 3)
        let silent = again.step([KeyRotation.Holder()], at: at(34), settings)
        #expect(!silent)
        let used = again.step([KeyRotation.Holder()], at: at(35), settings)
        #expect(used)
        var third = KeyRotation(ring: again.ring, retired: again.retired, at: at(0))
        let retired = third.step([], at: at(60), settings)
        #expect(retired && third.ring.keys.count == 1)
        let fourth = KeyRotation(ring: one.ring, retired: third.retired, at: at(0))
        #expect(fourth.ring.keys.count == 1, "what was retired is not read from an older state either")
    }

    @Test("a key that others seal with and that was not known here is urgent: the members may not know it either")
    func urgent() throws {
        var one = try started()
        let other = Keyring([try ClusterKey.create(createdAt: 9)])
        let merged = one.merge(other, at: at(1))
        #expect(merged.isNew && merged.isUrgent && one.ring.primary == other.primary)
        let again = one.merge(other, at: at(1))
        #expect(!again.isNew && !again.isUrgent)
    }

    @Test("however many are begun, the keys are bounded, and the one in use is kept")
    func bounded() throws {
        var one = try started()
        let present = one.ring.primary
        for number in 0..<20 { try one.begin(createdAt: UInt64(number), revocations: 0, at: at(1)) }
        #expect(one.ring.keys.count == Keyring.heldMax && one.ring.primary == present)
    }
}
