import Vocabulary

/// Ties an answer to its question; wraps.
public struct SequenceNumber: Hashable, Sendable {
    public let number: UInt32
    public init(_ number: UInt32) { self.number = number }
    var next: SequenceNumber { SequenceNumber(number &+ 1) }
}

/// What a datagram asks or answers. Claims ride along on every one of them (`Packet.claims`).
public enum Message: Hashable, Sendable {
    /// Are you there? `target` is whom the sender means: another node that now has its address does not answer.
    case ping(SequenceNumber, target: NodeName)
    /// Please ping `target` for me, and tell me within this time: an ack if it answered, else a nack at 80 % of it.
    case pingRequest(SequenceNumber, target: NodeName, at: Endpoint, within: Duration)
    /// I am here, or: the member that you asked me to ping is.
    case ack(SequenceNumber)
    /// I am here, but have no answer yet from the member that you asked me to ping.
    case nack(SequenceNumber)
    /// Only claims.
    case gossip

    /// The bytes that the codec writes for it.
    public var wireSize: Int {
        switch self {
        case .ping(_, let target): 1 + 4 + Coordinate.wireSize + (1 + target.text.utf8.count)
        case .pingRequest(_, let target, let endpoint, _):
            1 + 4 + (1 + target.text.utf8.count) + (1 + endpoint.host.utf8.count + 2) + 2
        case .ack: 1 + 4 + Coordinate.wireSize
        case .nack: 1 + 4
        case .gossip: 1
        }
    }
}

/// One datagram's content, before it is sealed.
public struct Packet: Hashable, Sendable {
    public let from: NodeName
    public let message: Message
    public let claims: [Claim]
    /// Where the sender is (Vivaldi); travels with pings and acks only.
    public let coordinate: Coordinate

    public init(from: NodeName, message: Message, claims: [Claim] = [], coordinate: Coordinate = .origin) {
        self.from = from
        self.message = message
        self.claims = claims
        self.coordinate = coordinate
    }

    /// The same with other claims.
    public func telling(_ claims: [Claim]) -> Packet {
        Packet(from: from, message: message, claims: claims, coordinate: coordinate)
    }

    /// The bytes that the codec writes for everything but the claims.
    public static func headerSize(from: NodeName, message: Message) -> Int {
        (1 + from.text.utf8.count) + message.wireSize + 1
    }

    /// The bytes that the codec writes for this packet.
    public var wireSize: Int { claims.reduce(Self.headerSize(from: from, message: message)) { $0 + $1.wireSize } }

    /// 1,400 bytes of datagram, which pass every usual path unfragmented (1,428 with headers, tunnels take 60), less
    /// the 45 of sealing: version 1, key 4, session 16, counter 8, tag 16.
    public static let wireSizeMax = 1_355
    /// One length byte on the wire; claims of the smallest size would fill a packet with about 50.
    public static let claimsMax = 255
}
