import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where a host calls from: its address, and what it is counted by.
struct CallSource: Sendable, Hashable {
    /// For its certificate; nil over anything but IP.
    let address: String?
    /// An IPv6 network of 64 bits is one source: a host picks the rest as it likes.
    let key: String

    init(_ remote: SocketAddress?) {
        guard let remote, let text = remote.ipAddress else {
            (address, key) = (nil, "unknown")
            return
        }
        switch remote {
        case .v6:
            var bytes = [UInt8](repeating: 0, count: 16)
            guard inet_pton(AF_INET6, text, &bytes) == 1 else {
                (address, key) = (nil, text)
                return
            }
            // An IPv4 caller of an IPv6 socket (RFC 4291 §2.5.5.2).
            if bytes.prefix(12).elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) {
                let four = bytes.suffix(4).map(String.init).joined(separator: ".")
                (address, key) = (four, four)
            } else {
                (address, key) = (text, "\(bytes.prefix(8))")
            }
        case .v4, .unixDomainSocket: (address, key) = (text, text)
        }
    }
}
