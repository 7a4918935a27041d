import Gossip
import Node
import Placement
import Resources
import SWIM
import Vocabulary

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Bodies of `/v1/peer/…` that belong to the shell; those of convergence are Relocation's own.

/// `POST /v1/peer/members`: push and pull of the whole membership, and of the keys (SWIM, and DESIGN §4).
struct MembersExchange: Codable, Sendable {
    var node: NodeName
    var claims: [Claim]
    var keyring: Keyring
    /// URI names of certificates without rights.
    var revoked: [String]
    /// Resources that the speaker holds.
    var holds: Int
    /// In an answer: the address that the asker was seen at, for one that does not know its own.
    var seenAs: String?
    /// The speaker is on its way in itself: it is nobody's way in yet.
    var joining: Bool? = nil
    /// With `joining`: whom the speaker remembers of its earlier lives, and so may have gone on without it.
    var remembered: [NodeName]? = nil
    /// The speaker's own certificate: what its claim is verified with.
    var certificates: [CertificateChain]? = nil
    /// How much longer each crashed member keeps its place as an owner, in milliseconds: what a newcomer reckons with.
    var keeping: [String: Int64]? = nil
    /// Crashed members that went together with as many others as there are to be copies, which nobody could make anew.
    var lost: [NodeName]? = nil
    /// The same with all that is known of it.
    var losses: [ToldLoss]? = nil

    enum CodingKeys: String, CodingKey {
        case node, claims, keyring, revoked, holds, joining, remembered, certificates, keeping, lost, losses
        case seenAs = "seen_as"
    }
}

/// Who went at one time, and who owned then.
struct ToldLoss: Codable, Sendable {
    struct Owner: Codable, Sendable {
        var name: NodeName
        var weight: UInt32
        var zone: String?
    }

    var owners: [Owner]
    var names: [NodeName]

    init(_ loss: Loss) {
        owners = loss.owners.map { Owner(name: $0.name, weight: $0.weight, zone: $0.zone) }
        names = loss.names.sorted()
    }

    var loss: Loss {
        Loss(
            owners: owners.map { Candidate(name: $0.name, weight: $0.weight, zone: $0.zone) }, names: Set(names))
    }
}

extension MembersExchange {
    /// `keeping`, as far as it names nodes, and what was lost; a time that is none counts as over.
    var absences: Absences {
        var places: [NodeName: Duration] = [:]
        for (text, milliseconds) in keeping ?? [:] {
            if let name = try? NodeName(text) { places[name] = .milliseconds(max(0, milliseconds)) }
        }
        let losses = (losses ?? []).prefix(Absences.lossesMax).map(\.loss)
        return Absences(keeping: places, lost: Set(lost ?? []), losses: losses)
    }

    /// - Returns: `nil` for none.
    static func milliseconds(_ places: [NodeName: Duration]) -> [String: Int64]? {
        guard !places.isEmpty else { return nil }
        return Dictionary(
            places.map { ($0.key.text, $0.value.saturatingNanoseconds / 1_000_000) }, uniquingKeysWith: { a, _ in a })
    }
}

/// `POST /v1/peer/probe`: are you there? By way of TLS, when datagrams do not pass. It tells the member what is said of
/// it; the answer is what it says of itself.
struct MemberProbe: Codable, Sendable {
    var node: NodeName
    var claims: [Claim]
}

/// `POST /v1/peer/certificates`: those of these nodes that you know of. At most 1,024 names.
struct CertificatesRequest: Codable, Sendable {
    var wanted: [NodeName]
}

/// As many as fit 1 MiB.
struct CertificatesReply: Codable, Sendable {
    var certificates: [CertificateChain]
}

/// `POST /v1/peer/tags`: those of these tags that you know of. At most 1,024 digests.
struct TagsRequest: Codable, Sendable {
    var wanted: [TagsDigest]
}

/// The canonical form of each, in base64; as many as fit 1 MiB before that. Which is which, their digests tell.
struct TagsReply: Codable, Sendable {
    var tags: [Data]
}

/// `POST /v1/peer/blobs`: these small blobs, in one answer of `BlobFrames`. At most `BlobFrames.countMax`.
struct BlobsRequest: Codable, Sendable {
    var wanted: [ContentDigest]
}

/// `POST /v1/peer/holder`: this is claimed of your name; is it you?
struct HolderQuestion: Codable, Sendable {
    var claim: Claim
    var certificates: [CertificateChain]
}

/// The life of the name that answers here.
struct HolderAnswer: Codable, Sendable {
    var node: NodeName
    var epoch: UInt64
    var endpoint: Endpoint
}

/// `POST /v1/peer/write`: take this write; its bytes can be pulled from the asker.
struct WriteOrder: Codable, Sendable {
    enum Condition: Codable, Sendable {
        case none, absent, present
        case digest(ContentDigest)
        case version(Dot)
    }

    var name: ResourceName
    var content: Version.Content
    var home: NodeName?
    var condition: Condition
    /// The nodes that the write has been at.
    var visited: [NodeName]
    /// To be asked for before it is carried out; absent from a release that answers no such question.
    var id: WriteOrders.ID?
    /// Others may have made it; absent when nobody has begun it.
    var attempts: [WriteAttempt]?
}

/// `POST /v1/peer/begin`: may this order of yours be carried out?
struct OrderBegin: Codable, Sendable {
    var id: WriteOrders.ID
    /// What it would become; absent when that is for others to say, or from an earlier release.
    var attempt: WriteAttempt?
}

/// What that is answered with: whether its giver waits for it still.
struct OrderStanding: Codable, Sendable {
    var stands: Bool
}

/// What `POST /v1/peer/write` answers with 200; a refusal is the API's error body.
struct WriteReceipt: Codable, Sendable {
    var version: Version
    var copies: [NodeName]
    var wanted: Int
    /// Whether the name existed before.
    var replaced: Bool
    /// From the node asked to the one that took the write.
    var route: [NodeName]
}

/// `GET /v1/peer/versions/NAME`
struct PeerVersions: Codable, Sendable {
    var versions: [Version]
    /// What an earlier release does not say, of itself or of others (`Testimony`).
    var behind: Bool?
    var elsewhere: [Dot]?

    init(_ testimony: Testimony) {
        versions = testimony.versions
        behind = testimony.isBehind
        elsewhere = testimony.elsewhere
    }

    var testimony: Testimony {
        Testimony(versions: versions, isBehind: behind ?? false, elsewhere: elsewhere ?? [])
    }
}

extension WriteOrder.Condition {
    init(_ precondition: Precondition) {
        switch precondition {
        case .none: self = .none
        case .absent: self = .absent
        case .present: self = .present
        case .digest(let digest): self = .digest(digest)
        case .version(let dot): self = .version(dot)
        }
    }

    var precondition: Precondition {
        switch self {
        case .none: .none
        case .absent: .absent
        case .present: .present
        case .digest(let digest): .digest(digest)
        case .version(let dot): .version(dot)
        }
    }
}

/// `GET /v1/peer/holdings`: what the speaker holds, group by group, and how fast it fetches.
struct PeerHoldings: Codable, Sendable {
    var groups: [GroupSummary]
    /// Of late; absent before it has fetched enough to tell.
    var bytesPerSecond: Double?
    /// On its disk; absent of an agent of before 2026-11-30.
    var free: UInt64?

    enum CodingKeys: String, CodingKey {
        case groups, free
        case bytesPerSecond = "bytes_per_second"
    }
}
