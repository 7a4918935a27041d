import NIOCore
import Node
import Vocabulary

/// The other half of the table: nodes that call us.
extension PeersTable: InboundGate {
    public enum Admission: Sendable, Hashable {
        case admitted
        /// As many peers as `peers.max` are connected and busy.
        case busy
    }

    /// Asked before each request that another node sends us; never waits.
    public func admitInbound(_ name: NodeName, on connection: Connection, for stay: PeerPlaces.Stay) -> Admission {
        guard makePlace(forCaller: name, stay) else { return .busy }
        var peer = peers[name] ?? newPeer()
        peer.inbound[connection.id] = connection
        peer.inboundBusy.insert(connection.id)
        peer.received += 1
        peer.lastUsed = clock.now
        peers[name] = peer
        return .admitted
    }

    /// The request has ended; the connection stays counted until it closes or gives way.
    public func inboundEnded(_ name: NodeName, on connection: Connection) {
        guard var peer = peers[name] else { return }
        peer.inboundBusy.remove(connection.id)
        peer.lastUsed = clock.now
        if !connection.channel.isActive { peer.inbound.removeValue(forKey: connection.id) }
        store(name, peer)
        wakeAll()
    }

    public func begin(_ peer: NodeName, for path: String, on connection: Connection) async -> Bool {
        admitInbound(peer, on: connection, for: PeerPlaces.Stay(path)) == .admitted
    }

    public func end(_ peer: NodeName, on connection: Connection) async { inboundEnded(peer, on: connection) }
}

extension PeerPlaces.Stay {
    /// What `PeerRoutes` answers by what is here, or by what the caller itself gives.
    private static let briefly: Set<Substring> = [
        "begin", "certificates", "compare", "digest", "exchange", "members", "offer", "probe", "sums", "tags",
        "tombstones", "versions",
    ]

    init(_ path: String) {
        // `/v1/peer/versions/NAME`
        let parts = path.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: true)
        self = parts.count > 2 && parts[1] == "peer" && Self.briefly.contains(parts[2]) ? .brief : .long
    }
}
