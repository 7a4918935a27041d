import Node
import Vocabulary

// With whom a node is connected, where `peers.max` bounds it: the counterpart of the agent's PeersTable, by the same rules.

/// The peers of a node, and what waits for one of them to give way.
struct Seats: Sendable {
    struct Peer: PeerUse, Sendable {
        var activeByKind: [PeerPlaces.Kind: Int] = [:]
        var inbound = 0
        var lastUsed: Instant

        var isBusy: Bool { inbound > 0 || activeByKind.values.contains { $0 > 0 } }
        func active(_ kind: PeerPlaces.Kind) -> Int { activeByKind[kind] ?? 0 }
    }

    struct Waiting: Sendable {
        let number: UInt64
        let node: NodeName
        let kind: PeerPlaces.Kind
        let then: NodeHost.Call
        let refused: NodeHost.Step
    }

    let places: PeerPlaces
    var peers: [NodeName: Peer] = [:]
    var peersMost = 0
    /// Ours under way, and theirs.
    var calls: [CallID: (node: NodeName, kind: PeerPlaces.Kind)] = [:]
    var serving: [CallID: NodeName] = [:]
    var waiting: [Waiting] = []
    var nextNumber: UInt64 = 0
    var hasFreed = false

    init(peersMax: Int) { places = PeerPlaces(peersMax: peersMax) }

    /// Connects with the peer, if there is a place.
    private mutating func connect(_ node: NodeName, _ place: PeerPlaces.Place, at now: Instant) -> Bool {
        switch place {
        case .free: break
        case .insteadOf(let idle): peers[idle] = nil
        case .none: return false
        }
        if peers[node] == nil { peers[node] = Peer(lastUsed: now) }
        peersMost = max(peersMost, peers.count)
        return true
    }

    mutating func begin(_ kind: PeerPlaces.Kind, with node: NodeName, at now: Instant) -> Bool {
        guard connect(node, places.place(for: node, among: peers), at: now), let peer = peers[node],
            places.mayBegin(kind, at: peer)
        else { return false }
        peers[node]?.activeByKind[kind, default: 0] += 1
        peers[node]?.lastUsed = now
        return true
    }

    mutating func admit(_ id: CallID, from node: NodeName, for stay: PeerPlaces.Stay, at now: Instant) -> Bool {
        guard connect(node, places.placeForCaller(node, for: stay, among: peers), at: now) else { return false }
        peers[node]?.inbound += 1
        peers[node]?.lastUsed = now
        serving[id] = node
        return true
    }

    mutating func end(_ id: CallID, at now: Instant) {
        if let (node, kind) = calls.removeValue(forKey: id) {
            peers[node]?.activeByKind[kind, default: 0] -= 1
            peers[node]?.lastUsed = now
            hasFreed = true
        }
        if let node = serving.removeValue(forKey: id) {
            peers[node]?.inbound -= 1
            peers[node]?.lastUsed = now
            hasFreed = true
        }
    }
}

extension NodeHost {
    var peersMost: Int { seats?.peersMost ?? 0 }

    /// Makes a call, and says which it is.
    typealias Call = @Sendable (inout NodeHost, inout HostContext<NodeHost>) -> CallID

    /// Makes the call when the node has a place for one to the peer.
    mutating func sit(
        with node: NodeName, _ kind: PeerPlaces.Kind, _ patience: PeerPlaces.Patience, _ context: inout Context,
        then: @escaping Call, refused: @escaping Step
    ) {
        guard seats?.begin(kind, with: node, at: context.now) == false else {
            let id = then(&self, &context)
            seats?.calls[id] = (node, kind)
            return
        }
        guard patience == .waits, let number = seats?.nextNumber, (seats?.waiting.count ?? 0) < PeerPlaces.waitersMax
        else {
            return refused(&self, &context)
        }
        seats?.nextNumber += 1
        seats?.waiting.append(Seats.Waiting(number: number, node: node, kind: kind, then: then, refused: refused))
        after(PeerPlaces.placeTimeout, &context) { host, context in
            guard let index = host.seats?.waiting.firstIndex(where: { $0.number == number }) else { return }
            host.seats?.waiting.remove(at: index).refused(&host, &context)
        }
    }

    mutating func admit(
        _ id: CallID, from peer: NodeName, for request: Request, _ context: inout Context
    ) -> Bool {
        guard seats != nil else { return true }
        guard seats?.admit(id, from: peer, for: request.stay, at: context.now) == true else { return false }
        // Whoever asked has gone by then, and its connection with it.
        after(request.patience, &context) { host, context in host.leave(id, &context) }
        return true
    }

    mutating func leave(_ id: CallID, _ context: inout Context) { seats?.end(id, at: context.now) }

    /// After each turn: who was answered needs no place any more, and who waits may have one.
    mutating func giveBackSeats(_ context: inout Context) {
        guard seats != nil else { return }
        for wish in context.wishes { if case .answer(let id, _, _) = wish { leave(id, &context) } }
        guard seats?.hasFreed == true else { return }
        seats?.hasFreed = false
        // In the order of their coming; those that still find no place wait on.
        for one in seats?.waiting ?? [] {
            guard seats?.begin(one.kind, with: one.node, at: context.now) == true else { continue }
            seats?.waiting.removeAll { $0.number == one.number }
            let id = one.then(&self, &context)
            seats?.calls[id] = (one.node, one.kind)
        }
    }
}

extension NodeHost.Request {
    /// How long whoever asks waits, as far as that does not hang on bytes.
    var patience: Duration {
        switch self {
        case .write, .offer, .blob, .exchange: .seconds(60)
        case .compare, .compareSums, .tombstones: .seconds(30)
        case .read: .seconds(15)
        case .members, .probe, .begin, .versions: .seconds(10)
        }
    }

    /// How long its place is kept where it is answered.
    var stay: PeerPlaces.Stay {
        switch self {
        case .write, .blob, .read: .long
        case .offer, .members, .probe, .compare, .compareSums, .exchange, .tombstones, .begin, .versions: .brief
        }
    }

    var kind: PeerPlaces.Kind {
        switch self {
        case .write: .order
        case .offer: .offer
        case .blob, .read: .bulk
        case .members, .probe, .compare, .compareSums, .exchange, .tombstones, .begin, .versions: .control
        }
    }
}
