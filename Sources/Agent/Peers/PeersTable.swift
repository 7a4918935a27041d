import Client
import NIOCore
import NIOPosix
import Node
import TLS
import Vocabulary

/// DESIGN §7's peers table: at most `peers.max` distinct peers connected at once, ours to them and theirs to us
/// counted together, told apart by the name in their certificate.
///
/// A peer without a request under way is idle; idle ones give way, least recently used first. Who asks for a place
/// when all are busy waits a bounded time in a bounded queue (outbound), or is told to come again (inbound).
///
/// **Why it can not deadlock.** An inbound request never waits here: it gets a place at once or a 503. An outbound
/// request waits at most `placeTimeout`, then fails with `.allBusy`. A request's handler that calls another node
/// (a forward) holds its caller's place while it waits for one, so a cycle of full tables can form; each of its members
/// breaks it after `placeTimeout` at the latest, because its wait ends with an error that ends its request and frees its
/// place. No lock is held while waiting: the actor is re-entrant at each `await`.
///
/// `peers.max: 1` works for tables that forward nothing; from 2 on a node can serve one peer and call another.
public actor PeersTable {
    public struct Settings: Sendable {
        /// `peers.max`
        public var peersMax: Int
        /// Connections to one peer. Requests on HTTP/1.1 go one after another, so this is how many run at once; more
        /// wait their turn.
        public var connectionsPerPeerMax = PeerPlaces.connectionsStandard
        /// Of those, how many are kept for each kind of request, whatever the others take. A write that was passed on waits
        /// for an offer, an offer until the other node has pulled its bytes, and a slow reader of a forwarded body for
        /// minutes: without this two nodes that pass writes to one another keep out the very offers that both wait for,
        /// until those give up after `placeTimeout`. 48 puts at once came to a standstill of seconds by that.
        public var connectionsKeptForKind = PeerPlaces.keptStandard
        /// Requests that wait for a place or for a connection, over all peers.
        public var waitersMax = PeerPlaces.waitersMax
        public var placeTimeout = PeerPlaces.placeTimeout
        public var connectTimeout: Duration = .seconds(5)
        /// Nodes whose certificate was revoked: nobody calls them, nor believes their answers.
        public var isRevoked: @Sendable (NodeName) -> Bool = { _ in false }

        public init(peersMax: Int) { self.peersMax = max(1, peersMax) }

        var places: PeerPlaces {
            PeerPlaces(
                peersMax: peersMax, connectionsPerPeerMax: connectionsPerPeerMax,
                connectionsKeptForKind: connectionsKeptForKind)
        }
    }

    public typealias Kind = PeerPlaces.Kind
    public typealias Patience = PeerPlaces.Patience

    var peers: [NodeName: Peer] = [:]
    var waiters: [Waiter] = []
    private var nextWaiter: UInt64 = 1
    private var nextGeneration: UInt64 = 1
    private var isClosed = false

    let settings: Settings
    private let credentials: CurrentCredentials
    private let group: any EventLoopGroup
    let clock = ContinuousClock()

    struct Waiter {
        let id: UInt64
        let continuation: CheckedContinuation<Bool, Never>
    }

    public init(
        settings: Settings, credentials: CurrentCredentials,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) {
        self.settings = settings
        self.credentials = credentials
        self.group = group
    }

    /// Sends one request to a peer and returns with the head of its answer; the peer is busy until the body has been
    /// read or dropped.
    ///
    /// - Parameter idempotent: whether it may be sent twice. A kept connection may have been closed by the other side
    ///   at the moment of sending; then it is sent once more over a new connection. A streamed body is sent once only.
    /// - Throws: `PeersError`, `ClientError`, `CancellationError`.
    public func request(
        to name: NodeName, at endpoint: Endpoint, _ request: ClientRequest, idempotent: Bool,
        kind: Kind = .control, patience: Patience = .waits, timeouts: ClientTimeouts = .standard
    ) async throws -> PeerResponse {
        guard !settings.isRevoked(name) else { throw PeersError.revoked(name) }
        var mayRetry = idempotent && !request.streamsBody
        while true {
            let lease = try await lease(name, endpoint, kind, patience)
            do {
                let response = try await lease.connection.send(request, timeouts: timeouts)
                return PeerResponse(
                    status: response.status, headers: response.headers, contentLength: response.contentLength,
                    body: PeerBody(response.body, PlaceHolder(table: self, lease: lease)))
            } catch {
                let isConnected = giveBack(lease)
                guard mayRetry, isConnected, lease.wasReused, let cause = error as? ClientError, cause.isStaleConnection
                else {
                    throw error
                }
                mayRetry = false
            }
        }
    }

    // MARK: Places and connections

    /// An idle connection to the peer, or a new one; waits for a place within `placeTimeout`.
    private func lease(
        _ name: NodeName, _ endpoint: Endpoint, _ kind: Kind, _ patience: Patience
    ) async throws -> Lease {
        let deadline = clock.now + settings.placeTimeout
        while true {
            guard !isClosed else { throw PeersError.closed }
            try Task.checkCancellation()
            if let lease = takeIdle(name, endpoint, kind) { return lease }
            if makePlace(for: name), mayConnect(name, kind) { return try await connect(name, endpoint, kind) }
            guard patience == .waits, clock.now < deadline, waiters.count < settings.waitersMax else {
                if let peer = peers[name] { throw PeersError.peerBusy(name, connections: peer.outbound) }
                throw PeersError.allBusy(peer: name, max: settings.peersMax)
            }
            await wait(until: deadline)
        }
    }

    private func mayConnect(_ name: NodeName, _ kind: Kind) -> Bool {
        guard let peer = peers[name] else { return true }
        return peer.outbound < settings.connectionsPerPeerMax && settings.places.mayBegin(kind, at: peer)
    }

    private func takeIdle(_ name: NodeName, _ endpoint: Endpoint, _ kind: Kind) -> Lease? {
        guard var peer = peers[name], settings.places.mayBegin(kind, at: peer) else { return nil }
        defer { store(name, peer) }
        peer.idle.removeAll { !$0.isOpen }
        // A member that moved: what leads to its old address would reach nobody, or somebody else.
        let moved = peer.idle.filter { $0.address != .https(endpoint) }
        peer.idle.removeAll { $0.address != .https(endpoint) }
        for connection in moved { Task { await connection.close() } }
        guard let connection = peer.idle.popLast() else { return nil }
        peer.began(kind, at: clock.now)
        peer.inUse.append(connection)
        return Lease(peer: name, generation: peer.generation, kind: kind, connection: connection, wasReused: true)
    }

    func newPeer() -> Peer {
        defer { nextGeneration += 1 }
        return Peer(generation: nextGeneration)
    }

    private func connect(_ name: NodeName, _ endpoint: Endpoint, _ kind: Kind) async throws -> Lease {
        var peer = peers[name] ?? newPeer()
        let generation = peer.generation
        peer.connecting += 1
        peer.address = endpoint
        peer.began(kind, at: clock.now)
        peers[name] = peer
        let context = credentials.context
        do {
            let connection = try await ClientConnection.connect(
                to: .https(endpoint), tls: context, expecting: .node(name),
                timeout: settings.connectTimeout, keepAliveSeconds: TCPLiveness.peerIdleSeconds,
                eventLoopGroup: group)
            // The member may have been disconnected meanwhile, and may be connected anew: that is another story.
            guard !isClosed, peers[name]?.generation == generation else {
                await connection.close()
                throw isClosed ? PeersError.closed : PeersError.disconnected(name)
            }
            peers[name]?.connecting -= 1
            peers[name]?.inUse.append(connection)
            if context !== credentials.context { peers[name]?.outdated.insert(ObjectIdentifier(connection)) }
            return Lease(peer: name, generation: generation, kind: kind, connection: connection, wasReused: false)
        } catch {
            if var peer = peers[name], peer.generation == generation {
                peer.connecting -= 1
                peer.ended(kind, at: clock.now)
                store(name, peer)
            }
            wakeAll()
            throw error
        }
    }

    /// Ends the use of a connection: kept when it can serve again. False when its peer was disconnected meanwhile.
    @discardableResult
    func giveBack(_ lease: Lease) -> Bool {
        let connection = lease.connection
        // One that was evicted meanwhile and is back has other connections: this use is none of its own.
        guard var peer = peers[lease.peer], peer.generation == lease.generation,
            let index = peer.inUse.firstIndex(where: { $0 === connection })
        else {
            Task { await connection.close() }
            return false
        }
        peer.ended(lease.kind, at: clock.now)
        peer.inUse.remove(at: index)
        let isOutdated = peer.outdated.remove(ObjectIdentifier(connection)) != nil
        if connection.isIdle, !isClosed, !isOutdated {
            peer.idle.append(connection)
        } else {
            Task { await connection.close() }
        }
        store(lease.peer, peer)
        wakeAll()
        return true
    }

    /// Whether the peer is connected or may become so now; closes the least recently used idle peer for it.
    func makePlace(for name: NodeName) -> Bool {
        dropClosed()
        return settle(settings.places.place(for: name, among: peers))
    }

    /// The same for a peer that asks.
    func makePlace(forCaller name: NodeName, _ stay: PeerPlaces.Stay) -> Bool {
        dropClosed()
        return settle(settings.places.placeForCaller(name, for: stay, among: peers))
    }

    private func settle(_ place: PeerPlaces.Place) -> Bool {
        switch place {
        case .free: return true
        case .insteadOf(let oldest):
            evict(oldest)
            return true
        case .none: return false
        }
    }

    /// Closes the connections to the peer that has not been asked anything for longest, and for so long at least. One at a
    /// time: those that a start opened to everybody at once would end at once, too.
    func closeIdlest(unusedFor time: Duration) {
        let unused = peers.filter {
            !$0.value.isBusy && !$0.value.idle.isEmpty && clock.now - $0.value.lastUsed >= time
        }
        guard let longest = unused.min(by: { ($0.value.lastUsed, $0.key) < ($1.value.lastUsed, $1.key) }) else {
            return
        }
        var peer = longest.value
        for connection in peer.idle { Task { await connection.close() } }
        peer.idle = []
        store(longest.key, peer)
    }

    /// This node has other certificates: what follows is asked on connections that show them.
    func renewConnections() {
        for (name, var peer) in peers {
            for connection in peer.idle { Task { await connection.close() } }
            peer.idle = []
            peer.outdated = Set(peer.inUse.map(ObjectIdentifier.init))
            store(name, peer)
        }
    }

    private func evict(_ name: NodeName) {
        guard let peer = peers.removeValue(forKey: name) else { return }
        for connection in peer.idle + peer.inUse { Task { await connection.close() } }
        for connection in peer.inbound.values { connection.close() }
    }

    private func dropClosed() {
        for (name, var peer) in peers {
            peer.idle.removeAll { !$0.isOpen }
            peer.inbound = peer.inbound.filter { $0.value.channel.isActive }
            store(name, peer)
        }
    }

    /// A peer without any connection is none.
    func store(_ name: NodeName, _ peer: Peer) { peers[name] = peer.isConnected ? peer : nil }

    // MARK: Waiting

    private func wait(until deadline: ContinuousClock.Instant) async {
        let id = nextWaiter
        nextWaiter += 1
        let timer = Task { [clock] in
            try? await clock.sleep(until: deadline)
            self.wake(id)
        }
        _ = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume(returning: false)
                } else {
                    waiters.append(Waiter(id: id, continuation: continuation))
                }
            }
        } onCancel: {
            Task { await self.wake(id) }
        }
        timer.cancel()
    }

    private func wake(_ id: UInt64) {
        guard let index = waiters.firstIndex(where: { $0.id == id }) else { return }
        waiters.remove(at: index).continuation.resume(returning: true)
    }

    /// Each looks for itself whether its turn has come; at most `waitersMax` do.
    func wakeAll() {
        let all = waiters
        waiters = []
        for waiter in all { waiter.continuation.resume(returning: true) }
    }

    /// Who is connected now, either way.
    var connectedPeers: Set<NodeName> {
        dropClosed()
        return Set(peers.keys)
    }

    // MARK: The end, and looking in

    /// Closes every connection to and from a member that is gone; requests under way on them fail at once, and are not
    /// repeated.
    public func disconnect(_ name: NodeName) {
        evict(name)
        wakeAll()
    }

    /// Closes every connection; requests under way fail, and so does every later one.
    public func closeAll() async {
        isClosed = true
        for name in Array(peers.keys) { evict(name) }
        wakeAll()
    }

    /// For `GET /v1/peers`, sorted by name.
    public var snapshot: [PeerSnapshot] {
        dropClosed()
        return peers.map { PeerSnapshot($0.key, $0.value, now: clock.now) }.sorted { $0.name < $1.name }
    }

    public var peersMax: Int { settings.peersMax }
}
