import Placement
import Resources
import Vocabulary

/// What an owner's disk refuses is held by another member in its place, until the owner has room for it: by the one that
/// would own it if those without room were not there. So a leave ends and a crash is repaired beside a full disk, too.
///
/// Who holds a group asks for it; who stands in holds what is misplaced, as whoever else holds what it does not own, and
/// lets go of it by the same rule (law 2).
extension Convergence {
    /// Members that are asked to hold the group in the place of owners without room; those that do it already are among
    /// them.
    func standIns(for key: GroupKey) -> [NodeName] {
        guard let state = groups[key], state.owners.contains(where: { lacksRoom($0, for: key, state) }) else {
            return []
        }
        let passedOver = view.ring.candidates.map(\.name).filter { name in
            guard name != me else { return false }
            if lacksRoom(name, for: key, state) { return true }
            return !state.owners.contains(name) && (!view.canCall(name) || view.doubts(name))
        }
        return view.ring.owners(of: key.slot, home: key.home, count: settings.replicas, passingOver: passedOver)
            .filter { $0 != me && !state.owners.contains($0) }
    }

    /// Whether the member is yet to be told that it is to stand in for an owner, or yet to give its word.
    func isWantedAsStandIn(_ name: NodeName, for key: GroupKey) -> Bool {
        guard let state = groups[key], !state.standIns.contains(name) else { return false }
        return standIns(for: key).contains(name)
    }

    /// What it holds already needs no room.
    private func lacksRoom(_ name: NodeName, for key: GroupKey, _ state: GroupTable.Group) -> Bool {
        peers[name]?.noRoom.contains(key.slot) == true && !state.confirmed.contains(name)
            && !state.standIns.contains(name)
    }

    /// Takes note of the slots in which a member said that its disk refuses something, and of where it is not so any more.
    mutating func note(noRoom slots: SlotSet, by name: NodeName, of compared: SlotSet) {
        guard var full = peers[name]?.noRoom, !(full.isEmpty && slots.isEmpty) else { return }
        full.subtract(compared)
        full.formUnion(slots.intersection(compared))
        peers[name]?.noRoom = full
        for key in groups(in: full.intersection(compared)) { askStandIns(for: key) }
    }

    mutating func askStandIns(for key: GroupKey) {
        for node in standIns(for: key) where groups[key]?.standIns.contains(node) == false {
            peers[node, default: PeerState()].dirty.insert(key.slot)
        }
    }

    /// A member holds what it was asked to stand in for. Who leaves needs its word that it will keep it: one that has not
    /// heard of the leaving may be about to let go of it by the leaver's own word.
    mutating func noteStandIn(_ name: NodeName, _ finding: ExchangeFinding, told: ExchangeGroup) {
        guard finding.keeps || view.ring.contains(me), let state = groups[told.key], !state.owners.contains(name),
            !state.standIns.contains(name), state.summary.digest == told.digest
        else { return }
        groups[told.key]?.standIns.append(name)
        peers[name]?.rechecks = 0
    }

    /// Whether what this node was asked to stand in for stays here when the asker has gone.
    func keeps(_ key: GroupKey, for asker: NodeName) -> Bool {
        guard let state = groups[key] else { return false }
        return !state.dropping && !lacking.contains(key) && !state.owners.contains(asker)
    }

    /// Members that have no room for what they are to own, as far as this node holds it and could hear of it, and for how
    /// many resources; sorted.
    public var withoutRoom: [(node: NodeName, resources: Int)] {
        peers.filter { !$0.value.noRoom.isEmpty }.keys.sorted().compactMap { name in
            let waiting = groups(in: peers[name]?.noRoom ?? SlotSet()).compactMap { groups[$0] }
                .filter { $0.owners.contains(name) && !$0.confirmed.contains(name) }
            return waiting.isEmpty ? nil : (name, waiting.reduce(0) { $0 &+ $1.weight })
        }
    }
}

/// The slots in which this node's disk refused something that it is to have, and for how long that is believed.
struct RefusedSlots: Sendable {
    /// By slot number; at most 16,384.
    private var until: [Slot: Instant] = [:]
    private var next: Instant?

    /// What is refused is tried again in pauses of `recheckMax`, and a few times that where much is refused. At half, a
    /// member passes for one with room between two attempts; at double, others stand in for it that much longer than they
    /// need to, where nothing is to be had any more.
    static let believedFor = Duration.seconds(300)

    mutating func refused(_ slot: Slot, at now: Instant) {
        until[slot] = now + Self.believedFor
        next = min(next ?? now + Self.believedFor, now + Self.believedFor)
    }

    mutating func took(_ slot: Slot) { until[slot] = nil }

    mutating func forget(at now: Instant) {
        guard let due = next, due <= now else { return }
        until = until.filter { $0.value > now }
        next = until.values.min()
    }

    func slots(of asked: SlotSet) -> SlotSet {
        until.isEmpty ? SlotSet() : SlotSet(until.keys.filter { asked.contains($0) })
    }
}
