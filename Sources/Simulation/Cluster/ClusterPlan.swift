import Vocabulary

/// What the runs of a cluster have in common; the rest comes from each seed.
public struct ClusterPlan: Sendable {
    /// Members at the start.
    public var nodes: ClosedRange<Int> = 3...6
    /// How long faults are made; then all must come to rest.
    public var minutes = 1...2
    /// Exactly so long instead, when it is given; a drawn schedule is cut off there, and else the same.
    public var seconds: Int64?
    /// Clients that ask one thing after the other while faults are made.
    public var clients = 3
    public var faults = FaultSchedule.classic
    public var defects: Set<Defect> = []
    /// What is on besides; of those in `drawn` each seed decides.
    public var features = Features()
    /// None of them, unless a run says so: tests and defects rely on what their plans say.
    public var drawn: Set<Feature> = []
    /// All hosts are of one size and in no zone, as they were before seeds gave them others.
    public var areAlike = false
    /// Law 5: from the last fault until every view is equal and every version is exactly where it belongs. The net
    /// under the net is a comparison of everything each 60 s, and a silent host's call takes 60 s to fail.
    public var restWithin = Duration.seconds(150)
    /// Law 6: a read is answered within this, retries included: a silent node is passed over after 15 s, and a crash is
    /// seen after some 6 s.
    ///
    /// Fifty nodes that may each talk to two others need minutes to be in step after their start, and until then a name
    /// that there is not is not denied.
    public var answerWithin: Duration { features.peersMax == nil ? .seconds(45) : .seconds(300) }

    public init() {}
}

/// A fault as it was made, with its number in the schedule.
public struct MadeFault: Hashable, Sendable {
    public let number: Int
    public let text: String
}

/// What one seed came to.
public struct ClusterOutcome: Sendable {
    public let seed: UInt64
    public let nodes: Int
    /// What was on, be it drawn or given.
    public let features: Features
    public let violations: [Violation]
    public let traceHash: UInt64
    public let steps: UInt64
    public let virtualSeconds: Double
    public let acknowledged: Int
    public let short: Int
    public let reads: Int
    /// Reads while a cut kept members apart.
    public let apartReads: Int
    /// Deletes that were forgotten.
    public let forgotten: Int
    public let faults: [String: Int]
    /// Of a schedule drawn beforehand: the faults that were made.
    public let made: [MadeFault]
    /// From the end of the faults until all was at rest.
    public let rest: Duration?
    /// The longest that a read took to be answered.
    public let slowestRead: Duration
    /// The most that any node was connected with at once, where that is bounded, and the most nodes that a read was
    /// passed on to.
    public let peersMost: Int
    public let hopsMost: Int
    /// Who did what when, the last part: by far the largest, so that whoever keeps many outcomes lets go of it.
    public var story: [String]
}
