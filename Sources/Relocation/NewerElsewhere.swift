import Resources
import Vocabulary

/// Names of which this node knows that somebody holds a write that it has not seen itself: until it has it, it must neither
/// answer for the name, where that write goes before its own, nor deny it, nor order another one, however well in step it
/// is with the rest of the slot (laws 4 and 6). So it is for an owner whose disk was full when the version was offered, or
/// whose pull failed or waits.
struct NewerElsewhere: Sendable {
    private struct Known: Sendable {
        let version: Version
        var tellers: [NodeName]
    }

    private struct Entry: Sendable {
        let slot: Slot
        /// The greatest that was known, and that nobody is known any more to hold: what is left is not the newest.
        var lost: Version?
        /// Greatest first; never empty, at most `VersionSet.versionCountMax`, as there are kept of a name.
        var known: [Known]
    }

    private var entries: [ResourceName: Entry] = [:]

    /// At half, a node that is far behind falls back sooner to keeping whole slots back; at double, it keeps some 20 MB.
    static let countMax = 65_536
    private static let tellersMax = 4

    var hasRoom: Bool { entries.count < Self.countMax }
    var isEmpty: Bool { entries.isEmpty }

    /// - Returns: `false` when there is no room to remember it.
    mutating func note(_ version: Version, in slot: Slot, saidBy teller: NodeName) -> Bool {
        guard var entry = entries[version.name] else {
            guard hasRoom else { return false }
            entries[version.name] = Entry(slot: slot, known: [Known(version: version, tellers: [teller])])
            return true
        }
        if let index = entry.known.firstIndex(where: { $0.version.dot == version.dot }) {
            let tellers = entry.known[index].tellers
            if !tellers.contains(teller), tellers.count < Self.tellersMax { entry.known[index].tellers.append(teller) }
        } else {
            // What the later one has seen is had with it; whoever told of it is not the one to ask for what went before.
            for index in entry.known.indices where version.context.covers(entry.known[index].version.dot) {
                entry.known[index].tellers.removeAll { $0 == teller }
            }
            // Others may have no more than that, and be all that is left when that one goes.
            entry.known.removeAll(where: \.tellers.isEmpty)
            let hasSaidMore = entry.known.contains {
                $0.tellers.contains(teller) && $0.version.context.covers(version.dot)
            }
            if !hasSaidMore {
                let place = entry.known.firstIndex { Version.precedes($0.version, version) } ?? entry.known.endIndex
                entry.known.insert(Known(version: version, tellers: [teller]), at: place)
            }
            if entry.known.count > VersionSet.versionCountMax { entry.known.removeLast() }
        }
        if let lost = entry.lost, !Version.precedes(version, lost) { entry.lost = nil }
        entries[version.name] = entry
        return true
    }

    /// The version is durable here now, and with it whatever its writer had seen.
    mutating func has(_ version: Version) {
        guard var entry = entries[version.name] else { return }
        entry.known.removeAll { $0.version.dot == version.dot || version.context.covers($0.version.dot) }
        if let lost = entry.lost, !Version.precedes(version, lost) { entry.lost = nil }
        entries[version.name] = entry.known.isEmpty ? nil : entry
    }

    /// Whether somebody holds a newer version of the name than `held`.
    func isNewer(than held: VersionSet?, of name: ResourceName) -> Bool {
        guard let newest = entries[name]?.known.first else { return false }
        return held.map { Version.precedes($0.head, newest.version) } ?? true
    }

    /// The newest version that somebody holds, if it is newer than `held`, and who does.
    func newest(than held: VersionSet?, of name: ResourceName) -> (version: Version, holders: [NodeName])? {
        guard isNewer(than: held, of: name), let entry = entries[name], entry.lost == nil,
            let newest = entry.known.first
        else { return nil }
        return (newest.version, newest.tellers)
    }

    /// Versions of the name that somebody holds and whoever has seen `held` has not, newer or not. One that would be pushed out
    /// of the history by what is held is not missed.
    ///
    /// - Parameter heard: what nobody but these has told of is left out: they were asked, and `held` has what they hold now.
    func unseen(by held: VersionSet?, of name: ResourceName, besides heard: [NodeName] = []) -> Set<Dot> {
        guard let entry = entries[name] else { return [] }
        let versions = entry.known.filter { !$0.tellers.allSatisfy(heard.contains) }.map(\.version)
        return Set(versions.filter { held?.misses($0) ?? true }.map(\.dot))
    }

    /// All of them that somebody is known to hold, the greatest first.
    func known(of name: ResourceName) -> [Version] { entries[name]?.known.map(\.version) ?? [] }

    /// Who holds such versions in these slots, for whoever would else take this node's word for all there is in them.
    func holders(in slots: SlotSet) -> [HolderOfNewer] {
        var found: [NodeName: SlotSet] = [:]
        for entry in entries.values where slots.contains(entry.slot) {
            for known in entry.known {
                for teller in known.tellers { found[teller, default: SlotSet()].insert(entry.slot) }
            }
        }
        return found.map { HolderOfNewer(holder: $0.key, slots: $0.value) }.sorted { $0.holder < $1.holder }
    }

    /// What only these had can not be waited for.
    ///
    /// - Parameter slots: where they have it no more; nil for all.
    /// - Returns: the slots in which the newest version of a name was theirs alone. Others may hold it as well, who had no
    ///   reason to tell.
    mutating func forget(tellers gone: [NodeName], in slots: SlotSet? = nil) -> SlotSet {
        var unsaid = SlotSet()
        guard !gone.isEmpty, !entries.isEmpty else { return unsaid }
        for (name, entry) in entries where slots?.contains(entry.slot) ?? true {
            var rest = entry
            for index in rest.known.indices { rest.known[index].tellers.removeAll { gone.contains($0) } }
            if rest.lost == nil, let first = rest.known.first, first.tellers.isEmpty {
                rest.lost = first.version
                unsaid.insert(entry.slot)
            }
            rest.known.removeAll { $0.tellers.isEmpty }
            entries[name] = rest.known.isEmpty ? nil : rest
        }
        return unsaid
    }
}
