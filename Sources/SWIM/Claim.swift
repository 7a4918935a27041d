import Vocabulary

/// One statement about one member: the only thing that the members tell each other, on datagrams, in an exchange and
/// on disk. `Precedence` says which of two wins, whatever the order in which they arrive.
public struct Claim: Sendable {
    public let name: NodeName
    /// The member's boot: greater after every start, so that a host's new life overrides all that was said of its old.
    public let epoch: UInt64
    public let incarnation: Incarnation
    public let status: Status
    /// What the member itself last announced, also while others suspect it.
    public let intent: Intent
    /// Who accuse the member of this incarnation, independently of each other; the one that told it first comes first.
    /// Empty for what a member says of itself. At most `accusersMax`.
    public let accusers: [NodeName]
    private let profile: Profile

    public var accuser: NodeName? { accusers.first }
    public var endpoint: Endpoint { profile.endpoint }
    public var metadata: Metadata { profile.metadata }
    /// The member's own, under `statement`; it stays when others accuse the member, and goes when it says something new.
    public var signature: ClaimSignature? { profile.signature }

    /// - Parameter intent: counts for `suspect`, `crashed` and `left`; the other states say it themselves.
    public init(
        name: NodeName, endpoint: Endpoint, epoch: UInt64, incarnation: Incarnation, status: Status,
        intent: Intent = .serving, metadata: Metadata, accusers: [NodeName] = [],
        signature: ClaimSignature? = nil
    ) {
        self.init(
            name: name, epoch: epoch, incarnation: incarnation, status: status, intent: intent, accusers: accusers,
            profile: Profile(endpoint: endpoint, metadata: metadata, signature: signature))
    }

    private init(
        name: NodeName, epoch: UInt64, incarnation: Incarnation, status: Status, intent: Intent,
        accusers: [NodeName], profile: Profile
    ) {
        self.name = name
        self.epoch = epoch
        self.incarnation = incarnation
        self.status = status
        switch status {
        case .alive: self.intent = .serving
        case .draining: self.intent = .draining
        case .restarting: self.intent = .restarting
        case .suspect, .crashed, .left: self.intent = intent
        }
        // `left` by another's word: an operator took its rights.
        self.accusers = status.isAccusation || status == .left ? Self.independent(accusers, besides: name) : []
        self.profile = profile
    }

    /// One who is named twice, or the accused itself, confirms nothing.
    private static func independent(_ accusers: [NodeName], besides name: NodeName) -> [NodeName] {
        var found: [NodeName] = []
        for accuser in accusers where accuser != name && !found.contains(accuser) && found.count < accusersMax {
            found.append(accuser)
        }
        return found
    }

    /// The same member and incarnation with a verdict of `accuser`.
    func accused(_ status: Status, by accusers: [NodeName]) -> Claim {
        Claim(
            name: name, epoch: epoch, incarnation: incarnation, status: status, intent: intent, accusers: accusers,
            profile: profile)
    }

    /// What the member itself says next: same place and metadata, another incarnation and state.
    func renewed(_ incarnation: Incarnation, status: Status, intent: Intent) -> Claim {
        Claim(
            name: name, epoch: epoch, incarnation: incarnation, status: status, intent: intent, accusers: [],
            profile: profile.unsigned)
    }

    /// What the member said of itself, without what others made of it: a verdict leaves the state that it announced.
    public var statement: Claim {
        let isOwnFarewell = status == .left && accusers.isEmpty
        return Claim(
            name: name, epoch: epoch, incarnation: incarnation, status: isOwnFarewell ? .left : intent.status,
            intent: intent, accusers: [], profile: profile)
    }

    public func signed(_ signature: ClaimSignature) -> Claim {
        Claim(
            name: name, epoch: epoch, incarnation: incarnation, status: status, intent: intent, accusers: accusers,
            profile: Profile(endpoint: endpoint, metadata: metadata, signature: signature))
    }

    func moved(to endpoint: Endpoint) -> Claim {
        Claim(
            name: name, endpoint: endpoint, epoch: epoch, incarnation: incarnation, status: status, intent: intent,
            metadata: metadata, accusers: accusers)
    }

    func described(by metadata: Metadata) -> Claim {
        Claim(
            name: name, endpoint: endpoint, epoch: epoch, incarnation: incarnation, status: status, intent: intent,
            metadata: metadata, accusers: accusers)
    }

    /// Both tell the same place and metadata.
    func describesSame(as other: Claim) -> Bool { profile.describesSame(as: other.profile) }
}

extension Claim {
    /// The bytes that the codec writes for this claim: name, epoch, incarnation, state and intent, accusers, endpoint,
    /// zone, weight, version, digest of the tags, signature; each text with its length before it.
    public var wireSize: Int {
        (1 + name.text.utf8.count) + 8 + 4 + 1 + accusers.reduce(1) { $0 + 1 + $1.text.utf8.count } + profile.wireSize
    }

    /// The one that began and three that confirm: no more can shorten a suspicion (Lifeguard §3.2's K).
    public static let accusersMax = 4

    /// No claim is smaller: one-letter name and host, nothing optional.
    static let wireSizeMin = 2 + 8 + 4 + 1 + 1 + 2 + 2 + 1 + 4 + 1 + 1
    /// No claim is larger: every text as long as it may be.
    public static let wireSizeMax =
        64 + 8 + 4 + 1 + (1 + accusersMax * 64) + 254 + 2 + 64 + 4 + 33 + TagsDigest.byteCount + 1
        + ClaimSignature.bytesMax
}

/// What changes seldom, shared by every copy of the claims that tell it: a simulator of 10,000 members holds 10^8 of
/// them, and a reference costs 8 bytes where the texts would cost 70. The signature is of one statement only, but all
/// that others make of that statement share it.
private final class Profile: Sendable, Hashable {
    let endpoint: Endpoint
    let metadata: Metadata
    let signature: ClaimSignature?
    let wireSize: Int

    init(endpoint: Endpoint, metadata: Metadata, signature: ClaimSignature?) {
        self.endpoint = endpoint
        self.metadata = metadata
        self.signature = signature
        wireSize =
            (1 + endpoint.host.utf8.count) + 2 + (1 + (metadata.zone?.utf8.count ?? 0)) + 4
            + (1 + metadata.version.utf8.count) + (metadata.tags == nil ? 0 : TagsDigest.byteCount)
            + (1 + (signature?.bytes.count ?? 0))
    }

    var unsigned: Profile {
        signature == nil ? self : Profile(endpoint: endpoint, metadata: metadata, signature: nil)
    }

    func describesSame(as other: Profile) -> Bool {
        self === other || (endpoint == other.endpoint && metadata == other.metadata)
    }

    static func == (a: Profile, b: Profile) -> Bool { a.describesSame(as: b) && a.signature == b.signature }

    func hash(into hasher: inout Hasher) {
        hasher.combine(endpoint)
        hasher.combine(metadata)
        hasher.combine(signature)
    }
}

extension Claim: Hashable {}

extension Claim: CustomStringConvertible {
    public var description: String {
        let accusation = accusers.isEmpty ? "" : " by " + accusers.map(\.text).joined(separator: "+")
        let aside = intent != .serving && intent.status != status ? " (\(intent.rawValue))" : ""
        return "\(name) \(status.rawValue)\(aside)@\(epoch).\(incarnation)\(accusation)"
    }
}

extension Claim: Codable {
    private enum CodingKeys: String, CodingKey {
        case name, endpoint, epoch, incarnation, status, intent, metadata, accusers, signature
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try container.decode(NodeName.self, forKey: .name),
            endpoint: try container.decode(Endpoint.self, forKey: .endpoint),
            epoch: try container.decode(UInt64.self, forKey: .epoch),
            incarnation: try container.decode(Incarnation.self, forKey: .incarnation),
            status: try container.decode(Status.self, forKey: .status),
            intent: try container.decode(Intent.self, forKey: .intent),
            metadata: try container.decode(Metadata.self, forKey: .metadata),
            accusers: try container.decodeIfPresent([NodeName].self, forKey: .accusers) ?? [],
            signature: try container.decodeIfPresent(ClaimSignature.self, forKey: .signature))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(endpoint, forKey: .endpoint)
        try container.encode(epoch, forKey: .epoch)
        try container.encode(incarnation, forKey: .incarnation)
        try container.encode(status, forKey: .status)
        try container.encode(intent, forKey: .intent)
        try container.encode(metadata, forKey: .metadata)
        if !accusers.isEmpty { try container.encode(accusers, forKey: .accusers) }
        try container.encodeIfPresent(signature, forKey: .signature)
    }
}
