import HeapModule
import Vocabulary

/// What is still to happen, earliest first; of one instant, what was scheduled first comes first. That second rule is
/// half of what makes a run repeatable.
///
/// The heap holds numbers only: an event is a hundred bytes with references in them, and moving it up and down a tree
/// of thousands was a twentieth of a run with much gossip (`roost-sim flap`).
public struct EventQueue<Event: Sendable>: Sendable {
    private struct Entry: Comparable {
        let time: Instant
        let sequence: UInt64
        /// Where the event lies.
        let slot: Int

        static func == (a: Entry, b: Entry) -> Bool { a.sequence == b.sequence }
        static func < (a: Entry, b: Entry) -> Bool {
            a.time != b.time ? a.time < b.time : a.sequence < b.sequence
        }
    }

    private var heap = Heap<Entry>()
    private var nextSequence: UInt64 = 0
    /// Empty ones are `vacant`, to be taken again.
    private var slots: [Event?] = []
    private var vacant: [Int] = []

    public init() {}

    public var count: Int { heap.count }
    public var nextTime: Instant? { heap.min?.time }

    public mutating func schedule(_ event: Event, at time: Instant) {
        let slot: Int
        if let free = vacant.popLast() {
            slot = free
            slots[slot] = event
        } else {
            slot = slots.count
            slots.append(event)
        }
        heap.insert(Entry(time: time, sequence: nextSequence, slot: slot))
        nextSequence += 1
    }

    /// The next event, unless it is later than `limit`.
    public mutating func next(until limit: Instant) -> (time: Instant, event: Event)? {
        guard let first = heap.min, first.time <= limit, let entry = heap.popMin(),
            let event = slots[entry.slot].take()
        else { return nil }
        vacant.append(entry.slot)
        return (entry.time, event)
    }
}
