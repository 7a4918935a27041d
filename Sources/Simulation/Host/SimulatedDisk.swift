import Vocabulary

/// What a disk holds, as a value. The store's logic describes each change as one write; the disk decides when it lasts.
public protocol DiskState: Sendable {
    /// One change that the file system makes whole or not at all.
    associatedtype Write: Sendable

    /// An empty disk.
    init()
    mutating func apply(_ write: Write)
    /// How many bytes the write would add; negative when it frees.
    func growth(of write: Write) -> Int
    var byteCount: Int { get }
}

/// For a machine that keeps nothing.
public struct NoDisk: DiskState {
    public struct Write: Sendable {}
    public init() {}
    public mutating func apply(_ write: Write) {}
    public func growth(of write: Write) -> Int { 0 }
    public var byteCount: Int { 0 }
}

public enum DiskError: Error, Hashable, Sendable, CustomStringConvertible {
    case full(capacity: Int, wanted: Int)

    public var description: String {
        switch self {
        case .full(let capacity, let wanted): "the simulated disk has \(capacity) bytes; this write needs \(wanted)"
        }
    }
}

/// A disk between a process and a power cut: the process sees what it wrote; only what was synced is sure to last.
///
/// Every write since the last sync is kept as such, so that a power cut can keep any part of them, as real disks do.
public struct SimulatedDisk<State: DiskState>: Sendable {
    /// What the process sees.
    public private(set) var state = State()
    /// What lasts whatever happens.
    public private(set) var durable = State()
    private var unsynced: [State.Write] = []
    /// Writes that have ever been synced, so that a ticket's meaning does not depend on what came after.
    private var syncedCount: UInt64 = 0

    /// Writes that would need more fail and change nothing.
    public var capacity = Int.max
    /// From asking for a sync to having it.
    public var syncTime = Duration.milliseconds(2)

    /// How often what lasts has changed, from inside or from outside: whoever saw the count needs to look again when it
    /// is another.
    public private(set) var changes: UInt64 = 0

    public init() {}

    public var unsyncedCount: Int { unsynced.count }

    /// - Throws: `DiskError.full`; nothing has changed then. A write that frees space always succeeds.
    public mutating func write(_ write: State.Write) throws(DiskError) {
        let growth = state.growth(of: write)
        let wanted = state.byteCount + growth
        guard growth <= 0 || wanted <= capacity else { throw .full(capacity: capacity, wanted: wanted) }
        state.apply(write)
        unsynced.append(write)
    }

    /// Everything written so far becomes durable at once, for what a process does before it serves.
    public mutating func syncNow() { complete(through: syncedCount + UInt64(unsynced.count)) }

    /// The writes that a sync asked for now would cover.
    var syncTarget: UInt64 { syncedCount + UInt64(unsynced.count) }

    mutating func complete(through target: UInt64) {
        guard target > syncedCount else { return }
        let count = min(Int(target - syncedCount), unsynced.count)
        for write in unsynced.prefix(count) { durable.apply(write) }
        if count > 0 { changes += 1 }
        unsynced.removeFirst(count)
        syncedCount += UInt64(count)
    }

    // MARK: Faults

    /// What a power cut does to writes that were not synced.
    public enum Loss: Hashable, Sendable, CaseIterable {
        case everything
        /// The first ones last, the later ones do not.
        case suffix
        /// Any of them may last, in order: disks write back as they like.
        case anySubset
    }

    mutating func losePower(_ loss: Loss, using rng: inout some RandomNumberGenerator) {
        switch loss {
        case .everything: break
        case .suffix:
            for write in unsynced.prefix(Int.random(in: 0...unsynced.count, using: &rng)) { durable.apply(write) }
        case .anySubset:
            for write in unsynced where Bool.random(using: &rng) { durable.apply(write) }
        }
        forgetUnsynced()
    }

    /// What is durable now: to be put back later as an old disk.
    public var snapshot: State { durable }

    /// Another disk in place of this one: an old snapshot, or an empty one.
    public mutating func replace(with other: State) {
        durable = other
        forgetUnsynced()
    }

    /// Bits change on the platter, unnoticed.
    public mutating func rot(_ change: (inout State) -> Void) {
        change(&state)
        change(&durable)
        changes += 1
    }

    private mutating func forgetUnsynced() {
        changes += 1
        state = durable
        // Tickets given out before now must not cover writes that come after.
        syncedCount += UInt64(unsynced.count)
        unsynced = []
    }
}
