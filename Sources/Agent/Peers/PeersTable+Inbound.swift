import NIOCore
import Vocabulary

/// The other half of the table: nodes that call us.
extension PeersTable: InboundGate {
    public enum Admission: Sendable, Hashable {
        case admitted
        /// As many peers as `peers.max` are connected and busy.
        case busy
    }

    /// Asked before each request that another node sends us; never waits.
    public func admitInbound(_ name: NodeName, on connection: Connection) -> Admission {
        guard makePlace(forCaller: name) else { return .busy }
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

    public func begin(_ peer: NodeName, on connection: Connection) async -> Bool {
        admitInbound(peer, on: connection) == .admitted
    }

    public func end(_ peer: NodeName, on connection: Connection) async { inboundEnded(peer, on: connection) }
}
