import Client
import NIOConcurrencyHelpers
import NIOCore

/// What happened, newest last: a bounded ring for those who come late (`Last-Event-ID`) and a bounded buffer for each
/// who follows.
public final class EventLog: Sendable {
    /// A day of a restless cluster; 1,024 events take some 200 KiB.
    public static let capacity = 1_024
    /// Events that a slow follower may lag behind before it loses the oldest of them.
    public static let followerBuffer = 256
    public static let followersMax = 64
    /// All that is kept may be told at once to one who comes, and more may happen meanwhile.
    static let bufferMax = capacity + followerBuffer

    private struct State {
        var ring = CircularBuffer<API.Event>(initialCapacity: EventLog.capacity)
        var nextID: UInt64 = 1
        /// How many of each type there were; there are as many types as the code names.
        var counts: [String: UInt64] = [:]
        var followers: [UInt64: AsyncStream<API.Event>.Continuation] = [:]
        var nextFollower: UInt64 = 1
        var isFinished = false

        func kept(after id: UInt64) -> [API.Event] {
            let start = id < nextID ? id : 0
            return ring.filter { $0.id > start }
        }
    }

    private let state = NIOLockedValueBox(State())

    public init() {}

    /// Numbers an event, keeps it and tells every follower.
    @discardableResult
    public func append(
        type: String, node: String, address: String? = nil, by: String? = nil, detail: String? = nil, time: String
    ) -> API.Event {
        state.withLockedValue { state in
            let event = API.Event(
                id: state.nextID, time: time, type: type, node: node, address: address, by: by, detail: detail)
            state.nextID += 1
            state.counts[type, default: 0] += 1
            if state.ring.count >= Self.capacity { state.ring.removeFirst() }
            state.ring.append(event)
            // In the lock: followers see the order of the numbers. A yield never waits.
            for follower in state.followers.values { follower.yield(event) }
            return event
        }
    }

    /// The number of the newest event; 0 before the first.
    public var lastID: UInt64 { state.withLockedValue { $0.nextID - 1 } }

    /// The events after `id` that are still kept; all of them for a number that no event has had: it is of an earlier life
    /// of the agent, which counted from 1 as well.
    public func events(after id: UInt64 = 0) -> [API.Event] { state.withLockedValue { $0.kept(after: id) } }

    /// The kept events after `id`, then each new one. Ends when the log is finished.
    ///
    /// - Returns: nil when `followersMax` follow already.
    public func follow(after id: UInt64? = nil) -> AsyncStream<API.Event>? {
        let (stream, continuation) = AsyncStream.makeStream(
            of: API.Event.self, bufferingPolicy: .bufferingNewest(Self.bufferMax))
        let number: UInt64? = state.withLockedValue { state in
            guard state.followers.count < Self.followersMax else { return nil }
            if let id {
                for event in state.kept(after: id) { continuation.yield(event) }
            }
            if state.isFinished {
                continuation.finish()
                return 0
            }
            let number = state.nextFollower
            state.nextFollower += 1
            state.followers[number] = continuation
            return number
        }
        guard let number else { return nil }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLockedValue { _ = $0.followers.removeValue(forKey: number) }
        }
        return stream
    }

    /// How many events of each type there were since the start; types without any are not in it.
    public var counts: [String: UInt64] { state.withLockedValue { $0.counts } }

    public var followers: Int { state.withLockedValue { $0.followers.count } }

    /// At a stop: open streams end, so that the server need not cut them off.
    public func finish() {
        let followers = state.withLockedValue { state in
            state.isFinished = true
            defer { state.followers = [:] }
            return Array(state.followers.values)
        }
        for follower in followers { follower.finish() }
    }
}
