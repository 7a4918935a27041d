import Gossip
import SWIM
import TLS
import Vocabulary

/// `POST /v1/peer/digest`: the question before the exchange of everything, and its answer: most of the time all agree.
struct MembersDigest: Codable, Sendable {
    var node: NodeName
    /// Of `text`, in hexadecimal digits.
    var digest: String
    /// Resources that the speaker holds.
    var holds: Int
}

extension MembersDigest {
    init(node: NodeName, holds: Int, claims: [Claim], keyring: Keyring, revoked: [String]) {
        self.init(
            node: node, digest: SHA256.digest(Array(Self.text(claims, keyring, revoked).utf8)).hex, holds: holds)
    }

    /// What two nodes must agree on (docs/PROTOCOL.md has it for other implementations).
    ///
    /// The departed are not in it. Each node forgets them in its own time, and a newcomer never heard of some, so that
    /// nodes of different ages would exchange everything each time, about members that are gone. A crash or a farewell that
    /// one side missed shows all the same: there the member counts as present.
    static func text(_ claims: [Claim], _ keyring: Keyring, _ revoked: [String]) -> String {
        var lines = claims.filter { !$0.status.isDeparted }.sorted { $0.name < $1.name }.map {
            "member \($0.name) \($0.epoch) \($0.incarnation) \($0.status.rawValue)"
        }
        // Those from before are retired by each node in its own time; who lacks them needs them no more.
        let former = Set(keyring.former)
        let coming = keyring.coming
        lines += keyring.keys.filter { !former.contains($0) }.map { key in
            "\(coming.contains(key) ? "pending" : "key") \(key.id) \(key.createdAt) \(hex(key.bytes))"
        }
        lines += revoked.sorted().map { "revoked \($0)" }
        return lines.joined(separator: "\n")
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
