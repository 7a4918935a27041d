import Gossip
import SWIM
import Vocabulary

/// A datagram as anybody may send it, into the opener; and a packet as only a member may, into the codec.
/// `roost-fuzz` does what needs many of them in a row: sessions, replays, a membership that lives through it.
struct DatagramSubject: Subject {
    private let keyring: Keyring
    private let cluster: ClusterName

    init() throws {
        cluster = try ClusterName("savanna")
        let key = ClusterKey(id: 0x526f_6f73, createdAt: 1, bytes: [UInt8](repeating: 7, count: ClusterKey.byteCount))
        keyring = Keyring(key.map { [$0] } ?? [])
    }

    func run(_ input: [UInt8]) throws {
        guard let kind = input.first else { return }
        let rest = Array(input.dropFirst())
        if kind == 0 { try open(rest) } else { _ = try decode(rest) }
    }

    private func open(_ datagram: [UInt8]) throws {
        var opener = Opener(keyring: keyring)
        let first = Result { try opener.open(datagram) }
        let sessions = opener.sessionCount
        let second = Result { try opener.open(datagram) }
        switch first {
        case .success(let packet):
            try demand(PacketCodec.encode(packet).count == packet.wireSize, "wireSize is the number of bytes")
            guard case .failure(let error as GossipError) = second, error == .replayed else {
                throw BrokenLaw("nothing opens twice", "\(second)")
            }
        case .failure(let error as GossipError):
            if case .cryptography = error { throw BrokenLaw("OpenSSL judges, and does not fail", "\(error)") }
            // Sealed by a member around nonsense: its session is known, so that a second time is a replay.
            if case .malformed = error { break }
            try demand(sessions == 0, "nothing is kept of what is refused")
            guard case .failure(let again as GossipError) = second, again == error else {
                throw BrokenLaw("what is refused is refused again", "\(error), then \(second)")
            }
        case .failure(let error): throw BrokenLaw("the opener refuses with its own errors", "\(error)")
        }
        try demand(opener.openedCount + opener.rejections.total == 2, "every datagram is counted")
    }

    private func decode(_ bytes: [UInt8]) throws -> Packet? {
        let packet: Packet
        do throws(GossipError) { packet = try PacketCodec.decode(bytes[...]) } catch {
            guard case .malformed = error else { throw BrokenLaw("the codec refuses as malformed", "\(error)") }
            return nil
        }
        try demand(PacketCodec.encode(packet) == bytes, "what decodes is what encode writes", "\(packet)")
        try demand(packet.wireSize == bytes.count, "wireSize is the number of bytes", "\(packet.wireSize)")
        for claim in packet.claims {
            try demand(claim.wireSize <= Claim.wireSizeMax, "a claim has its bound", "\(claim.wireSize)")
            let text = ClaimStatement.text(of: claim, in: cluster)
            try demand(
                text == ClaimStatement.text(of: claim.statement, in: cluster), "a statement is its own statement")
        }
        return packet
    }

    func seeds() throws -> [[UInt8]] {
        let packets = try Samples.packets()
        var sealer = try Sealer(keyring: keyring)
        return try packets.map { [1] + PacketCodec.encode($0) } + packets.prefix(2).map { [0] + (try sealer.seal($0)) }
    }
}
