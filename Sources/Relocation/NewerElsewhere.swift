import Resources
import Vocabulary

/// Names of which this node knows that somebody holds a newer version than it does itself: until it has it, it must not
/// answer for the name, nor deny it, however well in step it is with the rest of the slot (law 6). So it is for an owner
/// whose disk was full when the version was offered, or whose pull failed or waits.
struct NewerElsewhere: Sendable {
    private struct Known: Sendable {
        var version: Version
        let slot: Slot
        var tellers: [NodeName]
    }

    private var known: [ResourceName: Known] = [:]

    /// At half, a node that is far behind falls back sooner to keeping whole slots back; at double, it keeps some 20 MB.
    static let countMax = 65_536
    private static let tellersMax = 4

    /// - Returns: `false` when there is no room to remember it.
    mutating func note(_ version: Version, in slot: Slot, saidBy teller: NodeName) -> Bool {
        guard var entry = known[version.name] else {
            guard known.count < Self.countMax else { return false }
            known[version.name] = Known(version: version, slot: slot, tellers: [teller])
            return true
        }
        if Version.precedes(entry.version, version) {
            entry = Known(version: version, slot: slot, tellers: [teller])
        } else if entry.version.dot == version.dot, !entry.tellers.contains(teller),
            entry.tellers.count < Self.tellersMax
        {
            entry.tellers.append(teller)
        }
        known[version.name] = entry
        return true
    }

    /// The version is durable here now.
    mutating func has(_ version: Version) {
        guard let entry = known[version.name], !Version.precedes(version, entry.version) else { return }
        known[version.name] = nil
    }

    /// Whether somebody holds a newer version of the name than `held`.
    func isNewer(than held: VersionSet?, of name: ResourceName) -> Bool {
        guard let entry = known[name] else { return false }
        return held.map { Version.precedes($0.head, entry.version) } ?? true
    }

    /// Who holds what is newer in these slots, for whoever would else take this node's word for all there is in them.
    func holders(in slots: SlotSet) -> [HolderOfNewer] {
        var found: [NodeName: SlotSet] = [:]
        for entry in known.values where slots.contains(entry.slot) {
            for teller in entry.tellers { found[teller, default: SlotSet()].insert(entry.slot) }
        }
        return found.map { HolderOfNewer(holder: $0.key, slots: $0.value) }.sorted { $0.holder < $1.holder }
    }

    /// What only these had can not be waited for.
    mutating func forget(tellers gone: [NodeName]) {
        guard !gone.isEmpty, !known.isEmpty else { return }
        for name in known.keys {
            known[name]?.tellers.removeAll { gone.contains($0) }
            if known[name]?.tellers.isEmpty == true { known[name] = nil }
        }
    }
}
