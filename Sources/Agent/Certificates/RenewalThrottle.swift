import NIOCore
import Vocabulary

/// How often one name may get a new certificate: each leaves a line in the CA's log for ever.
struct RenewalThrottle {
    /// A change of the CA takes three of each, and some are tried twice.
    static let burst = 12
    static let refill = TimeAmount.minutes(10)
    /// Only names that the CA itself has given out get here.
    static let namesMax = 20_000

    private var names: [CertificateName: TokenBucket] = [:]

    mutating func admit(_ name: CertificateName, at now: NIODeadline) -> Bool {
        if names[name] == nil, names.count >= Self.namesMax {
            names = names.filter { _, bucket in
                var bucket = bucket
                bucket.earn(now, each: Self.refill, max: Self.burst)
                return bucket.left < Self.burst
            }
            guard names.count < Self.namesMax else { return false }
        }
        var bucket = names[name] ?? TokenBucket(left: Self.burst, since: now)
        bucket.earn(now, each: Self.refill, max: Self.burst)
        let isAdmitted = bucket.left > 0
        if isAdmitted { bucket.spend() }
        names[name] = bucket
        return isAdmitted
    }
}
