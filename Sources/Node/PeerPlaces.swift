import Vocabulary

/// DESIGN §7's rules of the peers table: how many peers are connected at once, who gives way, and which request may have a
/// connection. The agent's table and the simulator's hosts ask the same.
public struct PeerPlaces: Sendable, Hashable {
    /// Distinct peers connected at once, ours to them and theirs to us counted together.
    public let peersMax: Int
    /// Connections to one peer. Requests on HTTP/1.1 go one after another, so this is how many run at once.
    public let connectionsPerPeerMax: Int
    /// Of those, how many are kept for each kind of request, whatever the others take.
    public let connectionsKeptForKind: Int

    /// Above `relocation.streams`, so that transfers leave room for queries.
    public static let connectionsStandard = 16
    public static let keptStandard = 2

    public init(
        peersMax: Int, connectionsPerPeerMax: Int = connectionsStandard, connectionsKeptForKind: Int = keptStandard
    ) {
        self.peersMax = max(1, peersMax)
        self.connectionsPerPeerMax = max(1, connectionsPerPeerMax)
        self.connectionsKeptForKind = max(0, connectionsKeptForKind)
    }

    /// What a request holds its connection for. Each may wait for those after it, never for one before it.
    public enum Kind: Sendable, Hashable, CaseIterable {
        /// A write that is passed on: it waits for its copies.
        case order
        /// A copy of a write: it waits until the other node has its bytes.
        case offer
        /// A call between nodes, whose answer is small and comes at once.
        case control
        /// The bytes of a resource that somebody waits for: an answer that is passed on to a client, or a write's copy.
        case bulk
        /// Those of a move. It waits for queries at the other end, its connection and all: in one kind with them, moves from a
        /// node that many ask took all there were, and what was to be forwarded to it waited for moves.
        case move
    }

    /// What to do when there is no place.
    public enum Patience: Sendable, Hashable {
        /// Wait for `placeTimeout`.
        case waits
        /// Fail at once: another node will do as well.
        case hasOthers
    }

    /// Requests that wait for a place or for a connection, over all peers, and how long.
    public static let waitersMax = 256
    public static let placeTimeout = Duration.seconds(5)
    /// How long a query asks those again that had no place for it, and after which pause.
    public static let busyFor = Duration.seconds(10)
    public static let busyPause = Duration.milliseconds(200)

    public enum Place: Sendable, Hashable {
        /// The peer is connected, or another may be.
        case free
        /// This one, idle for longest, gives way.
        case insteadOf(NodeName)
        /// All are busy.
        case none
    }

    public func place<Use: PeerUse>(for name: NodeName, among peers: [NodeName: Use]) -> Place {
        guard peers[name] == nil, peers.count >= peersMax else { return .free }
        let idle = peers.filter { !$0.value.isBusy }
        return idle.min { ($0.value.lastUsed, $0.key) < ($1.value.lastUsed, $1.key) }.map { .insteadOf($0.key) }
            ?? .none
    }

    /// How long a peer that asks keeps its place.
    public enum Stay: Sendable, Hashable {
        /// To answer it takes nobody but the caller.
        case brief
        /// Until others have been asked, or many bytes have gone.
        case long
    }

    /// The same for a peer that asks. It gets no place that would leave none for asking others: to answer it may take just
    /// that, and two nodes that serve each other's callers in all their places answer nobody. Whoever is answered without
    /// that may have the last one: three nodes with two places each, that take writes for others and are to offer them to
    /// each other, would else wait until all of those writes are out of time.
    public func placeForCaller<Use: PeerUse>(
        _ name: NodeName, for stay: Stay, among peers: [NodeName: Use]
    ) -> Place {
        guard stay == .long, peers.count >= peersMax - 1 else { return place(for: name, among: peers) }
        let busy = peers.filter { $0.key != name && $0.value.isBusy }.count
        guard peersMax == 1 || peers[name]?.isBusy == true || busy < peersMax - 1 else { return .none }
        return place(for: name, among: peers)
    }

    /// Whether one more request of this kind may have a connection to the peer.
    public func mayBegin(_ kind: Kind, at peer: some PeerUse) -> Bool {
        let kept = min(connectionsKeptForKind, connectionsPerPeerMax / Kind.allCases.count)
        let owed = Kind.allCases.filter { $0 != kind }.reduce(0) { $0 + max(0, kept - peer.active($1)) }
        return Kind.allCases.reduce(0) { $0 + peer.active($1) } + owed < connectionsPerPeerMax
    }
}

/// What the rules ask of a connected peer.
public protocol PeerUse {
    associatedtype Moment: Comparable
    /// A request is under way, either way.
    var isBusy: Bool { get }
    /// When a request last began or ended.
    var lastUsed: Moment { get }
    /// Requests of ours under way.
    func active(_ kind: PeerPlaces.Kind) -> Int
}
