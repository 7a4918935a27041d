import NIOCore

/// Every bound of the API server (law 9), in one place. A test may make them smaller.
public struct ServerLimits: Sendable {
    /// Connections over TLS in all. Twice as many cost twice the memory (some 40 KiB each with OpenSSL's state); half
    /// would be too few for a cluster of 400 whose members all exchange at once.
    public var connectionsMax = 1_000
    /// Connections on the unix socket, and again on the loopback HTTP port: never taken from those over TLS, so that
    /// an operator on the host always gets in.
    public var localConnectionsMax = 100
    /// From this share of `connectionsMax` on, a new connection closes the one that has been idle longest.
    public var crowdedShare = 0.9
    /// A connection between two requests, or one whose request body stopped coming, ends after this.
    public var idleTimeout: TimeAmount = .seconds(60)
    /// The same for a node of the cluster. It closes what it does not use itself, one connection at a time; closing from
    /// here, all at once, would be noise on a quiet line. Half: the server closes first when a node has many peers.
    public var nodeIdleTimeout: TimeAmount = .minutes(20)
    /// From the first byte of a request's head to its last: a head sent byte by byte (slow loris) ends here.
    public var headTimeout: TimeAmount = .seconds(10)
    /// A reader that takes nothing of its answer for this long, or less than `answerBytesPerSecondMin` all the while, is
    /// cut off, a quarter of it later at most.
    public var writeStallTimeout: TimeAmount = .seconds(60)
    /// 1 KiB/s, a quarter of what an upload has to bring: a poor link that carries other things as well still has it. At
    /// double, it fails in a bad minute; at half, an answer that crawls holds its place twice as long.
    public var answerBytesPerSecondMin = 1_024
    /// The TLS handshake, from accept to the verified certificate.
    public var handshakeTimeout: TimeAmount = .seconds(10)
    /// A host without a certificate has so long from its handshake until its request is whole, which follows at once. At
    /// half, a line that lost some packets in a row fails; at double, a silent one holds its place twice as long, where
    /// nobody else asks for it.
    public var enrolmentRequestTimeout: TimeAmount = .seconds(5)
    /// And from there to the end of its answer: the CA's log may be waited for.
    public var enrolmentTimeout: TimeAmount = .seconds(20)
    /// All header fields of one request.
    public var headerBytesMax = 16 * 1024
    public var headerFieldsMax = 100
    /// After a refusal the rest of a request's body is read and dropped up to this, so that the client sees the answer
    /// and not a reset; then the connection closes.
    public var lingerBytesMax = 8 * 1024 * 1024
    public var lingerTimeout: TimeAmount = .seconds(2)
    /// At a stop, requests under way have this long to end.
    public var stopGrace: Duration = .seconds(5)
    /// Connections that the kernel may queue for us, where its own bound (`net.core.somaxconn`) allows it: a flood of them
    /// must not have the kernel drop a member's, which then would try again after a second.
    public var backlog: Int32 = 4_096
    /// Connections accepted between two looks at what else is due on the loop. Half a millisecond, when all are turned away;
    /// at half, a flood of them is looked through slower by a tenth; at double, what is open waits twice as long.
    var acceptsAtOnce: UInt = 32
    /// So long the kernel keeps a connection on which nothing was said to itself; then it is accepted as any other. A client
    /// whose first bytes are lost sends them again within that time. At half, it is nothing (the kernel counts in seconds);
    /// at double, a silent connection has its end later by as much.
    var silentSeconds: CInt = 1
    /// Handshakes under way and failed, in all and for each address.
    var handshakes = HandshakeRegister.Bounds()
    /// Connections of one certificate's name: half of all, so that no holder keeps the others out. The one of its own that
    /// has been idle longest gives way; with all of them busy, the new one is refused.
    public var connectionsPerIdentityMax = 500
    /// Requests of one certificate's name under way at once: the next is answered 503. A command line with 256 parallel
    /// transfers gets all of them through; the store's own bounds come earlier for uploads.
    public var requestsPerIdentityMax = 256

    public init() {}
}
