import HeapModule
import Vocabulary

/// What is still to happen, earliest first; of one instant, what was scheduled first comes first. That second rule is
/// half of what makes a run repeatable.
public struct EventQueue<Event: Sendable>: Sendable {
    private struct Entry: Comparable {
        let time: Instant
        let sequence: UInt64
        let event: Event

        static func == (a: Entry, b: Entry) -> Bool { a.sequence == b.sequence }
        static func < (a: Entry, b: Entry) -> Bool { (a.time, a.sequence) < (b.time, b.sequence) }
    }

    private var heap = Heap<Entry>()
    private var nextSequence: UInt64 = 0

    public init() {}

    public var count: Int { heap.count }
    public var nextTime: Instant? { heap.min?.time }

    public mutating func schedule(_ event: Event, at time: Instant) {
        heap.insert(Entry(time: time, sequence: nextSequence, event: event))
        nextSequence += 1
    }

    /// The next event, unless it is later than `limit`.
    public mutating func next(until limit: Instant) -> (time: Instant, event: Event)? {
        guard let first = heap.min, first.time <= limit, let entry = heap.popMin() else { return nil }
        return (entry.time, entry.event)
    }
}
