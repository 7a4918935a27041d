import Vocabulary

/// The way from one host to another, in one direction.
public struct Link: Hashable, Sendable {
    /// One way.
    public var delay: Duration
    /// Up to this much more, evenly spread; two datagrams closer than it may overtake each other.
    public var jitter: Duration
    public var loss: Chance
    public var duplication: Chance
    /// A datagram to which this happens takes `detour` longer, so that later ones overtake it.
    public var reordering: Chance
    public var detour: Duration
    /// What a long answer takes besides the delay.
    public var bytesPerSecond: Int

    public init(
        delay: Duration = .microseconds(100), jitter: Duration = .microseconds(200), loss: Chance = .never,
        duplication: Chance = .never, reordering: Chance = .never, detour: Duration = .milliseconds(20),
        bytesPerSecond: Int = 100_000_000
    ) {
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.duplication = duplication
        self.reordering = reordering
        self.detour = detour
        self.bytesPerSecond = max(1, bytesPerSecond)
    }

    /// Machines in one room: 0.2 ms there and back, and some jitter.
    public static let lan = Link()

    /// Two sites; the round trip is twice the delay.
    public static func wan(delay: Duration, loss: Chance = .never) -> Link {
        Link(delay: delay, jitter: delay / 20, loss: loss, bytesPerSecond: 12_500_000)
    }

    /// What a datagram is sent over, and what a call is.
    public struct Carriers: OptionSet, Hashable, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// UDP. Cut alone, it is a firewall that lets only TLS through.
        public static let datagrams = Carriers(rawValue: 1)
        /// TLS over TCP.
        public static let calls = Carriers(rawValue: 2)
        public static let all: Carriers = [.datagrams, .calls]
    }
}

/// Two numbers, ordered: from and to.
struct Pair: Hashable, Sendable {
    let from: Int
    let to: Int
}
