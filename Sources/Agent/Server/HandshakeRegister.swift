import NIOCore

/// Who may begin a handshake: decided when a connection is accepted, before it costs more than that.
///
/// A stranger's handshake costs this node a signature, and nobody pays for it. So strangers have a number of places and of
/// failures (`StrangerRegister`); an address from which a certificate was proven lately, and a member's, have places of
/// their own, which no stranger can take.
struct HandshakeRegister {
    typealias Decision = StrangerRegister.Decision

    struct Bounds: Sendable {
        /// Handshakes under way at once from addresses that have proven nothing, in all and from one: a quarter of
        /// `ServerLimits.connectionsMax`, so that those who have proven something keep the rest.
        var strangersMax = 256
        var strangersPerSourceMax = 128
        /// The same from one address that has proven a certificate: a host's scripts, or a company behind one address.
        var knownPerSourceMax = 512
        /// Of those, for such as have not sent their ClientHello: a tenth of a slow core's time (3,200 a second with `silence`,
        /// 30 µs each). At double, two tenths; at half, a crowd of honest ones that is accepted before its first bytes have
        /// come, as in a flood of SYNs alone, is turned away in part.
        var knownSilentPerSourceMax = 64
        /// Failures of strangers in all: so many at once, then one each so often. 100 a second are some 5 % of a slow core
        /// (half a millisecond each); at double, 10 %.
        var failuresMax = 256
        var failureRefill = TimeAmount.milliseconds(10)
        /// The same from one address. One that succeeds is not counted: hosts behind one address wait for nothing.
        var failuresPerSourceMax = 128
        var failurePerSourceRefill = TimeAmount.milliseconds(50)
        /// Each address can take from those who never failed once in this time: some 3,000 have to keep at it to take all
        /// that they have. At half, as many fewer; at double, more than `sourcesMax` were to be remembered.
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
        /// Addresses remembered, of strangers and again of others.
        var sourcesMax = 4_096

        init() {}

        var ofStrangers: StrangerRegister.Bounds {
            .init(
                placesMax: strangersMax, placesPerSourceMax: strangersPerSourceMax, failuresMax: failuresMax,
                failureRefill: failureRefill, failuresPerSourceMax: failuresPerSourceMax,
                failurePerSourceRefill: failurePerSourceRefill, failureRememberedFor: failureRememberedFor,
                silence: silence, patience: patience, sourcesMax: sourcesMax)
        }
    }

    enum Outcome {
        /// A certificate of the cluster was proven.
        case proven
        /// A host that comes to enrol: the desk has bounds of its own.
        case enrolling
        case failed
    }

    /// An address that has proven something.
    private struct Known {
        /// Handshakes under way since it is known.
        var places = StrangerRegister.Places()
        /// Proven connections that are open.
        var provenOpen = 0
        var provenUntil: NIODeadline

        func isKnown(_ now: NIODeadline) -> Bool { provenOpen > 0 || now < provenUntil }
        var isIdle: Bool { provenOpen == 0 && places.count == 0 }
    }

    private let bounds: Bounds
    private var strangers: StrangerRegister
    private var known: [String: Known] = [:]
    private(set) var knownUnderWay = 0

    init(bounds: Bounds, now: NIODeadline) {
        self.bounds = bounds
        strangers = StrangerRegister(bounds: bounds.ofStrangers, now: now)
    }

    var sourceCount: Int { strangers.sourceCount + known.count }
    var strangersUnderWay: Int { strangers.underWay }

    /// Takes a place for a connection; `ended` gives it back.
    ///
    /// - Parameter hasSpoken: whether its ClientHello is there already; asked only where places are few.
    mutating func begin(
        _ id: UInt64, from key: String, at now: NIODeadline, hasSpoken: () -> Bool = { false }
    ) -> Decision {
        // Out of the table: else its list would be copied to be changed.
        guard var source = known.removeValue(forKey: key) else {
            return strangers.begin(id, from: key, at: now, hasSpoken: hasSpoken)
        }
        guard source.isKnown(now) else {
            if !source.isIdle { known[key] = source }
            return strangers.begin(id, from: key, at: now, hasSpoken: hasSpoken)
        }
        defer { known[key] = source }
        var isHeard = false
        let decision = source.places.decide(
            max: bounds.knownPerSourceMax, silentMax: bounds.knownSilentPerSourceMax, silence: bounds.silence,
            patience: bounds.patience, now
        ) {
            isHeard = hasSpoken()
            return isHeard
        }
        guard let decision else { return .refused }
        if case .admittedInPlace(let old) = decision {
            _ = source.places.remove(old)
        } else {
            knownUnderWay += 1
        }
        source.places.append(.init(id: id, key: key, since: now, hasSpoken: isHeard))
        return decision
    }

    /// A connection's ClientHello is complete: it waits for this node now.
    mutating func spoke(_ id: UInt64, from key: String) {
        if known[key]?.places.spoke(id) != true { strangers.spoke(id) }
    }

    /// The handshake is over, one way or the other. Only the first word on it counts.
    ///
    /// - Returns: false when the place had been given away meanwhile, or was never taken.
    @discardableResult
    mutating func ended(_ id: UInt64, from key: String, _ outcome: Outcome, at now: NIODeadline) -> Bool {
        let isProven = outcome == .proven
        if known[key]?.places.remove(id) != nil {
            knownUnderWay -= 1
        } else if !strangers.ended(id, succeeded: outcome != .failed, at: now) {
            return false
        }
        if isProven, makesRoom(for: key, now) {
            known[key, default: Known(provenUntil: now)].provenOpen += 1
            known[key]?.provenUntil = now + bounds.rememberedFor
        }
        return true
    }

    /// A connection that was proven has closed.
    mutating func closed(provenFrom key: String, at now: NIODeadline) {
        guard var source = known[key], source.provenOpen > 0 else { return }
        source.provenOpen -= 1
        source.provenUntil = now + bounds.rememberedFor
        known[key] = source
    }

    /// An address that a member has, as it says itself, signed.
    mutating func welcome(_ key: String, at now: NIODeadline) {
        guard makesRoom(for: key, now) else { return }
        known[key, default: Known(provenUntil: now)].provenUntil = now + bounds.rememberedFor
    }

    /// Whether there is room for an address among those that are known. Where there is none those are forgotten whose hour is
    /// over; were none such, all with nothing open: it takes thousands of addresses, each with a certificate.
    private mutating func makesRoom(for key: String, _ now: NIODeadline) -> Bool {
        guard known[key] == nil, known.count >= bounds.sourcesMax else { return true }
        known = known.filter { !$1.isIdle || $1.isKnown(now) }
        if known.count >= bounds.sourcesMax { known = known.filter { !$1.isIdle } }
        return known.count < bounds.sourcesMax
    }
}
