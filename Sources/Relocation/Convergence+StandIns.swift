import Placement
import Resources
import Vocabulary

/// What an owner's disk refuses is held by another member in its place, until the owner has room for it: by the one that
/// would own it if those without room were not there. So a leave ends and a crash is repaired beside a full disk, too.
///
/// Who holds a group asks for it; who stands in holds what is misplaced, as whoever else holds what it does not own, and
/// lets go of it by the same rule (law 2).
extension Convergence {
    /// This node's disk did not take a version.
    mutating func noteRefusal(of version: Version, at now: Instant) {
        let key = version.group(in: cluster)
        refused.refused(version.name, in: key.slot, asOwner: isOwner(key), at: now)
    }

    /// Members that are to hold the group in the place of owners without room; those that said that they do are among them.
    private func standIns(for key: GroupKey) -> [NodeName] {
        guard let state = groups[key], state.owners.contains(where: { lacksRoom($0, for: key, state) }) else {
            return []
        }
        let passedOver = view.ring.candidates.map(\.name).filter { name in
            name != me && (lacksRoom(name, for: key, state) || !state.owners.contains(name) && isUnfit(name))
        }
        return view.ring.owners(of: key.slot, home: key.home, count: settings.replicas, passingOver: passedOver)
            .filter { $0 != me && !state.owners.contains($0) }
    }

    var isSomebodyFull: Bool { peers.values.contains { !$0.noRoom.isEmpty } }

    /// Those of them that have not said so: they are told of the group until they have.
    func standInsWanted(for key: GroupKey) -> [NodeName] {
        standIns(for: key).filter { groups[key]?.standIns.contains($0) == false }
    }

    func isWantedAsStandIn(_ name: NodeName, for key: GroupKey) -> Bool {
        groups[key]?.standIns.contains(name) == false && standIns(for: key).contains(name)
    }

    /// What it holds already needs no room.
    private func lacksRoom(_ name: NodeName, for key: GroupKey, _ state: GroupTable.Group) -> Bool {
        peers[name]?.noRoom.contains(key.slot) == true && !state.confirmed.contains(name)
            && !state.standIns.contains(name)
    }

    /// Whether nobody is to wait for it to take something in the place of another one: it is not there, or does not answer.
    private func isUnfit(_ name: NodeName) -> Bool {
        unfit.contains(name) || isSilent(name)
    }

    static func unfit(in view: View) -> Set<NodeName> {
        Set(view.ring.candidates.map(\.name)).subtracting(view.contactable).union(view.doubtful)
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
        for node in standInsWanted(for: key) { peers[node, default: PeerState()].dirty.insert(key.slot) }
    }

    /// A member holds what it was asked to stand in for. Who leaves needs its word that it will keep it: one that has not
    /// heard of the leaving may be about to let go of it by the leaver's own word.
    mutating func noteStandIn(_ name: NodeName, _ finding: ExchangeFinding, told: ExchangeGroup) {
        guard finding.keeps || view.ring.contains(me), let state = groups[told.key], !state.owners.contains(name),
            !state.standIns.contains(name), !groups.isConfirmed(state), state.summary.digest == told.digest
        else { return }
        groups[told.key]?.standIns.append(name)
        peers[name]?.rechecks = 0
    }

    /// What a member said that it keeps counts no more, until it says so anew.
    mutating func takeBackWord(of name: NodeName, for key: GroupKey) {
        guard groups[key]?.standIns.contains(name) == true else { return }
        groups[key]?.standIns.removeAll { $0 == name }
    }

    /// Whether what this node was asked to stand in for stays here when the asker has gone.
    func willKeep(_ key: GroupKey, for asker: NodeName) -> Bool {
        guard let state = groups[key] else { return false }
        return view.ring.contains(me) && !state.dropping && !lacking.contains(key.slot) && !state.owners.contains(asker)
    }

    /// Members that have no room for what they are to own, as far as this node holds it and could hear of it, and for how
    /// many resources; sorted. This one is among them, with what it knows of.
    public var withoutRoom: [(node: NodeName, resources: Int)] {
        let own = refused.ownedCount
        let others: [(node: NodeName, resources: Int)] = peers.filter { !$0.value.noRoom.isEmpty }.keys.sorted()
            .compactMap { name in
                let waiting = groups(in: peers[name]?.noRoom ?? SlotSet()).compactMap { groups[$0] }
                    .filter { $0.owners.contains(name) && !$0.confirmed.contains(name) }
                return waiting.isEmpty ? nil : (name, waiting.reduce(0) { $0 &+ $1.weight })
            }
        return own == 0 ? others : (others + [(me, own)]).sorted { $0.node < $1.node }
    }
}
