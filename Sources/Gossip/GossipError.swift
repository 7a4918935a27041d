/// Why a datagram was refused or could not be made.
public enum GossipError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Shorter than an empty packet, sealed.
    case tooShort(bytes: Int)
    /// Longer than any agent sends.
    case tooLong(bytes: Int)
    case unknownVersion(UInt8)
    /// Sealed with a key that this node does not have: another cluster's, a rotated one, or no key at all.
    case unknownKey(id: UInt32)
    /// It came before, or is too far behind its session to tell.
    case replayed
    /// This node sealed it itself: somebody sends it back.
    case reflected
    /// The tag does not fit: changed on the way, or made by somebody without the key.
    case notAuthentic
    /// Authentic, and yet no packet: a member of another version, or a defect.
    case malformed(reason: String)
    /// A packet to be sent does not fit a datagram.
    case tooLarge(bytes: Int, bytesMax: Int)
    case emptyKeyring
    /// OpenSSL failed.
    case cryptography(during: String, reason: String)

    public var description: String {
        switch self {
        case .tooShort(let bytes):
            "refused a datagram of \(bytes) bytes: no sealed packet is that short; the sender is no Roost agent"
        case .tooLong(let bytes):
            "refused a datagram of \(bytes) bytes: agents send at most \(Sealing.datagramBytesMax)"
        case .unknownVersion(let version):
            "refused a datagram of version \(version): this agent speaks version \(Sealing.version); upgrade the older one"
        case .unknownKey(let id):
            "refused a datagram sealed with the unknown key \(id): the sender is of another cluster, or must join again to get the present key"
        case .replayed: "refused a datagram that came before: the network or somebody on it repeats datagrams"
        case .reflected: "refused a datagram of this node's own: the network or somebody on it sends datagrams back"
        case .notAuthentic: "refused a datagram that is not authentic: it was changed on the way, or forged"
        case .malformed(let reason):
            "refused an authentic datagram that is no packet (\(reason)): the sender runs another version; upgrade the older one"
        case .tooLarge(let bytes, let bytesMax):
            "can not send a packet of \(bytes) bytes: at most \(bytesMax) fit a datagram; this is a defect, please report it"
        case .emptyKeyring: "can not seal a datagram without a cluster key: join the cluster first"
        case .cryptography(let during, let reason): "OpenSSL failed while \(during): \(reason)"
        }
    }
}

extension GossipError {
    /// The name that a metric's label gives it: one of those of `Rejections`.
    public var reason: String {
        switch self {
        case .tooShort: "too_short"
        case .tooLong: "too_long"
        case .unknownVersion: "unknown_version"
        case .unknownKey: "unknown_key"
        case .replayed: "replayed"
        case .reflected: "reflected"
        case .notAuthentic: "not_authentic"
        case .malformed: "malformed"
        case .tooLarge, .emptyKeyring, .cryptography: "failed"
        }
    }

    /// Whether who sealed it can not have been a member: seen from the readable part, before any cryptography.
    public var isForeign: Bool {
        switch self {
        case .tooShort, .tooLong, .unknownVersion, .unknownKey: true
        case .replayed, .reflected, .notAuthentic, .malformed, .tooLarge, .emptyKeyring, .cryptography: false
        }
    }
}

/// How many datagrams were refused, by reason.
public struct Rejections: Hashable, Sendable {
    public private(set) var tooShort: UInt64 = 0
    public private(set) var tooLong: UInt64 = 0
    public private(set) var unknownVersion: UInt64 = 0
    public private(set) var unknownKey: UInt64 = 0
    public private(set) var replayed: UInt64 = 0
    public private(set) var reflected: UInt64 = 0
    public private(set) var notAuthentic: UInt64 = 0
    public private(set) var malformed: UInt64 = 0
    /// OpenSSL itself failed.
    public private(set) var failed: UInt64 = 0

    public init() {}

    public var total: UInt64 { all.reduce(0) { $0 &+ $1.count } }

    /// Each reason by the name that a metric's label gives it.
    public var all: [(reason: String, count: UInt64)] {
        [
            ("too_short", tooShort), ("too_long", tooLong), ("unknown_version", unknownVersion),
            ("unknown_key", unknownKey), ("replayed", replayed), ("reflected", reflected),
            ("not_authentic", notAuthentic), ("malformed", malformed), ("failed", failed),
        ]
    }

    mutating func count(_ error: GossipError) {
        switch error {
        case .tooShort: tooShort &+= 1
        case .tooLong: tooLong &+= 1
        case .unknownVersion: unknownVersion &+= 1
        case .unknownKey: unknownKey &+= 1
        case .replayed: replayed &+= 1
        case .reflected: reflected &+= 1
        case .notAuthentic: notAuthentic &+= 1
        case .malformed: malformed &+= 1
        case .tooLarge, .emptyKeyring, .cryptography: failed &+= 1
        }
    }
}
