import Vocabulary

/// Where the members are: all in one room, or at several sites far from each other.
public struct Topology: Hashable, Sendable {
    public var sites: Int
    /// Between two members of one site.
    public var inside: Link
    /// Round trips between two sites: each pair of sites has one of its own, drawn evenly from here.
    public var between: ClosedRange<Duration>

    /// - Parameter between: of no consequence for a single site.
    public init(
        sites: Int = 1, inside: Link = .lan, between: ClosedRange<Duration> = .milliseconds(100)...(.milliseconds(150))
    ) {
        self.sites = max(1, sites)
        self.inside = inside
        self.between = between
    }

    /// Members are dealt out to the sites one after the other.
    func site(of number: Int) -> Int { number % sites }

    func shape(_ network: inout SimulatedNetwork, using rng: inout some RandomNumberGenerator) {
        network.standard = inside
        guard sites > 1 else { return }
        let shortest = max(0, between.lowerBound.saturatingNanoseconds)
        let longest = max(shortest, between.upperBound.saturatingNanoseconds)
        for a in 0..<sites {
            for b in 0..<a {
                let roundTrip = Int64.random(in: shortest...longest, using: &rng)
                var link = Link.wan(delay: .nanoseconds(roundTrip / 2), loss: inside.loss)
                link.duplication = inside.duplication
                link.reordering = inside.reordering
                network.setLink(link, betweenSite: a, andSite: b)
            }
        }
    }
}
