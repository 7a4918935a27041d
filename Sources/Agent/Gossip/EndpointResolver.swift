import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Vocabulary

/// From endpoints to socket addresses. Numeric ones cost a look into a cache; DNS names are resolved on a thread of
/// their own, since `getaddrinfo` blocks for seconds, and again after a minute, since hosts move.
///
/// The last address known serves until a new one is found: a name server that is away for a while must not make every
/// member crash for every other.
final class EndpointResolver: Sendable {
    /// What the system's resolver says; blocks.
    typealias Lookup = @Sendable (Endpoint) -> SocketAddress?

    private struct Entry {
        let address: SocketAddress
        /// When to ask again. Nil for a numeric address, which stays.
        var expires: NIODeadline?
    }

    private struct State {
        var entries: [Endpoint: Entry] = [:]
        var underWay: [Endpoint: [@Sendable (SocketAddress?) -> Void]] = [:]
    }

    /// More endpoints than a cluster has members; when it is full, it starts afresh.
    static let entriesMax = 20_000
    /// Names resolved at once: a slow name server must not gather threads or packets.
    static let lookupsMax = 16
    /// Packets that wait for one name.
    static let waitersMax = 8
    static let lifetime: TimeAmount = .seconds(60)
    /// After a failure to find a name's address again.
    static let retryPause: TimeAmount = .seconds(5)

    private let family: NIOBSDSocket.ProtocolFamily
    private let lifetime: TimeAmount
    private let lookup: Lookup
    private let state = NIOLockedValueBox(State())

    init(
        family: NIOBSDSocket.ProtocolFamily, lifetime: TimeAmount = EndpointResolver.lifetime,
        lookup: @escaping Lookup = { try? SocketAddress.makeAddressResolvingHost($0.host, port: Int($0.port)) }
    ) {
        self.family = family
        self.lifetime = lifetime
        self.lookup = lookup
    }

    /// What is known without waiting. What is old is given all the same, and looked for again meanwhile.
    func cached(_ endpoint: Endpoint) -> SocketAddress? {
        let (address, isOld): (SocketAddress?, Bool) = state.withLockedValue { state in
            if let entry = state.entries[endpoint] {
                let isOld = entry.expires.map { $0 <= .now() } ?? false
                return (entry.address, isOld && state.underWay[endpoint] == nil)
            }
            guard let numeric = try? SocketAddress(ipAddress: endpoint.host, port: Int(endpoint.port)) else {
                return (nil, false)
            }
            let address = fitted(numeric)
            Self.store(Entry(address: address, expires: nil), for: endpoint, in: &state)
            return (address, false)
        }
        if isOld { resolve(endpoint) { _ in } }
        return address
    }

    /// Calls `body` once, now or later, on any thread; with nil when the name has no address or too many wait.
    func resolve(_ endpoint: Endpoint, _ body: @escaping @Sendable (SocketAddress?) -> Void) {
        enum Step { case refuse, wait, start }
        let step: Step = state.withLockedValue { state in
            if let waiters = state.underWay[endpoint] {
                guard waiters.count < Self.waitersMax else { return .refuse }
                state.underWay[endpoint] = waiters + [body]
                return .wait
            }
            guard state.underWay.count < Self.lookupsMax else { return .refuse }
            state.underWay[endpoint] = [body]
            return .start
        }
        switch step {
        case .refuse: body(nil)
        case .wait: break
        case .start:
            NIOThreadPool.singleton.submit { [self] poolState in
                finish(endpoint, poolState == .active ? lookup(endpoint).map(fitted) : nil)
            }
        }
    }

    private func finish(_ endpoint: Endpoint, _ address: SocketAddress?) {
        let waiters = state.withLockedValue { state in
            if let address {
                Self.store(Entry(address: address, expires: .now() + lifetime), for: endpoint, in: &state)
            } else {
                state.entries[endpoint]?.expires = .now() + Self.retryPause
            }
            return state.underWay.removeValue(forKey: endpoint) ?? []
        }
        for waiter in waiters { waiter(address) }
    }

    private static func store(_ entry: Entry, for endpoint: Endpoint, in state: inout State) {
        if state.entries.count >= entriesMax, state.entries[endpoint] == nil { state.entries.removeAll() }
        state.entries[endpoint] = entry
    }

    /// A socket bound to an IPv6 address reaches IPv4 hosts by their mapped address (RFC 4291 §2.5.5.2).
    private func fitted(_ address: SocketAddress) -> SocketAddress {
        guard family == .inet6, case .v4 = address, let host = address.ipAddress, let port = address.port,
            let mapped = try? SocketAddress(ipAddress: "::ffff:\(host)", port: port)
        else { return address }
        return mapped
    }
}
