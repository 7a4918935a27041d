import Client
import Node
import Vocabulary

/// What the table knows of one connected peer.
struct Peer: PeerUse {
    /// Told apart from an earlier connection to the same peer, whose requests may still be ending.
    let generation: UInt64
    /// Our connections to it that wait for a request; the last one used is taken first, so that surplus ones age.
    var idle: [ClientConnection] = []
    /// Our connections with a request under way.
    var inUse: [ClientConnection] = []
    /// Those in use that were made with certificates that are this node's no more: closed when they come back.
    var outdated: Set<ObjectIdentifier> = []
    /// Our connections being made.
    var connecting = 0
    /// Requests of ours under way by kind, each on a connection of its own (those being made included).
    private(set) var activeByKind: [PeersTable.Kind: Int] = [:]
    /// Its connections to us, by the server's number.
    var inbound: [UInt64: Connection] = [:]
    /// Those with a request under way here.
    var inboundBusy: Set<UInt64> = []
    var address: Endpoint?
    var connectedSince = ContinuousClock.now
    var lastUsed = ContinuousClock.now
    /// Requests since it connected, both ways.
    var sent: UInt64 = 0
    var received: UInt64 = 0

    init(generation: UInt64) { self.generation = generation }

    var active: Int { activeByKind.values.reduce(0, +) }
    func active(_ kind: PeersTable.Kind) -> Int { activeByKind[kind] ?? 0 }

    /// Our connections: those in use and those that wait.
    var outbound: Int { active + idle.count }
    var isBusy: Bool { active > 0 || !inboundBusy.isEmpty }
    var isConnected: Bool { isBusy || !idle.isEmpty || !inbound.isEmpty }

    mutating func began(_ kind: PeersTable.Kind, at now: ContinuousClock.Instant) {
        activeByKind[kind, default: 0] += 1
        sent += 1
        lastUsed = now
    }

    mutating func ended(_ kind: PeersTable.Kind, at now: ContinuousClock.Instant) {
        activeByKind[kind, default: 0] -= 1
        lastUsed = now
    }
}

/// One peer for the API.
public struct PeerSnapshot: Sendable {
    public let name: NodeName
    /// Where we call it; nil when only it calls us.
    public let address: Endpoint?
    public let connectedFor: Duration
    public let outboundConnections: Int
    public let inboundConnections: Int
    public let isConnecting: Bool
    public let isBusy: Bool
    /// Since the last request began or ended.
    public let unusedFor: Duration
    public let requestsSent: UInt64
    public let requestsReceived: UInt64

    init(_ name: NodeName, _ peer: Peer, now: ContinuousClock.Instant) {
        self.name = name
        address = peer.address
        connectedFor = now - peer.connectedSince
        outboundConnections = peer.outbound
        inboundConnections = peer.inbound.count
        isConnecting = peer.connecting > 0
        isBusy = peer.isBusy
        unusedFor = now - peer.lastUsed
        requestsSent = peer.sent
        requestsReceived = peer.received
    }

    /// As `GET /v1/peers` shows it.
    public func api(rttMilliseconds: Double?) -> API.Peer {
        API.Peer(
            name: name.text, address: address?.description ?? "",
            state: isConnecting ? .connecting : isBusy ? .busy : .idle,
            connections: outboundConnections + inboundConnections, requests: requestsSent,
            rttMilliseconds: rttMilliseconds,
            idleMilliseconds: isBusy ? nil : UInt64(max(0, unusedFor.saturatingNanoseconds) / 1_000_000))
    }
}

/// Why a request did not reach its peer, before any connection was tried.
public enum PeersError: Error, Hashable, Sendable, CustomStringConvertible {
    case allBusy(peer: NodeName, max: Int)
    case peerBusy(NodeName, connections: Int)
    /// The member was declared gone while it was being called.
    case disconnected(NodeName)
    case closed
    case revoked(NodeName)

    /// Whether only a place was missing.
    var isBusy: Bool {
        switch self {
        case .allBusy, .peerBusy: true
        case .disconnected, .closed, .revoked: false
        }
    }

    /// The same of any error, a refusal by the node that was asked included.
    static func isBusy(_ error: any Error) -> Bool {
        switch error {
        case let error as PeersError: error.isBusy
        case PeerCallError.refused(_, _, 503, let body): body.error.code == busyCode
        default: false
        }
    }

    /// How a node refuses that has no place for its caller.
    static let busyCode = "peers_busy"

    public var description: String {
        switch self {
        case .allBusy(let peer, let max):
            "no place for a request to \(peer): \(max) peers are connected and busy; raise peers.max, or try again"
        case .peerBusy(let peer, let connections):
            "all \(connections) connections to \(peer) have a request under way; try again"
        case .revoked(let peer): "the certificate of \(peer) was revoked: it is not called"
        case .disconnected(let peer): "\(peer) has gone: the connections to it were closed; ask another node"
        case .closed: "the agent is stopping and calls nobody any more"
        }
    }
}

/// One use of one connection to one peer.
struct Lease: Sendable {
    let peer: NodeName
    let generation: UInt64
    let kind: PeersTable.Kind
    let connection: ClientConnection
    /// It had served before: the other side may have closed it unseen.
    let wasReused: Bool
}

extension ClientError {
    /// The connection ended before any of an answer came.
    var isStaleConnection: Bool {
        switch self {
        case .closed, .notIdle: true
        case .badAddress, .badRequest, .cannotConnect, .refused, .timedOut, .closedMidBody, .badAnswer, .status, .json,
            .changed, .checksum, .credentials, .file, .outputClosed:
            false
        }
    }
}

extension ClientRequest {
    var streamsBody: Bool {
        switch body {
        case .stream: true
        case .none, .bytes: false
        }
    }
}
