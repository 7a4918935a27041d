import SWIM
import Vocabulary

/// A packet as bytes: what is inside the seal.
///
///     packet   = from:text message count:u8 claim*count
///     message  = 1 sequence:u32 coordinate target:text                              ping
///              | 2 sequence:u32 target:text endpoint within:u16 (milliseconds)      ping request
///              | 3 sequence:u32 coordinate                                          ack
///              | 4 sequence:u32                                                     nack
///              | 5                                                                  gossip
///     claim    = name:text epoch:u64 incarnation:u32 state:u8 accusers endpoint zone:text? weight:u32 version:text
///                tags? signature
///     accusers = count:u8 text*count, at most 4
///     coordinate = x:i16 y:i16 height:u16 (each in 0.1 ms) error:u16 (in 0.0001): the sender's
///     state    = status in the low four bits, intent in the three above, and in the highest whether there are tags
///     tags     = the 16 bytes of a `TagsDigest`; where the state says that there are none, nothing
///     endpoint = host:text port:u16
///     text     = length:u8 UTF-8;  text? of length 0 is none
///     signature = length:u8 and as many bytes (`ClaimStatement`); of length 0: none
///
/// Integers are big-endian. Nothing may follow the last claim. A later version of the wire takes another version byte
/// (`Sealing`), so there are no optional fields to skip here. Tags came within version 1: a claim without them is what it
/// was before, so that a cluster whose agents are replaced one by one goes on talking; who does not know of tags refuses
/// a claim that has them.
public enum PacketCodec {
    public static func encode(_ packet: Packet) -> [UInt8] {
        var writer = ByteWriter(capacity: packet.wireSize)
        writer.write(shortText: packet.from.text)
        switch packet.message {
        case .ping(let sequence, let target):
            writer.write(Kind.ping.rawValue)
            writer.write(sequence.number)
            write(packet.coordinate, to: &writer)
            writer.write(shortText: target.text)
        case .pingRequest(let sequence, let target, let endpoint, let within):
            writer.write(Kind.pingRequest.rawValue)
            writer.write(sequence.number)
            writer.write(shortText: target.text)
            write(endpoint, to: &writer)
            writer.write(UInt16(clamping: within.saturatingNanoseconds / 1_000_000))
        case .ack(let sequence):
            writer.write(Kind.ack.rawValue)
            writer.write(sequence.number)
            write(packet.coordinate, to: &writer)
        case .nack(let sequence):
            writer.write(Kind.nack.rawValue)
            writer.write(sequence.number)
        case .gossip:
            writer.write(Kind.gossip.rawValue)
        }
        let claims = packet.claims.prefix(Packet.claimsMax)
        writer.write(UInt8(truncatingIfNeeded: claims.count))
        for claim in claims { write(claim, to: &writer) }
        return writer.bytes
    }

    /// - Throws: `GossipError.malformed` for anything that `encode` does not make.
    public static func decode(_ bytes: ArraySlice<UInt8>) throws(GossipError) -> Packet {
        var reader = ByteReader(bytes)
        do {
            let from = try NodeName(reader.readShortText())
            var coordinate = Coordinate.origin
            let message = try readMessage(&reader, &coordinate)
            let count = try reader.read(UInt8.self)
            var claims: [Claim] = []
            // Each claim takes bytes from the reader, so a false count can not make this long.
            for _ in 0..<count { claims.append(try readClaim(&reader)) }
            guard reader.remaining == 0 else { throw Malformed.trailing }
            return Packet(from: from, message: message, claims: claims, coordinate: coordinate)
        } catch {
            throw .malformed(reason: reason(error))
        }
    }

    /// Short and without the sender's own text: a flood of these must not cost more than it has to.
    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as Malformed: error.description
        case ByteError.truncated: "it ends too early"
        case ByteError.notText: "a text is not UTF-8"
        case ByteError.illegal: "a value is out of its range"
        case is NameError: "a name or an address has a wrong form"
        case is MetadataError: "a zone or a version has a wrong form"
        default: "it has a wrong form"
        }
    }

    private enum Kind: UInt8 {
        case ping = 1
        case pingRequest = 2
        case ack = 3
        case nack = 4
        case gossip = 5
    }

    private enum Malformed: Error, CustomStringConvertible {
        case kind(UInt8)
        case state(UInt8)
        case accusers(UInt8)
        case accuser(NodeName)
        case signature(Int)
        case trailing

        var description: String {
            switch self {
            case .kind(let byte): "no message has the kind \(byte)"
            case .state(let byte): "no claim has the state \(byte)"
            case .accusers(let count): "no claim has \(count) accusers"
            case .accuser(let name): "\(name) is named twice among the accusers, or is the accused"
            case .signature(let count): "no signature has \(count) bytes"
            case .trailing: "bytes after the last claim"
            }
        }
    }

    private static func readMessage(_ reader: inout ByteReader, _ coordinate: inout Coordinate) throws -> Message {
        let byte = try reader.read(UInt8.self)
        guard let kind = Kind(rawValue: byte) else { throw Malformed.kind(byte) }
        switch kind {
        case .ping:
            let sequence = try readSequence(&reader)
            coordinate = try readCoordinate(&reader)
            return .ping(sequence, target: try NodeName(reader.readShortText()))
        case .pingRequest:
            return .pingRequest(
                try readSequence(&reader), target: try NodeName(reader.readShortText()),
                at: try readEndpoint(&reader), within: .milliseconds(try reader.read(UInt16.self)))
        case .ack:
            let sequence = try readSequence(&reader)
            coordinate = try readCoordinate(&reader)
            return .ack(sequence)
        case .nack: return .nack(try readSequence(&reader))
        case .gossip: return .gossip
        }
    }

    private static func readSequence(_ reader: inout ByteReader) throws -> SequenceNumber {
        SequenceNumber(try reader.read(UInt32.self))
    }

    private static func write(_ coordinate: Coordinate, to writer: inout ByteWriter) {
        writer.write(UInt16(bitPattern: coordinate.x))
        writer.write(UInt16(bitPattern: coordinate.y))
        writer.write(coordinate.height)
        writer.write(coordinate.error)
    }

    private static func readCoordinate(_ reader: inout ByteReader) throws -> Coordinate {
        Coordinate(
            x: Int16(bitPattern: try reader.read(UInt16.self)), y: Int16(bitPattern: try reader.read(UInt16.self)),
            height: try reader.read(UInt16.self), error: try reader.read(UInt16.self))
    }

    private static func write(_ endpoint: Endpoint, to writer: inout ByteWriter) {
        writer.write(shortText: endpoint.host)
        writer.write(endpoint.port)
    }

    private static func readEndpoint(_ reader: inout ByteReader) throws -> Endpoint {
        try Endpoint(host: reader.readShortText(), port: reader.read(UInt16.self))
    }

    private static func write(_ claim: Claim, to writer: inout ByteWriter) {
        writer.write(shortText: claim.name.text)
        writer.write(claim.epoch)
        writer.write(claim.incarnation.number)
        writer.write(StateByte.encode(claim))
        writer.write(UInt8(claim.accusers.count))
        for accuser in claim.accusers { writer.write(shortText: accuser.text) }
        write(claim.endpoint, to: &writer)
        writer.write(shortText: claim.metadata.zone ?? "")
        writer.write(claim.metadata.weight)
        writer.write(shortText: claim.metadata.version)
        if let tags = claim.metadata.tags { writer.write(raw: tags.bytes) }
        let signature = claim.signature?.bytes ?? []
        writer.write(UInt8(truncatingIfNeeded: signature.count))
        writer.write(raw: signature)
    }

    private static func readClaim(_ reader: inout ByteReader) throws -> Claim {
        let name = try NodeName(reader.readShortText())
        let epoch = try reader.read(UInt64.self)
        let incarnation = Incarnation(try reader.read(UInt32.self))
        let byte = try reader.read(UInt8.self)
        guard let (status, intent, hasTags) = StateByte.decode(byte) else { throw Malformed.state(byte) }
        let accuserCount = try reader.read(UInt8.self)
        guard accuserCount <= Claim.accusersMax, accuserCount == 0 || status.isAccusation || status == .left else {
            throw Malformed.accusers(accuserCount)
        }
        var accusers: [NodeName] = []
        for _ in 0..<accuserCount {
            let accuser = try NodeName(reader.readShortText())
            guard accuser != name, !accusers.contains(accuser) else { throw Malformed.accuser(accuser) }
            accusers.append(accuser)
        }
        let endpoint = try readEndpoint(&reader)
        let zone = try reader.readShortText()
        let weight = try reader.read(UInt32.self)
        let version = try reader.readShortText()
        let tags = hasTags ? TagsDigest(bytes: try reader.read(count: TagsDigest.byteCount)) : nil
        let metadata = try Metadata(zone: zone, weight: weight, version: version, tags: tags)
        return Claim(
            name: name, endpoint: endpoint, epoch: epoch, incarnation: incarnation, status: status, intent: intent,
            metadata: metadata, accusers: accusers, signature: try readSignature(&reader))
    }

    private static func readSignature(_ reader: inout ByteReader) throws -> ClaimSignature? {
        let bytes = try reader.read(count: Int(reader.read(UInt8.self)))
        if bytes.isEmpty { return nil }
        guard let signature = ClaimSignature(bytes) else { throw Malformed.signature(bytes.count) }
        return signature
    }
}

/// Status, intent, and whether there are tags, in one byte.
enum StateByte {
    private static let tagsBit: UInt8 = 0x80

    static func encode(_ claim: Claim) -> UInt8 {
        let status: UInt8 =
            switch claim.status {
            case .alive: 1
            case .suspect: 2
            case .restarting: 3
            case .draining: 4
            case .crashed: 5
            case .left: 6
            }
        let intent: UInt8 =
            switch claim.intent {
            case .serving: 0
            case .draining: 1
            case .restarting: 2
            }
        return (claim.metadata.tags == nil ? 0 : tagsBit) | intent << 4 | status
    }

    static func decode(_ byte: UInt8) -> (Status, Intent, hasTags: Bool)? {
        let status: Status
        switch byte & 0x0f {
        case 1: status = .alive
        case 2: status = .suspect
        case 3: status = .restarting
        case 4: status = .draining
        case 5: status = .crashed
        case 6: status = .left
        default: return nil
        }
        let intent: Intent
        switch (byte & ~tagsBit) >> 4 {
        case 0: intent = .serving
        case 1: intent = .draining
        case 2: intent = .restarting
        default: return nil
        }
        let hasTags = byte & tagsBit != 0
        // What a member says of itself is its intent; two that differ are a contradiction.
        switch status {
        case .alive, .restarting, .draining: return intent.status == status ? (status, intent, hasTags) : nil
        case .suspect, .crashed, .left: return (status, intent, hasTags)
        }
    }
}
