import Gossip
import SWIM
import Testing
import Vocabulary

@Suite struct SealingTests {
    private func pair() throws -> (Keyring, Opener) {
        let keyring = try Keyring.create(createdAt: 1)
        return (keyring, Opener(keyring: keyring))
    }

    @Test("what is sealed opens as it was, in at most 1,400 bytes", arguments: UInt64(1)...3)
    func roundTrip(seed: UInt64) throws {
        var random = RandomPackets(seed: seed)
        var (keyring, opener) = try pair()
        var sealer = try Sealer(keyring: keyring)
        var largest = 0
        for _ in 0..<300 {
            let packet = random.full()
            let datagram = try sealer.seal(packet)
            largest = max(largest, datagram.count)
            #expect(try opener.open(datagram) == packet)
        }
        #expect(largest <= 1_400 && largest > 1_300)
        #expect(Packet.wireSizeMax + 45 == 1_400)
        #expect(opener.openedCount == 300 && opener.rejections.total == 0)
        keyring = Keyring()
    }

    @Test("a packet past the bound is not sent")
    func tooLarge() throws {
        var random = RandomPackets(seed: 1)
        let (keyring, _) = try pair()
        var sealer = try Sealer(keyring: keyring)
        let full = random.full()
        let packet = Packet(
            from: full.from, message: full.message, claims: full.claims + (0..<20).map { _ in random.claim() })
        do {
            _ = try sealer.seal(packet)
            Issue.record("it was sealed")
        } catch {
            #expect(error == .tooLarge(bytes: packet.wireSize, bytesMax: 1_355))
        }
    }

    @Test("the same packet sealed twice shares nothing but the header's fixed part")
    func noRepetition() throws {
        let (keyring, _) = try pair()
        var sealer = try Sealer(keyring: keyring)
        var other = try Sealer(keyring: keyring)
        var random = RandomPackets(seed: 2)
        let packet = random.packet()
        let (a, b, c) = try (sealer.seal(packet), sealer.seal(packet), other.seal(packet))
        #expect(a[..<21] == b[..<21])
        #expect(a[21...] != b[21...] && a[29...] != b[29...])
        #expect(a[5..<21] != c[5..<21], "each sender has a session of its own")
    }

    @Test("a replayed datagram is refused, each time")
    func replay() throws {
        var (keyring, opener) = try pair()
        var sealer = try Sealer(keyring: keyring)
        var random = RandomPackets(seed: 3)
        let datagrams = try (0..<100).map { _ in try sealer.seal(random.packet()) }
        for datagram in datagrams { _ = try opener.open(datagram) }
        for datagram in datagrams + datagrams {
            #expect(throws: GossipError.replayed) { try opener.open(datagram) }
        }
        #expect(opener.rejections.replayed == 200)
        keyring = Keyring()
    }

    @Test("datagrams out of order are accepted inside the window, each once, and refused behind it")
    func reordering() throws {
        var (keyring, opener) = try pair()
        var sealer = try Sealer(keyring: keyring)
        var random = RandomPackets(seed: 4)
        var generator = SeededGenerator(seed: 4)
        let packet = random.packet(claimsMax: 0)
        let datagrams = try (0..<5_000).map { _ in try sealer.seal(packet) }
        // Any order within blocks of 1,024.
        for start in stride(from: 0, to: 4_096, by: 1_024) {
            for index in (start..<start + 1_024).shuffled(using: &generator) { _ = try opener.open(datagrams[index]) }
        }
        #expect(opener.openedCount == 4_096)
        _ = try opener.open(datagrams[4_999])
        _ = try opener.open(datagrams[4_999 - 800])
        #expect(throws: GossipError.replayed) { try opener.open(datagrams[4_999 - 800]) }
        for index in 0..<(4_999 - 2_048) { #expect(throws: GossipError.replayed) { try opener.open(datagrams[index]) } }
        keyring = Keyring()
    }

    @Test("another cluster's key is refused, also under the same key id")
    func otherCluster() throws {
        var (keyring, opener) = try pair()
        let stranger = try Keyring.create(createdAt: 1)
        var sealer = try Sealer(keyring: stranger)
        var random = RandomPackets(seed: 5)
        #expect(throws: GossipError.unknownKey(id: stranger.primary?.id ?? 0)) {
            try opener.open(sealer.seal(random.packet()))
        }
        let id = try #require(keyring.primary?.id)
        let forged = try #require(ClusterKey(id: id, createdAt: 1, bytes: stranger.primary?.bytes ?? []))
        var forger = try Sealer(keyring: Keyring([forged]))
        #expect(throws: GossipError.notAuthentic) { try opener.open(forger.seal(random.packet())) }
        #expect(opener.rejections.unknownKey == 1 && opener.rejections.notAuthentic == 1)
        #expect(opener.sessionCount == 0, "nothing is remembered of what does not authenticate")
        keyring = Keyring()
    }

    @Test("a truncated, extended or flipped datagram is refused, wherever, and the true one still opens")
    func tampering() throws {
        var (keyring, opener) = try pair()
        var sealer = try Sealer(keyring: keyring)
        var random = RandomPackets(seed: 6)
        let packet = random.packet(claimsMax: 1)
        let datagram = try sealer.seal(packet)
        for count in 0..<datagram.count {
            #expect(throws: GossipError.self) { try opener.open(Array(datagram[..<count])) }
        }
        #expect(throws: GossipError.self) { try opener.open(datagram + [0]) }
        for index in datagram.indices {
            for bit in UInt8(0)..<8 {
                var flipped = datagram
                flipped[index] ^= 1 << bit
                #expect(throws: GossipError.self) { try opener.open(flipped) }
            }
        }
        #expect(opener.sessionCount == 0)
        #expect(try opener.open(datagram) == packet)
        #expect(opener.rejections.total == UInt64(datagram.count + 1 + 8 * datagram.count))
        #expect(opener.rejections.all.reduce(0) { $0 + $1.count } == opener.rejections.total)
        keyring = Keyring()
    }

    @Test("random datagrams are counted by their reason and remembered nowhere")
    func randomDatagrams() throws {
        var (keyring, opener) = try pair()
        var generator = SeededGenerator(seed: 8)
        let id = try #require(keyring.primary?.id)
        for round in 0..<20_000 {
            var bytes = [UInt8](
                repeating: UInt8(truncatingIfNeeded: round), count: Int.random(in: 0...1_600, using: &generator))
            for index in bytes.indices.prefix(60) { bytes[index] = UInt8.random(in: 0...255, using: &generator) }
            if round % 2 == 0, bytes.count > 5 {
                bytes.replaceSubrange(0..<5, with: [1] + (0..<4).map { UInt8(truncatingIfNeeded: id >> (24 - 8 * $0)) })
            }
            #expect(throws: GossipError.self) { try opener.open(bytes) }
        }
        let rejections = opener.rejections
        #expect(rejections.total == 20_000 && opener.sessionCount == 0)
        #expect(rejections.tooShort > 0 && rejections.tooLong > 0 && rejections.unknownVersion > 0)
        #expect(rejections.notAuthentic > 5_000 && rejections.malformed == 0 && rejections.failed == 0)
        keyring = Keyring()
    }

    @Test("the table of sessions is bounded, and a live session outlasts idle ones")
    func sessionsBounded() throws {
        var (keyring, opener) = try pair()
        var random = RandomPackets(seed: 9)
        let packet = random.packet(claimsMax: 0)
        var steady = try Sealer(keyring: keyring)
        let first = try steady.seal(packet)
        _ = try opener.open(first)
        for round in 0..<9_000 {
            var sealer = try Sealer(keyring: keyring)
            _ = try opener.open(sealer.seal(packet))
            if round % 1_000 == 0 { _ = try opener.open(steady.seal(packet)) }
            #expect(opener.sessionCount <= Opener.sessionsMax)
        }
        #expect(opener.sessionCount > Opener.sessionsMax / 2)
        #expect(throws: GossipError.replayed) { try opener.open(first) }
        keyring = Keyring()
    }
}
