import Vocabulary

/// What an experiment on the membership measures. The raw strings are the keys of the JSON; their ends are the units.
public enum Measure: String, Sendable, Hashable, CaseIterable {
    case firstSuspicion = "first_suspicion_s"
    case firstVerdict = "first_verdict_s"
    case knownByFirst = "known_by_first_s"
    case knownByAll = "known_by_all_s"
    case firstReturn = "first_return_s"
    case whole = "whole_s"
    case viewsFull = "views_full_s"
    case verdictsPerFaulty = "verdicts_per_faulty"
    case verdictsOfWorst = "verdicts_of_worst"
    case returnsPerFaulty = "returns_per_faulty"
    /// Crash verdicts about members that lived and could be reached, one for each member that believed it.
    case falseCrashes = "false_crashes"
    /// Of those, the ones that a member believed which itself was well.
    case falseCrashesAtHealthy = "false_crashes_at_healthy"
    case falseSuspicions = "false_suspicions"
    /// Verdicts, at healthy members, about members that were ill: not false, and not wanted either.
    case crashesOfFaulty = "crashes_of_faulty"
    /// Verdicts about a life that was over.
    case crashesOfDown = "crashes_of_down"
    case refutations = "refutations"
    /// Datagrams with all headers, sent by one member in one second.
    case bytes = "datagram_bytes_per_second"
    case bytesDeviation = "datagram_bytes_per_second_deviation"
    case bytesOfBusiest = "datagram_bytes_per_second_max"
    /// The same for exchanges over TLS.
    case exchangeBytes = "exchange_bytes_per_second"

    public var title: String {
        switch self {
        case .firstSuspicion: "first suspicion, s"
        case .firstVerdict: "first verdict, s"
        case .knownByFirst: "known by the first, s"
        case .knownByAll: "known by all, s"
        case .firstReturn: "first return, s"
        case .whole: "every view whole, s"
        case .viewsFull: "every view full, s"
        case .verdictsPerFaulty: "verdicts a faulty member, at the median observer"
        case .verdictsOfWorst: "verdicts of the worst one, at the median observer"
        case .returnsPerFaulty: "returns a faulty member, at the median observer"
        case .falseCrashes: "false crash verdicts a run, at any member"
        case .falseCrashesAtHealthy: "false crash verdicts a run, at healthy members"
        case .falseSuspicions: "false suspicions a run, at any member"
        case .crashesOfFaulty: "verdicts about faulty members a run, at healthy members"
        case .crashesOfDown: "verdicts about those that were down a run, at any member"
        case .refutations: "refutations a run"
        case .bytes: "datagrams, B/s a member"
        case .bytesDeviation: "datagrams, B/s, deviation among members"
        case .bytesOfBusiest: "datagrams, B/s of the busiest member"
        case .exchangeBytes: "exchanges, B/s a member"
        }
    }

    /// Digits after the point, for people.
    public var digits: Int {
        switch self {
        case .firstSuspicion, .firstVerdict, .knownByFirst, .knownByAll, .firstReturn, .whole, .viewsFull: 2
        case .verdictsPerFaulty, .verdictsOfWorst, .returnsPerFaulty: 1
        case .falseCrashes, .falseCrashesAtHealthy, .falseSuspicions, .crashesOfFaulty, .crashesOfDown, .refutations: 0
        case .bytes, .bytesDeviation, .bytesOfBusiest, .exchangeBytes: 1
        }
    }
}

/// What one run of an experiment on the membership showed.
public struct SwimRun: Sendable, Hashable {
    public struct Figure: Sendable, Hashable {
        public let measure: Measure
        /// `nil`: what was waited for never came.
        public let value: Double?
    }

    /// One moment of a run that is worth a curve: what those who were looked at had then.
    public struct Point: Sendable, Hashable {
        public let time: Duration
        public let lowest: Double
        public let median: Double
        public let highest: Double

        init(_ time: Duration, of values: [Double]) {
            let sorted = values.sorted()
            self.time = time
            lowest = sorted.first ?? 0
            median = sorted.lowerMedian
            highest = sorted.last ?? 0
        }
    }

    public let seed: UInt64
    /// In the order in which they are told.
    public private(set) var figures: [Figure] = []
    /// Single observations behind the figures, for a distribution: seconds, or bytes a second.
    public var samples: [Double] = []
    public var curve: [Point] = []
    public var steps: UInt64 = 0
    public var traceHash: UInt64 = 0

    init(seed: UInt64) { self.seed = seed }

    mutating func note(_ measure: Measure, _ value: Double?) {
        figures.append(Figure(measure: measure, value: value))
    }
    mutating func note(_ measure: Measure, _ time: Duration?) { note(measure, time?.seconds) }
    mutating func note(_ measure: Measure, _ count: Int) { note(measure, Double(count)) }

    /// `nil` when it was not measured, and when it never came.
    public subscript(_ measure: Measure) -> Double? { figures.first { $0.measure == measure }?.value }
}

extension [Double] {
    /// The lower median of sorted values; 0 of none.
    var lowerMedian: Double { isEmpty ? 0 : self[(count - 1) / 2] }
}
