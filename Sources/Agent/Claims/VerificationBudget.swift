import Vocabulary

/// How many signatures are verified: one costs some fifty times the rest of a claim, and who has the cluster's key could
/// send nothing else.
///
/// - By datagram 2,000 a second in all, 10 % of a core; a cluster that changes faster hears the rest by exchanges.
/// - Of those that turn out wrong, 8 a second of each teller. On a datagram a member can forge the teller's name: then
///   what the named one brings is not looked at for a while, and comes with its exchanges, and with others' datagrams.
/// - By exchange the teller is proven: it can use up nothing but its own.
struct VerificationBudget {
    struct Teller: Hashable {
        let name: NodeName
        /// By its certificate, on the connection of an exchange.
        let isProven: Bool
    }

    private struct Bucket {
        var left: Double
        var at: Instant

        mutating func refill(to now: Instant, perSecond: Double, most: Double) {
            left = min(most, left + max(0, (now - at).seconds) * perSecond)
            at = now
        }
    }

    static let wrongMax = 32.0
    static let wrongPerSecond = 8.0
    static let datagramsMax = 4_000.0
    static let datagramsPerSecond = 2_000.0
    /// Past it the names are forgotten; the bound in all goes on.
    static let tellersMax = 1_024

    private var datagrams: Bucket
    private var wrong: [Teller: Bucket] = [:]

    init(at now: Instant) { datagrams = Bucket(left: Self.datagramsMax, at: now) }

    /// Takes one verification, if there is one left.
    mutating func take(_ teller: Teller, at now: Instant) -> Bool {
        if var bucket = wrong[teller] {
            bucket.refill(to: now, perSecond: Self.wrongPerSecond, most: Self.wrongMax)
            wrong[teller] = bucket
            guard bucket.left >= 1 else { return false }
        }
        guard !teller.isProven else { return true }
        datagrams.refill(to: now, perSecond: Self.datagramsPerSecond, most: Self.datagramsMax)
        guard datagrams.left >= 1 else { return false }
        datagrams.left -= 1
        return true
    }

    mutating func wasWrong(_ teller: Teller, at now: Instant) {
        if wrong[teller] == nil, wrong.count >= Self.tellersMax { wrong = [:] }
        var bucket = wrong[teller] ?? Bucket(left: Self.wrongMax, at: now)
        bucket.left -= 1
        wrong[teller] = bucket
    }
}
