import Gossip
import SWIM
import Testing
import Vocabulary

@Suite struct CodecTests {
    @Test("every message with every claim comes back as it was", arguments: UInt64(1)...4)
    func roundTrip(seed: UInt64) throws {
        var random = RandomPackets(seed: seed)
        for _ in 0..<2_000 {
            let packet = random.packet()
            #expect(try PacketCodec.decode(PacketCodec.encode(packet)[...]) == packet)
        }
    }

    @Test("wireSize is an upper bound of what is encoded, and exact", arguments: UInt64(10)...13)
    func wireSize(seed: UInt64) {
        var random = RandomPackets(seed: seed)
        for _ in 0..<2_000 {
            let packet = random.packet()
            #expect(PacketCodec.encode(packet).count == packet.wireSize)
            for claim in packet.claims { #expect(claim.wireSize <= Claim.wireSizeMax) }
        }
    }

    @Test("the largest accusation of one accuser fits beside the largest header and the largest own claim")
    func largest() throws {
        var random = RandomPackets(seed: 1)
        let packet = random.largest()
        #expect(packet.claims.first?.wireSize == Claim.wireSizeMax - (Claim.accusersMax - 1) * 64)
        #expect(packet.wireSize <= Packet.wireSizeMax)
        #expect(try PacketCodec.decode(PacketCodec.encode(packet)[...]) == packet)
    }

    @Test("a packet as bytes, for a second implementation to compare")
    func goldenBytes() throws {
        let claim = Claim(
            name: try NodeName("simba"), endpoint: try Endpoint(host: "10.0.0.2", port: 7667), epoch: 258,
            incarnation: Incarnation(3), status: .suspect, intent: .draining,
            metadata: try Metadata(zone: "k", weight: 2, version: "1"), accusers: [try NodeName("mkango")],
            signature: ClaimSignature([1, 2, 3]))
        let packet = Packet(
            from: try NodeName("chui"), message: .ping(SequenceNumber(7), target: try NodeName("simba")),
            claims: [claim], coordinate: Coordinate(x: 5, y: 4_094, height: 2, error: 10_000))
        let hex = PacketCodec.encode(packet).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(
            hex == "0463687569" + "01" + "00000007" + "00050ffe00022710" + "0573696d6261" + "01"
                + "0573696d6261" + "0000000000000102" + "00000003" + "12" + "01066d6b616e676f"
                + "0831302e302e302e32" + "1df3" + "016b" + "00000002" + "0131"
                + "03010203")

        let tags = try #require(TagsDigest(bytes: 0xa0...0xaf))
        let tagged = claim.bearing(claim.metadata.tagged(tags))
        let taggedHex = PacketCodec.encode(packet.telling([tagged])).map {
            ($0 < 16 ? "0" : "") + String($0, radix: 16)
        }.joined()
        // The highest bit of the state, and the digest before the signature.
        #expect(
            taggedHex
                == hex.replacing("00000003" + "12" + "01", with: "00000003" + "92" + "01")
                .replacing("0131" + "03010203", with: "0131" + "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf" + "03010203"))
    }

    @Test("tags of any length make a claim 16 bytes longer, and no tags none")
    func tagsBudget() throws {
        var random = RandomPackets(seed: 20)
        for _ in 0..<500 {
            let claim = random.claim()
            let plain = claim.bearing(claim.metadata.tagged(nil))
            let tagged = claim.bearing(claim.metadata.tagged(TagsDigest(bytes: [UInt8](repeating: 7, count: 16))))
            let from = claim.name
            func bytes(_ claim: Claim) -> Int {
                PacketCodec.encode(Packet(from: from, message: .gossip, claims: [claim])).count
            }
            #expect(bytes(tagged) == bytes(plain) + 16)
            #expect(tagged.wireSize == plain.wireSize + 16)
        }
    }

    @Test("200,000 random byte strings never trap, and what is read is what would be written")
    func randomBytes() {
        var generator = SeededGenerator(seed: 5)
        var accepted = 0
        for _ in 0..<200_000 {
            let count = Int.random(in: 0...40, using: &generator)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            // Half of them begin like a packet, or none would come past the first name.
            if count >= 4, Bool.random(using: &generator) {
                bytes.replaceSubrange(0..<3, with: [1, 0x61, bytes[0] % 7])
            }
            if let packet = try? PacketCodec.decode(bytes[...]) {
                accepted += 1
                if PacketCodec.encode(packet) != bytes { Issue.record("two forms of one packet: \(bytes)") }
            }
        }
        #expect(accepted > 0, "some of them are packets, or this tests nothing")
    }

    @Test("200,000 mutated packets never trap, and what is read is what would be written")
    func mutations() {
        var generator = SeededGenerator(seed: 6)
        var random = RandomPackets(seed: 6)
        var accepted = 0
        let originals = (0..<200).map { _ in PacketCodec.encode(random.packet(claimsMax: 3)) }
        for round in 0..<200_000 {
            var bytes = originals[round % originals.count]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &generator)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
                default: if bytes.count > 1 { bytes.remove(at: index) }
                }
            }
            if let packet = try? PacketCodec.decode(bytes[...]) {
                accepted += 1
                if PacketCodec.encode(packet) != bytes { Issue.record("two forms of one packet: \(bytes)") }
            }
        }
        #expect(accepted > 1_000 && accepted < 199_000, "\(accepted)")
    }

    @Test("nobody confirms an accusation twice, and nobody accuses itself", arguments: ["aa", "ma", "am"])
    func accusers(_ letters: String) throws {
        let claim = Claim(
            name: try NodeName("m"), endpoint: try Endpoint(host: "h", port: 1), epoch: 1, incarnation: .zero,
            status: .suspect, metadata: .standard, accusers: [try NodeName("x"), try NodeName("y")])
        var bytes = PacketCodec.encode(Packet(from: try NodeName("s"), message: .gossip, claims: [claim]))
        #expect(throws: Never.self) { try PacketCodec.decode(bytes[...]) }
        for (was, now) in zip("xy".utf8, letters.utf8) {
            let index = try #require(bytes.firstIndex(of: was))
            bytes[index] = now
        }
        #expect(throws: (any Error).self) { try PacketCodec.decode(bytes[...]) }
    }

    @Test("every truncation and every extension of a packet is refused")
    func lengths() {
        var random = RandomPackets(seed: 7)
        for _ in 0..<50 {
            let bytes = PacketCodec.encode(random.packet(claimsMax: 3))
            for count in 0..<bytes.count {
                #expect(throws: GossipError.self) { try PacketCodec.decode(bytes[..<count]) }
            }
            #expect(throws: GossipError.self) { try PacketCodec.decode((bytes + [0])[...]) }
        }
    }
}

extension Claim {
    fileprivate func bearing(_ metadata: Metadata) -> Claim {
        Claim(
            name: name, endpoint: endpoint, epoch: epoch, incarnation: incarnation, status: status, intent: intent,
            metadata: metadata, accusers: accusers, signature: signature)
    }
}

/// Packets of every kind, with texts of every length.
struct RandomPackets {
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    private mutating func text(_ range: ClosedRange<Int>) -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        let count = Int.random(in: range, using: &generator)
        return String((0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] })
    }

    private mutating func name(_ range: ClosedRange<Int> = 1...63) -> NodeName {
        guard let name = try? NodeName(text(range)) else { preconditionFailure("letters and digits are a name") }
        return name
    }

    private mutating func endpoint(_ range: ClosedRange<Int> = 1...60) -> Endpoint {
        guard let endpoint = try? Endpoint(host: text(range), port: .random(in: 0 ... .max, using: &generator)) else {
            preconditionFailure("letters and digits are a host")
        }
        return endpoint
    }

    mutating func claim() -> Claim {
        let status = Status.allCases[Int.random(in: 0..<6, using: &generator)]
        let metadata = try? Metadata(
            zone: text(0...63), weight: .random(in: 0 ... .max, using: &generator), version: text(0...32),
            tags: Bool.random(using: &generator) ? tags() : nil)
        return Claim(
            name: name(), endpoint: endpoint(), epoch: .random(in: 0 ... .max, using: &generator),
            incarnation: Incarnation(.random(in: 0 ... .max, using: &generator)), status: status,
            intent: Intent.allCases[Int.random(in: 0..<3, using: &generator)], metadata: metadata ?? .standard,
            accusers: Bool.random(using: &generator) ? [name(), name()] : [],
            signature: signature(0...ClaimSignature.bytesMax))
    }

    private mutating func signature(_ range: ClosedRange<Int>) -> ClaimSignature? {
        let count = Int.random(in: range, using: &generator)
        return ClaimSignature((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    private mutating func tags() -> TagsDigest? {
        TagsDigest(bytes: (0..<TagsDigest.byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    mutating func packet(claimsMax: Int = 4) -> Packet {
        let sequence = SequenceNumber(.random(in: 0 ... .max, using: &generator))
        let message: Message =
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: .ping(sequence, target: name())
            case 1:
                .pingRequest(
                    sequence, target: name(), at: endpoint(),
                    within: .milliseconds(Int.random(in: 0...65_535, using: &generator)))
            case 2: .ack(sequence)
            case 3: .nack(sequence)
            default: .gossip
            }
        let count = Int.random(in: 0...claimsMax, using: &generator)
        return Packet(from: name(), message: message, claims: (0..<count).map { _ in claim() })
    }

    mutating func largest() -> Packet {
        let long = name(63...63)
        let metadata = try? Metadata(zone: text(63...63), weight: .max, version: text(32...32), tags: tags())
        let claim = Claim(
            name: long, endpoint: endpoint(253...253), epoch: .max, incarnation: Incarnation(.max), status: .crashed,
            intent: .restarting, metadata: metadata ?? .standard, accusers: [name(63...63)],
            signature: signature(ClaimSignature.bytesMax...ClaimSignature.bytesMax))
        let own = Claim(
            name: long, endpoint: endpoint(253...253), epoch: .max, incarnation: Incarnation(.max), status: .restarting,
            metadata: metadata ?? .standard, signature: signature(ClaimSignature.bytesMax...ClaimSignature.bytesMax))
        return Packet(
            from: long, message: .ping(SequenceNumber(.max), target: long), claims: [claim, own])
    }

    /// As SWIM fills it: claims until no byte more would fit.
    mutating func full() -> Packet {
        var packet = self.packet(claimsMax: 0)
        while true {
            let next = Packet(from: packet.from, message: packet.message, claims: packet.claims + [claim()])
            guard next.wireSize <= Packet.wireSizeMax else { return packet }
            packet = next
        }
    }
}
