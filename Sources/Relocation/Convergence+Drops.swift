import DequeModule
import Resources
import Vocabulary

/// Letting go of what is not this node's own to keep (law 2): only what R present owners have confirmed is dropped, and
/// only by one who is not an owner. Fewer than R eligible members confirm nothing: then the copy stays where it is.
extension Convergence {
    /// Looks again at whether the group may be dropped, after its owners or their confirmations changed.
    mutating func considerDrop(_ key: GroupKey) {
        guard let state = groups[key], mayDrop(state) else { return drops.remove(key) }
        drops.add(key)
    }

    private func mayDrop(_ state: GroupTable.Group) -> Bool { !state.dropping && isOthersAlone(state) }

    /// Whether it is held by all that are to have it, of whom this node is none.
    private func isOthersAlone(_ state: GroupTable.Group) -> Bool {
        !state.owners.contains(me) && state.owners.count >= settings.replicas
            && state.owners.allSatisfy { state.confirmed.contains($0) }
    }

    /// Whether a drop that was begun may still be carried out: moves and the disk may have held it up for long, and an owner
    /// may have taken its word back since, or this node may be one again. To be asked when nothing comes in between any more.
    public func mayStillDrop(_ key: GroupKey, _ digest: SetDigest) -> Bool {
        guard let state = groups[key] else { return false }
        return state.dropping && state.summary.digest == digest && isOthersAlone(state)
    }

    mutating func startDrops(at now: Instant, into effects: inout [Effect]) {
        drops.schedule(at: now + settings.dropGrace)
        while drops.active < settings.dropsActiveMax, let key = drops.next(at: now) {
            guard let state = groups[key], mayDrop(state) else { continue }
            groups[key]?.dropping = true
            drops.active += 1
            effects.append(.drop(key, state.summary.digest))
        }
    }

    mutating func finishDrop(_ key: GroupKey, _ end: DropEnd, at now: Instant) {
        drops.active = max(0, drops.active - 1)
        groups[key]?.dropping = false
        // A disk that refuses now would refuse the next at once, too.
        if end == .failed { drops.pausedUntil = now + settings.recheckMax }
        considerDrop(key)
    }

    /// When a drop is next due; `nil` while none is, or none may begin.
    var dropsDeadline: Instant? { drops.active < settings.dropsActiveMax ? drops.deadline : nil }
}

/// The groups that may be dropped, in the order in which they may.
struct DropQueue: Sendable {
    /// When each of them may go; `nil` until the next look at the time.
    private var due: [GroupKey: Instant?] = [:]
    private var fresh: [GroupKey] = []
    /// In order of time. An entry counts while `due` says the same.
    private var line: Deque<(key: GroupKey, at: Instant)> = []
    var active = 0
    var pausedUntil: Instant?

    mutating func add(_ key: GroupKey) {
        guard due[key] == nil else { return }
        due[key] = .some(nil)
        fresh.append(key)
    }

    mutating func remove(_ key: GroupKey) { due[key] = nil }

    mutating func schedule(at time: Instant) {
        for key in fresh where due[key] == .some(nil) {
            due[key] = time
            line.append((key, time))
        }
        fresh.removeAll(keepingCapacity: true)
    }

    mutating func next(at now: Instant) -> GroupKey? {
        if let end = pausedUntil {
            guard end <= now else { return nil }
            pausedUntil = nil
        }
        while let first = line.first, first.at <= now {
            line.removeFirst()
            guard due[first.key] == .some(first.at) else { continue }
            due[first.key] = nil
            return first.key
        }
        return nil
    }

    var deadline: Instant? {
        guard let first = line.first?.at else { return nil }
        return pausedUntil.map { max($0, first) } ?? first
    }
}
