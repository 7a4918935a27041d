import NIOConcurrencyHelpers

/// Datagrams sent, received and dropped, the latter by reason.
public final class GossipCounters: Sendable {
    public struct Values: Sendable, Hashable {
        public var sent: UInt64 = 0
        public var sentBytes: UInt64 = 0
        public var received: UInt64 = 0
        public var receivedBytes: UInt64 = 0
        /// What arrived and was refused, by the names of Gossip's own reasons.
        public var rejected: [String: UInt64] = [:]
        /// What was to be sent and was not.
        public var unsent: [String: UInt64] = [:]
        /// Errors of the socket, such as ICMP's "port unreachable".
        public var socketErrors: UInt64 = 0
        /// How often the socket was lost to an error and bound anew.
        public var rebinds: UInt64 = 0
        /// How often a flood of foreign datagrams made the kernel keep them away for a while.
        public var filtered: UInt64 = 0
    }

    enum Unsent: String, CaseIterable {
        /// The host's name has no address.
        case unresolved
        /// The keyring is empty, or OpenSSL failed.
        case unsealed
        case tooLarge = "too_large"
        /// The socket's buffer is full: SWIM's own repetition makes up for it.
        case congested
        /// The kernel has no way there, or may not take it: the address is at fault, or a route, or a firewall.
        case refused
        /// The socket is lost and not yet bound anew.
        case closed
    }

    private let box = NIOLockedValueBox(Values())

    var values: Values { box.withLockedValue { $0 } }
    func update(_ body: (inout Values) -> Void) { box.withLockedValue(body) }
    func count(_ reason: Unsent) { update { $0.unsent[reason.rawValue, default: 0] += 1 } }
}
