import NIOCore

/// Who may begin a handshake: decided when a connection is accepted, before it costs more than that. A value, so that every
/// bound of it can be seen in a test without a socket.
///
/// A stranger's handshake costs this node a signature, and nobody pays for it. So strangers have a number of places and of
/// failures, in all and for each address; an address from which a certificate was proven lately, and a member's, have
/// places of their own, which no stranger can take.
struct HandshakeRegister {
    struct Bounds: Sendable {
        /// Handshakes under way at once from addresses that have proven nothing, in all and from one: a quarter of
        /// `ServerLimits.connectionsMax`, so that those who have proven something keep the rest.
        var strangersMax = 256
        var strangersPerSourceMax = 128
        /// The same from one address that has proven a certificate: a host's scripts, or a company behind one address.
        var knownPerSourceMax = 512
        /// Failures of strangers in all: so many at once, then one each so often. 100 a second are some 5 % of a slow core
        /// (half a millisecond each); at double, 10 %. Half are for addresses that have not failed lately.
        var failuresMax = 256
        var failureRefill = TimeAmount.milliseconds(10)
        /// The same from one address. One that succeeds is not counted: hosts behind one address wait for nothing.
        var failuresPerSourceMax = 128
        var failurePerSourceRefill = TimeAmount.milliseconds(50)
        /// After so long a failure is no longer held against an address. Each can take from those who never failed once
        /// in this time: some 3,000 have to keep at it to take all that they have. At half, as many fewer; at double, more
        /// than `sourcesMax` were to be remembered.
        var failureRememberedFor = TimeAmount.minutes(1)
        /// A place that was held for so long without a proof goes to the next who asks, where there is none left: one
        /// round trip, and a packet lost, on a usual line. At half, honest ones on poor lines go first; at double,
        /// those who keep silent hold theirs twice as long.
        var patience = TimeAmount.milliseconds(500)
        /// The same for one that has not sent its ClientHello, which follows the connect at once, whatever the line. At half,
        /// a busy host's clients go; at double, half as many silent ones keep everybody else of their address out.
        var silence = TimeAmount.milliseconds(20)
        /// How long an address is remembered after its last proven connection.
        var rememberedFor = TimeAmount.hours(1)
        var sourcesMax = 4_096

        init() {}
    }

    enum Decision: Hashable {
        case admitted
        /// In the place of this connection, which is to be closed.
        case admittedInPlace(of: UInt64)
        case refused
    }

    enum Outcome {
        /// A certificate of the cluster was proven.
        case proven
        /// A host that comes to enrol: the desk has bounds of its own.
        case enrolling
        case failed
    }

    private struct Attempt {
        let id: UInt64
        let key: String
        let since: NIODeadline
        /// What it is given back to when it succeeds; nil of an address that is known.
        var share: FailureShares.Share?
        /// Its ClientHello is complete.
        var hasSpoken = false
    }

    private struct Source {
        var failures: TokenBucket
        var failedAt: NIODeadline?
        /// Handshakes under way since it is known, oldest first.
        var underWay: [Attempt] = []
        /// Proven connections that are open.
        var provenOpen = 0
        var provenUntil: NIODeadline?

        func isKnown(_ now: NIODeadline) -> Bool { provenOpen > 0 || provenUntil.map { now < $0 } ?? false }
        var isIdle: Bool { provenOpen == 0 && underWay.isEmpty }
        func hasFailed(within time: TimeAmount, of now: NIODeadline) -> Bool {
            failedAt.map { now - $0 < time } ?? false
        }
    }

    private let bounds: Bounds
    private var failures: FailureShares
    private var sources: [String: Source] = [:]
    /// Handshakes under way of all that are not known, oldest first.
    private var strangers: [Attempt] = []
    private(set) var knownUnderWay = 0
    private var nextForgetting: NIODeadline

    init(bounds: Bounds, now: NIODeadline) {
        self.bounds = bounds
        failures = FailureShares(max: bounds.failuresMax, refill: bounds.failureRefill, now: now)
        nextForgetting = now
    }

    var sourceCount: Int { sources.count }
    var strangersUnderWay: Int { strangers.count }

    /// Takes a place for a connection; `ended` gives it back.
    mutating func begin(_ id: UInt64, from key: String, at now: NIODeadline) -> Decision {
        guard var source = sources[key] ?? newSource(now) else { return .refused }
        var attempt = Attempt(id: id, key: key, since: now)
        let decision: Decision
        if source.isKnown(now) {
            guard let place = place(in: source.underWay, max: bounds.knownPerSourceMax, now) else { return .refused }
            decision = place
            // Else the list would be copied to be changed.
            sources[key] = nil
            if case .admittedInPlace(let old) = place {
                source.underWay.removeAll { $0.id == old }
            } else {
                knownUnderWay += 1
            }
            source.underWay.append(attempt)
        } else {
            source.failures.earn(now, each: bounds.failurePerSourceRefill, max: bounds.failuresPerSourceMax)
            let hasFailed = source.hasFailed(within: bounds.failureRememberedFor, of: now)
            // What a flood is refused by mostly, before its connections are looked through.
            guard source.failures.left > 0, failures.has(isNewcomer: !hasFailed, at: now) else { return .refused }
            let own = strangers.filter { $0.key == key }
            guard var place = place(in: own, max: bounds.strangersPerSourceMax, now) else { return .refused }
            if case .admitted = place {
                guard let other = self.place(in: strangers, max: bounds.strangersMax, now) else { return .refused }
                place = other
            }
            // One under way may fail yet: until it is over, its address is none that does not.
            guard let share = failures.take(isNewcomer: own.isEmpty && !hasFailed, at: now) else { return .refused }
            attempt.share = share
            decision = place
            if case .admittedInPlace(let old) = place, let index = strangers.firstIndex(where: { $0.id == old }) {
                let other = strangers.remove(at: index).key
                if other == key { source.failedAt = now } else { sources[other]?.failedAt = now }
            }
            strangers.append(attempt)
            source.failures.spend()
        }
        sources[key] = source
        return decision
    }

    private func place(in attempts: [Attempt], max: Int, _ now: NIODeadline) -> Decision? {
        guard attempts.count >= max else { return .admitted }
        if let silent = attempts.first(where: { !$0.hasSpoken }), now - silent.since >= bounds.silence {
            return .admittedInPlace(of: silent.id)
        }
        guard let oldest = attempts.first, now - oldest.since >= bounds.patience else { return nil }
        return .admittedInPlace(of: oldest.id)
    }

    /// A connection's ClientHello is complete: it waits for this node now.
    mutating func spoke(_ id: UInt64, from key: String) {
        if let index = sources[key]?.underWay.firstIndex(where: { $0.id == id }) {
            sources[key]?.underWay[index].hasSpoken = true
        } else if let index = strangers.firstIndex(where: { $0.id == id }) {
            strangers[index].hasSpoken = true
        }
    }

    /// The handshake is over, one way or the other. Only the first word on it counts.
    ///
    /// - Returns: false when the place had been given away meanwhile, or was never taken.
    @discardableResult
    mutating func ended(_ id: UInt64, from key: String, _ outcome: Outcome, at now: NIODeadline) -> Bool {
        guard var source = sources.removeValue(forKey: key) else { return false }
        defer { sources[key] = source }
        if let index = source.underWay.firstIndex(where: { $0.id == id }) {
            source.underWay.remove(at: index)
            knownUnderWay -= 1
        } else if let index = strangers.firstIndex(where: { $0.id == id }) {
            let attempt = strangers.remove(at: index)
            switch outcome {
            case .failed: source.failedAt = now
            case .proven, .enrolling:
                if let share = attempt.share { failures.giveBack(share) }
                source.failures.giveBack(max: bounds.failuresPerSourceMax)
            }
        } else {
            return false
        }
        if case .proven = outcome {
            source.provenOpen += 1
            source.provenUntil = now + bounds.rememberedFor
        }
        return true
    }

    /// A connection that was proven has closed.
    mutating func closed(provenFrom key: String, at now: NIODeadline) {
        guard var source = sources[key] else { return }
        source.provenOpen -= 1
        source.provenUntil = now + bounds.rememberedFor
        sources[key] = source
    }

    /// An address that a member has, as it says itself, signed.
    mutating func welcome(_ key: String, at now: NIODeadline) {
        guard var source = sources[key] ?? newSource(now) else { return }
        source.provenUntil = now + bounds.rememberedFor
        sources[key] = source
    }

    /// Nil while the table is full of those with something open.
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

    /// First those who may do all again anyhow, then those whose failure was remembered for the sake of others; were
    /// none such, those who were known.
    private mutating func forget(_ now: NIODeadline) {
        let busy = Set(strangers.map(\.key))
        func keep(_ isNeeded: (Source) -> Bool) {
            sources = sources.filter { key, source in !source.isIdle || busy.contains(key) || isNeeded(source) }
        }
        func mayNotDoAll(_ source: Source) -> Bool {
            var failures = source.failures
            failures.earn(now, each: bounds.failurePerSourceRefill, max: bounds.failuresPerSourceMax)
            return source.isKnown(now) || failures.left < bounds.failuresPerSourceMax
        }
        keep { mayNotDoAll($0) || $0.hasFailed(within: bounds.failureRememberedFor, of: now) }
        if sources.count >= bounds.sourcesMax { keep(mayNotDoAll) }
        if sources.count >= bounds.sourcesMax { keep { !$0.isKnown(now) } }
    }
}
