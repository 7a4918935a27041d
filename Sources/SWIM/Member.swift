import Vocabulary

/// One member as this node sees it: what was last claimed of it, and what was measured here.
public struct Member: Sendable, Hashable {
    public let claim: Claim
    /// When this node learned of the present status.
    public let since: Instant
    /// Smoothed round trip of direct probes from here; `nil` until one was answered.
    public let rtt: Duration?
    /// When this node last had a datagram or an exchange from the member itself.
    public let lastHeard: Instant?
    /// Those who accused it of its present incarnation, the first one first; empty unless it is suspect.
    public let accusers: [NodeName]

    public var name: NodeName { claim.name }
    public var endpoint: Endpoint { claim.endpoint }
    public var epoch: UInt64 { claim.epoch }
    public var incarnation: Incarnation { claim.incarnation }
    public var status: Status { claim.status }
    public var intent: Intent { claim.intent }
    public var metadata: Metadata { claim.metadata }
    public var accuser: NodeName? { claim.accuser }
}
