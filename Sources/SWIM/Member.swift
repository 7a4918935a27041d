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
    /// By which way it answers this node.
    public let reach: Reach

    public enum Reach: String, Sendable, Hashable, Codable, CaseIterable {
        /// Datagrams pass between the two.
        case direct
        /// Others reach it, and vouch for it; its datagrams do not come here.
        case relayed
        /// It answers over TLS only: UDP is blocked on the way, or at its own door.
        case tls
    }

    public var name: NodeName { claim.name }
    public var endpoint: Endpoint { claim.endpoint }
    public var epoch: UInt64 { claim.epoch }
    public var incarnation: Incarnation { claim.incarnation }
    public var status: Status { claim.status }
    public var intent: Intent { claim.intent }
    public var metadata: Metadata { claim.metadata }
    public var accuser: NodeName? { claim.accuser }
    /// Those who accuse it of its present incarnation, the first one first; empty when nobody does.
    public var accusers: [NodeName] { claim.accusers }
}
