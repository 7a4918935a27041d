import Foundation
import Gossip
import SWIM
import Testing
import Vocabulary

@Suite struct KeyringTests {
    private func key(_ id: UInt32, _ createdAt: UInt64, _ byte: UInt8 = 1) throws -> ClusterKey {
        try #require(ClusterKey(id: id, createdAt: createdAt, bytes: [UInt8](repeating: byte, count: 32)))
    }

    @Test("keys are rotated online: old and new open side by side, until the old is gone")
    func rotation() throws {
        var random = RandomPackets(seed: 1)
        let old = try Keyring.create(createdAt: 100)
        var both = old
        try both.add(createdAt: 50)
        #expect(both.keys.count == 2 && both.primary == old.primary && both.pending == both.keys.first)
        #expect(both.former.isEmpty)
        both.useNewest()
        #expect(
            both.primary != old.primary && both.pending == nil, "the new key is the newest though the clock went back")
        #expect(both.former == old.keys)

        var sealer = try Sealer(keyring: old)
        var opener = Opener(keyring: both)
        let packets = (0..<3).map { _ in random.packet() }
        #expect(try opener.open(sealer.seal(packets[0])) == packets[0])
        try sealer.use(both)
        let datagram = try sealer.seal(packets[1])
        #expect(try opener.open(datagram) == packets[1])
        var late = Opener(keyring: old)
        #expect(throws: GossipError.self) { try late.open(datagram) }
        late.use(both)
        #expect(try late.open(datagram) == packets[1])

        let onlyNew = Keyring([try #require(both.primary)])
        var behind = try Sealer(keyring: old)
        opener.use(onlyNew)
        #expect(opener.sessionCount == 1, "sessions of the dropped key are forgotten")
        #expect(throws: GossipError.unknownKey(id: old.primary?.id ?? 0)) { try opener.open(behind.seal(packets[2])) }
        #expect(try opener.open(sealer.seal(packets[2])) == packets[2])
    }

    @Test("merging is commutative, associative, idempotent, and bounded to the four newest")
    func mergeLaws() throws {
        var generator = SeededGenerator(seed: 4)
        func random() throws -> Keyring {
            Keyring(
                try (0..<Int.random(in: 0...4, using: &generator)).map { _ in
                    try key(
                        .random(in: 0...5, using: &generator), .random(in: 0...3, using: &generator),
                        .random(in: 0...1, using: &generator))
                })
        }
        func merged(_ a: Keyring, _ b: Keyring) -> Keyring {
            var a = a
            let before = a
            #expect(a.merge(with: b) == (a != before))
            return a
        }
        for _ in 0..<2_000 {
            let (a, b, c) = (try random(), try random(), try random())
            #expect(merged(a, b) == merged(b, a))
            #expect(merged(merged(a, b), c) == merged(a, merged(b, c)))
            #expect(merged(a, a) == a)
            #expect(merged(merged(a, b), b) == merged(a, b))
            #expect(merged(a, b).keys.count <= Keyring.keysMax)
        }
        var full = Keyring(try (1...4).map { try key($0, UInt64($0)) })
        full.merge(with: Keyring([try key(9, 9)]))
        #expect(full.keys.map(\.id) == [9, 4, 3, 2])
    }

    @Test("what is in use is the greatest that anybody says, and stays when four newer ones come")
    func inUse() throws {
        let all = try (UInt32(1)...7).map { try key($0, UInt64($0)) }
        var generator = SeededGenerator(seed: 5)
        func random() -> Keyring {
            let some = all.filter { _ in Bool.random(using: &generator) }
            return Keyring(some, inUse: some.randomElement(using: &generator)?.mark)
        }
        func merged(_ a: Keyring, _ b: Keyring) -> Keyring {
            var a = a
            a.merge(with: b)
            return a
        }
        for _ in 0..<2_000 {
            let (a, b, c) = (random(), random(), random())
            #expect(merged(a, b) == merged(b, a))
            #expect(merged(merged(a, b), c) == merged(a, merged(b, c)))
            #expect(merged(merged(a, b), b) == merged(a, b))
            let both = merged(a, b)
            #expect(both.primary?.id == [a, b].compactMap(\.primary?.id).max())
            #expect(both.keys.count <= Keyring.heldMax)
        }
        var ring = Keyring([all[0]])
        for index in 1..<7 { ring.merge(with: Keyring([all[0], all[index]], inUse: all[0].mark)) }
        #expect(ring.keys.map(\.id) == [7, 6, 5, 4, 1] && ring.primary?.id == 1 && ring.pending?.id == 7)
    }

    @Test("a key that comes without what its maker knew of revocations takes that from nobody")
    func revocations() throws {
        let told = try #require(ClusterKey(id: 1, createdAt: 1, bytes: Array(0..<32), revocations: 2))
        let bare = try #require(ClusterKey(id: 1, createdAt: 1, bytes: Array(0..<32)))
        for order in [[told, bare], [bare, told]] {
            var ring = Keyring([order[0]])
            ring.merge(with: Keyring([order[1]]))
            #expect(ring.keys == [told])
            let changed = ring.merge(with: Keyring([bare]))
            #expect(!changed)
        }
    }

    @Test("a keyring is handed over as JSON, and a wrong one is refused")
    func handover() throws {
        let pending = Keyring([try key(7, 3), try key(8, 4)], inUse: try key(7, 3).mark)
        #expect(pending.primary?.id == 7)
        #expect(try JSONDecoder().decode(Keyring.self, from: JSONEncoder().encode(pending)) == pending)
        let older = try JSONEncoder().encode([try key(7, 3), try key(8, 4)])
        #expect(try JSONDecoder().decode(Keyring.self, from: older).primary?.id == 8, "where nobody says, the newest")
        let keyring = Keyring([try key(7, 3), try key(8, 4, 200)])
        let data = try JSONEncoder().encode(keyring)
        #expect(try JSONDecoder().decode(Keyring.self, from: data) == keyring)
        let short = Data(#"[{"id":1,"created_at":1,"bytes":[1,2,3]}]"#.utf8)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(Keyring.self, from: short) }
        #expect(!"\(keyring.keys)".contains("200"), "a log line never shows the secret")
    }

    @Test("without a key nothing is sealed") func empty() {
        do {
            _ = try Sealer(keyring: Keyring())
            Issue.record("an empty keyring sealed")
        } catch {
            #expect(error == .emptyKeyring)
        }
    }
}
