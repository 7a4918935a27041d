import NIOCore

/// What strangers may fail in all, in two halves: one for addresses that have not failed lately, and one for everybody.
///
/// Were it one, a handful of addresses that fail as often as each of them may would keep out all that never failed. Such
/// an address can take of the first half once, and not again before its last failure is long ago.
struct FailureShares {
    enum Share {
        case newcomers
        case everybody
    }

    private var newcomers: TokenBucket
    private var everybody: TokenBucket
    /// Of each half.
    private let max: Int
    private let refill: TimeAmount

    /// - Parameters:
    ///   - max: failures at once, of both halves together; at least one in each.
    ///   - refill: after that, one each so often, of both together.
    init(max: Int, refill: TimeAmount, now: NIODeadline) {
        self.max = (max + 1) / 2
        self.refill = refill * 2
        newcomers = TokenBucket(left: self.max, since: now)
        everybody = newcomers
    }

    /// Whether there is anything left to take.
    mutating func has(isNewcomer: Bool, at now: NIODeadline) -> Bool {
        newcomers.earn(now, each: refill, max: max)
        everybody.earn(now, each: refill, max: max)
        return everybody.left > 0 || isNewcomer && newcomers.left > 0
    }

    /// - Returns: what it was taken of, nil where nothing is left.
    mutating func take(isNewcomer: Bool, at now: NIODeadline) -> Share? {
        guard has(isNewcomer: isNewcomer, at: now) else { return nil }
        if isNewcomer, newcomers.left > 0 {
            newcomers.spend()
            return .newcomers
        }
        everybody.spend()
        return .everybody
    }

    mutating func giveBack(_ share: Share) {
        switch share {
        case .newcomers: newcomers.giveBack(max: max)
        case .everybody: everybody.giveBack(max: max)
        }
    }
}
