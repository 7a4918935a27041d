import SWIM
import Vocabulary

/// What a revoked node says, and what others still say of it, does not count: for membership it is gone.
///
/// It knows the cluster's keys until they are rotated, so that its datagrams open; its name on them is what it is
/// refused by.
extension RevocationList {
    /// The packet without what is said of revoked nodes; `nil` when one of them sent it.
    func admitted(_ packet: Packet) -> Packet? {
        let revoked = nodesIfAny
        guard !revoked.isEmpty else { return packet }
        guard !revoked.contains(packet.from) else { return nil }
        guard packet.claims.contains(where: { revoked.contains($0.name) }) else { return packet }
        return packet.telling(packet.claims.filter { !revoked.contains($0.name) })
    }

    func admitted(_ claims: [Claim]) -> [Claim] {
        let revoked = nodesIfAny
        return revoked.isEmpty ? claims : claims.filter { !revoked.contains($0.name) }
    }
}
