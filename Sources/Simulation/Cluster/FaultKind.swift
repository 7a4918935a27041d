import Vocabulary

/// What can befall a simulated cluster, by the names that `roost-sim run --faults` knows.
public enum FaultKind: String, Hashable, Sendable, CaseIterable {
    // To a process or its host, until it is back.
    case kill
    /// With the loss of any part of what was not synced.
    case powerCut = "power-cut"
    /// With bytes under a name that are fewer than they should be, on a disk that had said that it has them all.
    case tornFile = "torn-file"
    /// The host comes back without its data.
    case emptyDisk = "empty-disk"
    /// The host comes back with what its disk held up to a minute ago.
    case oldDisk = "old-disk"
    /// Killed, and started at once.
    case flap
    /// An announced restart: the process says so, ends, and comes back.
    case restart
    /// SIGSTOP for up to a minute.
    case pause
    case leave
    case join
    // To clocks.
    /// The wall clock jumps by up to an hour, either way.
    case clockJump = "clock-jump"
    /// Monotonic clocks that run up to 2 % too fast or too slow, from the start on.
    case drift
    // To the network, for seconds or for minutes.
    /// Two sides that do not reach each other.
    case partition
    /// One side does not reach the other, which reaches it.
    case oneWay = "one-way"
    /// Two members that do not reach each other while all others reach both; at times by datagrams or by calls only.
    case pairCut = "pair-cut"
    /// Up to half of all datagrams, everywhere or at one member.
    case loss
    /// Half a second more on every way.
    case delay
    /// Up to half of all datagrams come twice or late.
    case disorder
    // To disks, for a while.
    /// A sync takes up to three seconds.
    case slowDisk = "slow-disk"
    /// Nothing more can be written.
    case fullDisk = "full-disk"
    /// The bytes of one file change, unnoticed.
    case rot

    /// The oldest schedule's, in the order in which it draws from them.
    static let classic: [FaultKind] = [.kill, .powerCut, .emptyDisk, .flap, .pause, .leave, .join]

    /// Takes a member away, for a time or for good.
    var fellsMember: Bool {
        switch self {
        case .kill, .powerCut, .tornFile, .emptyDisk, .oldDisk, .flap, .restart, .pause, .leave: true
        case .join, .clockJump, .drift, .partition, .oneWay, .pairCut, .loss, .delay, .disorder, .slowDisk,
            .fullDisk, .rot:
            false
        }
    }

    /// Destroys copies, or moves them by what a node knows of the others. No law promises anything of that while a cut
    /// keeps the others' knowledge away: a member that sees itself alone has nobody to hand over to.
    var needsWholeNetwork: Bool {
        switch self {
        case .tornFile, .emptyDisk, .oldDisk, .leave, .join, .rot: true
        case .kill, .powerCut, .flap, .restart, .pause, .clockJump, .drift, .partition, .oneWay, .pairCut, .loss,
            .delay,
            .disorder, .slowDisk, .fullDisk:
            false
        }
    }

    /// Whoever it befalls is back, and is heard of, before its place is given away, and nobody has to stand in for it:
    /// so nothing moves (law 7).
    ///
    /// A cut that parts members may last for longer; who leaves or comes changes the owners; what a full disk has no
    /// room for others fetch in its place.
    public var keepsPlaces: Bool {
        switch self {
        case .kill, .powerCut, .tornFile, .emptyDisk, .oldDisk, .flap, .restart, .pause, .clockJump, .drift, .pairCut,
            .loss, .delay, .disorder, .slowDisk, .rot:
            true
        case .leave, .join, .partition, .oneWay, .fullDisk: false
        }
    }

    /// Leaves bytes under a name that are not those it stands for, which whoever reads them finds.
    var spoilsBytes: Bool { Self.spoiling.contains(self) }

    /// Those of which there is one now and then, however many other kinds there are.
    static let spoiling: [FaultKind] = [.rot, .tornFile]
}

/// Which faults a run makes.
public enum FaultSchedule: Hashable, Sendable {
    /// One after the other as they come to mind: the kind, the host and all that follows are drawn as the run goes, in
    /// one row with what the clients do. The oldest seeds are of this one.
    case classic
    /// Drawn from the seed before the run begins, and numbered. Of the numbers only those of `only` are made, when that
    /// is given: so a schedule can be shortened, and what the clients draw stays as it was.
    case drawn([FaultKind], only: Set<Int>? = nil)
}

/// One fault of a schedule that is drawn beforehand.
struct ScheduledFault: Sendable {
    /// From 1 on.
    let number: Int
    /// Since the faults began.
    let after: Duration
    let kind: FaultKind
    /// The first host that it is tried at; where it can not be made now, the next one has it.
    let host: Int
    /// For all else: how long, how much, which others.
    let dice: SeededGenerator

    static func draw(_ kinds: [FaultKind], seed: UInt64, hosts: Int, within time: Duration) -> [ScheduledFault] {
        var random = SeededGenerator(seed: seed ^ 0x726f_6f73_742d_666c)  // "roost-fl"
        let spoiling = FaultKind.spoiling.filter(kinds.contains)
        let kinds = FaultKind.allCases.filter { kinds.contains($0) && $0 != .drift && !$0.spoilsBytes }
        var faults: [ScheduledFault] = []
        var after = Duration.seconds(2)
        while after < time, let kind = kinds.randomElement(using: &random) {
            faults.append(
                ScheduledFault(
                    number: faults.count + 1, after: after, kind: kind, host: Int.random(in: 0..<hosts, using: &random),
                    dice: SeededGenerator(seed: random.next())))
            after += .milliseconds(Int64.random(in: 500...14_000, using: &random))
        }
        for kind in spoiling {
            faults += draw(kind, seed: seed, hosts: hosts, within: time, from: faults.count + 1)
        }
        return faults.sorted { ($0.after, $0.number) < ($1.after, $1.number) }
    }

    /// In a row of their own, so that the other faults of a seed are the same with them and without.
    private static func draw(_ kind: FaultKind, seed: UInt64, hosts: Int, within time: Duration, from number: Int)
        -> [ScheduledFault]
    {
        // "roost-ro", "roost-to"
        var random = SeededGenerator(seed: seed ^ (kind == .rot ? 0x726f_6f73_742d_726f : 0x726f_6f73_742d_746f))
        var faults: [ScheduledFault] = []
        var after = Duration.milliseconds(Int64.random(in: 2_000...30_000, using: &random))
        while after < time {
            faults.append(
                ScheduledFault(
                    number: number + faults.count, after: after, kind: kind,
                    host: Int.random(in: 0..<hosts, using: &random), dice: SeededGenerator(seed: random.next())))
            after += .milliseconds(Int64.random(in: 5_000...60_000, using: &random))
        }
        return faults
    }
}
