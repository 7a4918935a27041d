import Glibc

/// Ports on loopback that nobody listens on now.
enum FreePort {
    /// Below the range that kernels take outgoing connections' ports from (32768 and up): else a connection of
    /// somebody might sit on a stopped node's port when it comes back.
    private static let range: Range<UInt16> = 20_000..<30_000
    private static let attemptsMax = 200

    /// A port free for both TCP and UDP.
    static func find(besides taken: Set<UInt16> = []) throws -> UInt16 {
        for _ in 0..<attemptsMax {
            let port = UInt16.random(in: range)
            if !taken.contains(port), isFree(port, SOCK_STREAM), isFree(port, SOCK_DGRAM) { return port }
        }
        throw DemoFailure("found no free port between \(range.lowerBound) and \(range.upperBound) on 127.0.0.1")
    }

    private static func isFree(_ port: UInt16, _ type: __socket_type) -> Bool {
        let descriptor = socket(AF_INET, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
