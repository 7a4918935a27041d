/// How much of its life a certificate has before it, and when somebody must be told. Times are Unix seconds.
public struct CertificateLife: Hashable, Sendable {
    public let notBefore: Int64
    /// The last second of validity.
    public let notAfter: Int64

    /// From this share of its life on it ends soon: three weeks of a certificate for three months, which is time enough
    /// for somebody who comes back from a holiday, and no warning that everybody has got used to.
    static let share: Int64 = 4
    /// Between two words about it: a day, and when less than four days are left a quarter of what is left.
    static let saidEverySecondsMax: Int64 = 86_400
    static let saidEverySecondsMin: Int64 = 60
    /// After its end nothing works any more, and others say so, too.
    static let saidEverySecondsOver: Int64 = 3_600

    public enum State: String, Hashable, Sendable {
        case fine, soon, over
    }

    public init(notBefore: Int64, notAfter: Int64) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    /// From then on it ends soon.
    public var soonFrom: Int64 {
        let (life, overflow) = notAfter.subtractingReportingOverflow(notBefore)
        guard !overflow, life > 0 else { return notAfter }
        return notAfter - life / Self.share
    }

    /// From then on it is renewed: at two thirds of its life, and by a share of a 24th later that differs from one
    /// certificate to the next. So those that were made together do not come together, and at a year there are still
    /// four months for whatever stands in the way.
    ///
    /// - Parameter jitter: any number of the certificate's own, such as the first word of its fingerprint.
    public func renewFrom(jitter: UInt32) -> Int64 {
        let (life, overflow) = notAfter.subtractingReportingOverflow(notBefore)
        guard !overflow, life > 0 else { return notAfter }
        let spread = Double(life / 24) * (Double(jitter) / Double(UInt32.max))
        return notBefore + life / 3 * 2 + Int64(spread)
    }

    public func state(at now: Int64) -> State { now >= notAfter ? .over : now >= soonFrom ? .soon : .fine }

    /// Seconds until its end; negative after it.
    public func secondsLeft(at now: Int64) -> Int64 {
        let (left, overflow) = notAfter.subtractingReportingOverflow(now)
        return overflow ? (notAfter > now ? .max : .min) : left
    }

    /// Whether it is time for a word in the log.
    ///
    /// - Parameter said: when the last one was; `nil` before the first.
    public func isToBeSaid(at now: Int64, last said: Int64?) -> Bool {
        let state = state(at: now)
        guard state != .fine else { return false }
        guard let said else { return true }
        let pause =
            state == .over
            ? Self.saidEverySecondsOver
            : min(Self.saidEverySecondsMax, max(Self.saidEverySecondsMin, secondsLeft(at: now) / 4))
        // A clock that was set back must not silence it.
        return now < said || now - said >= pause
    }
}

extension Credentials {
    public var life: CertificateLife { CertificateLife(notBefore: notBefore, notAfter: notAfter) }
}
