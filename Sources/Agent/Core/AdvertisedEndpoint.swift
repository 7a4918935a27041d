import NIOCore
import NIOPosix
import Vocabulary

/// The address that others are told to call: the operator's, or one that this machine seems to be reached at.
enum AdvertisedEndpoint {
    /// - Parameter port: the one that is bound.
    static func of(_ settings: AgentSettings, port: UInt16) throws -> Endpoint {
        guard let advertised = settings.advertise else { return try find(bound: settings.bind, port: port) }
        guard advertised.port != 0 else {
            throw StartError.configuration(
                "advertise is \(advertised), but nobody can call port 0",
                hint: "name the port that others reach this node at, or leave advertise out")
        }
        return advertised
    }

    /// The bound address; for a bind to every interface, the first address of an interface that is not loopback, in
    /// the order of the system; on a machine without one, loopback.
    static func find(bound: Endpoint, port: UInt16) throws -> Endpoint {
        guard isWildcard(bound.host) else { return try Endpoint(host: bound.host, port: port) }
        let wantsV6 = bound.host.contains(":")
        let addresses = try System.enumerateDevices().compactMap(\.address)
        let candidates = addresses.compactMap { address -> String? in
            switch address {
            case .v4: address.ipAddress.flatMap { $0.hasPrefix("127.") || $0.hasPrefix("169.254.") ? nil : $0 }
            case .v6:
                wantsV6
                    ? address.ipAddress.flatMap { $0 == "::1" || $0.lowercased().hasPrefix("fe80") ? nil : $0 } : nil
            case .unixDomainSocket: nil
            }
        }
        return try Endpoint(host: candidates.first ?? "127.0.0.1", port: port)
    }

    /// Neither the operator nor the bound address says it.
    static func isGuess(_ settings: AgentSettings) -> Bool {
        settings.advertise == nil && isWildcard(settings.bind.host)
    }

    /// Leads each who calls it to itself, or nowhere.
    static func isLocal(_ host: String) -> Bool {
        host.hasPrefix("127.") || host == "::1" || host == "localhost" || isWildcard(host)
    }

    /// The address that another node saw, with this node's port, where its own guess leads nobody to it.
    static func better(than own: Endpoint, seenAs: String?) -> Endpoint? {
        guard isLocal(own.host), let seenAs, let seen = try? Endpoint(parsing: seenAs) else { return nil }
        // An IPv4 caller of an IPv6 socket (RFC 4291 §2.5.5.2).
        let mapped = "::ffff:"
        let host =
            seen.host.lowercased().hasPrefix(mapped) && seen.host.contains(".")
            ? String(seen.host.dropFirst(mapped.count)) : seen.host
        guard !isLocal(host), (try? SocketAddress(ipAddress: host, port: 0)) != nil else { return nil }
        return try? Endpoint(host: host, port: own.port)
    }

    private static func isWildcard(_ host: String) -> Bool { host == "0.0.0.0" || host == "::" }
}
