import NIOCore

/// Who may try to come in, of those who have proven nothing yet: a number of places and of failures, in all and for each
/// source. A value, so that every bound of it can be seen in a test without a socket.
///
/// A try that ends well is given back: a hundred hosts behind one address wait for nothing.
struct StrangerRegister {
    struct Bounds: Sendable {
        /// Tries under way at once, in all and of one source.
        var placesMax: Int
        var placesPerSourceMax: Int
        /// Failures in all: so many at once, then one each so often. Half are for sources that have not failed lately.
        var failuresMax: Int
        var failureRefill: TimeAmount
        /// The same of one source.
        var failuresPerSourceMax: Int
        var failurePerSourceRefill: TimeAmount
        /// After so long a failure is no longer held against a source.
        var failureRememberedFor: TimeAmount
        /// A place that was held for so long by one that has not spoken goes to the next who asks, where there is none left;
        var silence: TimeAmount
        /// and by one that has, after this. Nil: never, for it waits for this node.
        var patience: TimeAmount?
        /// Sources remembered. Those who have not tried for so long that they may do all again are forgotten first, then those
        /// whose failure was remembered for the sake of others; were none such, new ones wait.
        var sourcesMax: Int
    }

    enum Decision: Hashable {
        case admitted
        /// In the place of this try, whose connection is to be closed.
        case admittedInPlace(of: UInt64)
        case refused
    }

    /// Tries under way, oldest first.
    struct Places {
        struct Place {
            let id: UInt64
            let key: String
            let since: NIODeadline
            /// What it is given back to when it succeeds; nil of a source that nothing is counted of.
            var share: FailureShares.Share?
            /// It has sent what it is this node's turn to answer.
            var hasSpoken = false
        }

        private(set) var all: [Place] = []
        private var silentCount = 0

        var count: Int { all.count }

        func of(_ key: String) -> Places {
            let own = all.filter { $0.key == key }
            return Places(all: own, silentCount: own.count { !$0.hasSpoken })
        }

        /// Where a place is to be had of `max`; nil where none is.
        ///
        /// - Parameter hasSpoken: asked where it decides: who has goes before any that has not.
        func decide(
            max: Int, silentMax: Int = .max, silence: TimeAmount, patience: TimeAmount?, _ now: NIODeadline,
            hasSpoken: () -> Bool
        ) -> Decision? {
            if count < max, silentCount < silentMax { return .admitted }
            let isHeard = hasSpoken()
            if count < max, isHeard { return .admitted }
            if let silent = all.first(where: { !$0.hasSpoken }), isHeard || now - silent.since >= silence {
                return .admittedInPlace(of: silent.id)
            }
            guard count >= max, let patience, let oldest = all.first, now - oldest.since >= patience else { return nil }
            return .admittedInPlace(of: oldest.id)
        }

        mutating func append(_ place: Place) {
            all.append(place)
            if !place.hasSpoken { silentCount += 1 }
        }

        mutating func remove(_ id: UInt64) -> Place? {
            guard let place = all.firstIndex(where: { $0.id == id }).map({ all.remove(at: $0) }) else { return nil }
            if !place.hasSpoken { silentCount -= 1 }
            return place
        }

        /// - Returns: false when it is not among them.
        @discardableResult
        mutating func spoke(_ id: UInt64) -> Bool {
            guard let index = all.firstIndex(where: { $0.id == id }) else { return false }
            if !all[index].hasSpoken { silentCount -= 1 }
            all[index].hasSpoken = true
            return true
        }
    }

    private struct Source {
        var failures: TokenBucket
        var failedAt: NIODeadline?
    }

    private let bounds: Bounds
    private var failures: FailureShares
    private var places = Places()
    private var sources: [String: Source] = [:]
    private var nextForgetting: NIODeadline

    init(bounds: Bounds, now: NIODeadline) {
        self.bounds = bounds
        failures = FailureShares(max: bounds.failuresMax, refill: bounds.failureRefill, now: now)
        nextForgetting = now
    }

    var sourceCount: Int { sources.count }
    var underWay: Int { places.count }

    /// Takes a place; `ended` gives it back.
    ///
    /// - Parameter hasSpoken: whether it is this node's turn already; asked only where places are few.
    mutating func begin(
        _ id: UInt64, from key: String, at now: NIODeadline, hasSpoken: () -> Bool = { false }
    ) -> Decision {
        guard var source = sources[key] ?? newSource(now) else { return .refused }
        source.failures.earn(now, each: bounds.failurePerSourceRefill, max: bounds.failuresPerSourceMax)
        let hasFailed = hasFailedLately(source, now)
        // What a flood is refused by mostly, before its tries are looked through.
        guard source.failures.left > 0, failures.has(isNewcomer: !hasFailed, at: now) else { return .refused }
        let own = places.of(key)
        var isHeard: Bool?
        func hears() -> Bool {
            if isHeard == nil { isHeard = hasSpoken() }
            return isHeard ?? false
        }
        guard var decision = decide(own, max: bounds.placesPerSourceMax, now, hears) else { return .refused }
        if case .admitted = decision {
            guard let other = decide(places, max: bounds.placesMax, now, hears) else { return .refused }
            decision = other
        }
        // One under way may fail yet: until it is over, its source is none that does not.
        guard let share = failures.take(isNewcomer: own.count == 0 && !hasFailed, at: now) else { return .refused }
        source.failures.spend()
        sources[key] = source
        if case .admittedInPlace(let old) = decision { ended(old, succeeded: false, at: now) }
        places.append(.init(id: id, key: key, since: now, share: share, hasSpoken: isHeard ?? false))
        return decision
    }

    private func decide(
        _ places: Places, max: Int, _ now: NIODeadline, _ hasSpoken: () -> Bool
    ) -> Decision? {
        places.decide(max: max, silence: bounds.silence, patience: bounds.patience, now, hasSpoken: hasSpoken)
    }

    /// It is this node's turn now.
    mutating func spoke(_ id: UInt64) { places.spoke(id) }

    /// A try is over. Only the first word on it counts, and none after its place was given away.
    ///
    /// - Returns: whether this was the first word.
    @discardableResult
    mutating func ended(_ id: UInt64, succeeded: Bool, at now: NIODeadline) -> Bool {
        guard let place = places.remove(id) else { return false }
        if succeeded {
            if let share = place.share { failures.giveBack(share) }
            sources[place.key]?.failures.giveBack(max: bounds.failuresPerSourceMax)
        } else {
            sources[place.key]?.failedAt = now
        }
        return true
    }

    private func hasFailedLately(_ source: Source, _ now: NIODeadline) -> Bool {
        source.failedAt.map { now - $0 < bounds.failureRememberedFor } ?? false
    }

    /// Nil while the table is full of those that are needed.
    private mutating func newSource(_ now: NIODeadline) -> Source? {
        if sources.count >= bounds.sourcesMax, now >= nextForgetting {
            nextForgetting = now + Self.forgettingPause
            forget(now)
        }
        guard sources.count < bounds.sourcesMax else { return nil }
        return Source(failures: TokenBucket(left: bounds.failuresPerSourceMax, since: now))
    }

    /// Going through the table is dearer than a refusal: whoever fills it shall not have it done each time.
    private static let forgettingPause = TimeAmount.seconds(1)

    private mutating func forget(_ now: NIODeadline) {
        let busy = Set(places.all.map(\.key))
        func keep(_ isNeeded: (Source) -> Bool) {
            sources = sources.filter { key, source in busy.contains(key) || isNeeded(source) }
        }
        func mayNotDoAll(_ source: Source) -> Bool {
            var failures = source.failures
            failures.earn(now, each: bounds.failurePerSourceRefill, max: bounds.failuresPerSourceMax)
            return failures.left < bounds.failuresPerSourceMax
        }
        keep { mayNotDoAll($0) || hasFailedLately($0, now) }
        if sources.count >= bounds.sourcesMax { keep(mayNotDoAll) }
    }
}
